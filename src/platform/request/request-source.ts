import { type ClientNetworks, networksOf } from './client-ip.ts';

/** Where a request came from: what sessions show to their owner and the audit trail keeps. */
export interface RequestSource {
  readonly requestId: string | null;
  /** Of the client, through trusted proxies only. Null for the command line. */
  readonly clientIp: string | null;
  /** The networks that the client is counted in, the narrowest first: computed once for a request (client-ip.ts). */
  readonly networks: ClientNetworks;
  /** At most 512 characters, without control characters. */
  readonly userAgent: string | null;
  /** What the cookie of known devices carries, unchecked: tells browsers apart and proves nothing. */
  readonly deviceMark: string | null;
  /** Of the key that the request proved to hold (DPoP), for a session that it makes or refreshes. */
  readonly dpopThumbprint?: string | null;
  /** In the time of `performance.now()`: when its last bytes may have arrived at the earliest. */
  readonly completeSince?: number;
}

/** For what the command line does. */
export const COMMAND_LINE: RequestSource = {
  requestId: null,
  clientIp: null,
  networks: networksOf(null),
  userAgent: null,
  deviceMark: null,
};
