import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { type CallerVerification, requestContexts } from './request-context.ts';

export type HttpServices = ServicesOf<typeof composeHttp>;

/** The server itself is made last, from the contributions of all modules (`composition/server.ts`). */
export function composeHttp({
  platform: { fork },
  sessions: { callerVerification },
  devices: { deviceCookie },
}: {
  platform: PlatformServices;
  sessions: { readonly callerVerification: CallerVerification };
  devices: { readonly deviceCookie: { readonly name: string } };
}) {
  return {
    services: { contexts: requestContexts({ fork, callerVerification, deviceCookie: deviceCookie.name }) },
  } satisfies Composed;
}
