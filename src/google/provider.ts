import { proofArgument } from '../authentication/index.ts';
import type {
  IdentityProver,
  IdentityProvider,
  ProvidedIdentities,
  ProviderNames,
} from '../identities/index.ts';
import { type AssertedCredential, InvalidCredentials } from '../platform/errors.ts';
import type { NoticeTexts } from '../platform/module-type.ts';

/** What Google is called. RFC 8176 registers no value of `amr` for a provider. */
export const GOOGLE = { name: 'google', method: 'google' } as const satisfies ProviderNames;

/** The notices to owners. */
export const GOOGLE_NOTICES = {
  'google-linked': {
    subject: 'A Google account was linked',
    what: 'A Google account can now sign in to your account. A new password does not change that: if it is not yours, unlink it.',
  },
  'google-unlinked': {
    subject: 'A Google account was unlinked',
    what: 'The Google account that could sign in to your account no longer can.',
  },
} as const satisfies NoticeTexts;

const ID_TOKEN: AssertedCredential = {
  name: 'Google ID token',
  refusal: 'This Google sign-in was not accepted. Start it again.',
};

/** A deactivated account gets the same answer as a bad token. */
export const googleRefused = (detail: string): InvalidCredentials =>
  new InvalidCredentials([ID_TOKEN], detail);

const ID_TOKEN_ARGUMENT = proofArgument(
  { argument: 'googleIdToken', credential: ID_TOKEN },
  'An ID token of the linked Google account, requested with a nonce of startGoogleSignIn.',
);

/** Google, as the rest of the gateway sees it. @param signIn null where it is off */
export const googleProvider = (
  identities: ProvidedIdentities,
  signIn: Pick<IdentityProver, 'prove'> | null,
): IdentityProvider => ({
  ...GOOGLE,
  isOn: signIn !== null,
  identities,
  prover: {
    ...ID_TOKEN_ARGUMENT,
    prove: async (...given) => signIn?.prove(...given) ?? null,
  },
});
