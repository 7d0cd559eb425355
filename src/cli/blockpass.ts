import type { Config } from '../config/index.ts';

export interface EndpointOptions {
  /** Origin under which phones reach the gateway, where it is not PUBLIC_URL. */
  readonly origin?: string;
}

/** Prints what is registered at Blockpass for the service: where the app finds its five calls, and the website. */
export function printBlockpassEndpoints(
  { blockpass, http }: Config,
  output: NodeJS.WritableStream,
  { origin = http.publicUrl }: EndpointOptions,
): void {
  const prefix = new URL(origin).origin + blockpass.path;
  const endpoints = {
    status: `${prefix}/status`,
    login: `${prefix}/login`,
    register: `${prefix}/register`,
    upload: `${prefix}/uploadData`,
    resubmit: `${prefix}/resubmit`,
    website: http.clientOrigins[0] ?? http.publicUrl,
  };
  output.write(`${JSON.stringify(endpoints, null, 2)}\n`);
}
