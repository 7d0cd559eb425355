import { type ClientNetworks, networksOf } from './client-networks.ts';

/** The source of a request. Sessions show it to their owner, and the audit trail keeps it. */
export interface RequestSource {
  readonly requestId: string | null;
  /** The client's IP, behind trusted proxies. Null for the command line. */
  readonly clientIp: string | null;
  /** The networks in which the client is counted, the narrowest first. Computed once for a request (client-networks.ts). */
  readonly networks: ClientNetworks;
  /** At most 512 characters, without control characters. */
  readonly userAgent: string | null;
  /** The value of the device cookie, unchecked. It identifies a browser and proves nothing. */
  readonly deviceMark: string | null;
  /** Thumbprint of the key that the request proved (DPoP), for a session that it makes or refreshes. */
  readonly dpopThumbprint?: string | null;
  /** The earliest time at which its last bytes may have arrived, in the time of `performance.now()`. */
  readonly completeSince?: number;
}

/** The account that makes a change, and the source of its request. The audit trail keeps both. */
export interface Actor {
  readonly actorId: string;
  readonly source: RequestSource;
}

/** The source of commands of the command line. */
export const COMMAND_LINE: RequestSource = {
  requestId: null,
  clientIp: null,
  networks: networksOf(null),
  userAgent: null,
  deviceMark: null,
};
