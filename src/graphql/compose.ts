import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { Demand, FactorLookup } from '../platform/request/index.ts';
import { authorizationChecker, type Permissions } from './authorization.ts';
import { ErrorCodesResolver } from './error-codes.resolver.ts';

export type GraphqlServices = ServicesOf<typeof composeGraphql>;

export function composeGraphql({
  platform: { clock },
  passwords: { accountFactors },
  roles: { permissions },
}: {
  platform: PlatformServices;
  passwords: { readonly accountFactors: FactorLookup };
  roles: { readonly permissions: Permissions };
}) {
  const isAuthorized = authorizationChecker(permissions, accountFactors, clock);
  /** For routes, and for fields whose permission depends on what is asked for. */
  const demand: Demand = (context, requirement) => isAuthorized(context, [requirement]);
  return {
    services: { isAuthorized, demand },
    resolvers: [new ErrorCodesResolver()],
  } satisfies Composed;
}
