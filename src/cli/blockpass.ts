import type { Config } from '../config/index.ts';

export interface EndpointOptions {
  /** Origin at which phones reach the gateway, if it is not PUBLIC_URL. */
  readonly origin?: string;
}

/** Prints the endpoints of the service to register at Blockpass: the five calls of the app, and the website. */
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
