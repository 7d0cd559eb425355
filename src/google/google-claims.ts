/** Whom a verified ID token names, reduced to what the gateway acts on. */
export interface GoogleClaims {
  /** In one spelling, whichever of Google's two the token has. */
  readonly issuer: string;
  readonly subject: string;
  /** Null when the token has none. */
  readonly email: string | null;
  readonly emailVerified: boolean;
  /** The Google Workspace domain (`hd`) that the account belongs to. */
  readonly hostedDomain: string | null;
}

const MAIL_OF_GOOGLE = /@(gmail|googlemail)\.com$/i;

/**
 * Whether Google itself hands out the address, so that nobody else can have it now. Other addresses were verified once,
 * and may have another owner today (Google, "Verify the Google ID token on your server side"). Google asks for no more
 * than that there is a `hd`; an address outside of that domain is not one that the domain vouches for.
 */
export const isAuthoritative = ({ email, emailVerified, hostedDomain }: GoogleClaims): boolean =>
  email !== null && emailVerified && (MAIL_OF_GOOGLE.test(email) || isOfDomain(email, hostedDomain));

const isOfDomain = (email: string, domain: string | null): boolean =>
  domain !== null && email.toLowerCase().endsWith(`@${domain.toLowerCase()}`);
