import type { IdentityProvider, ProvidedIdentities, ProviderNames } from '../../identities/index.ts';
import type { NoticeTexts } from '../../platform/module-type.ts';

/** What Blockpass is called. RFC 8176 registers no value of `amr` for a provider. */
export const BLOCKPASS = { name: 'blockpass', method: 'blockpass' } as const satisfies ProviderNames;

/** The notices to owners. */
export const BLOCKPASS_NOTICES = {
  'blockpass-linked': {
    subject: 'A Blockpass identity was linked',
    what: 'A Blockpass identity can now sign in to your account.',
  },
} as const satisfies NoticeTexts;

/** Blockpass, as the rest of the gateway sees it. The app proves nothing at once, so there is no prover. */
export const blockpassProvider = (identities: ProvidedIdentities, isOn: boolean): IdentityProvider => ({
  ...BLOCKPASS,
  isOn,
  identities,
});
