import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { expiredTokens, OneTimeTokens } from './one-time-tokens.ts';
import { mailedLinkData } from './personal-data.ts';

export type OneTimeTokenServices = ServicesOf<typeof composeOneTimeTokens>;

export function composeOneTimeTokens() {
  return {
    services: { tokens: new OneTimeTokens() },
    personalData: [mailedLinkData],
    chores: [expiredTokens],
  } satisfies Composed;
}
