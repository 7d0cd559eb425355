/** The claims of a verified ID token that the gateway uses. */
export interface GoogleClaims {
  /** In one spelling, although Google uses two in tokens. */
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
 * Whether Google itself issues the address, so that no other person can have it now. Google verified other addresses
 * once, and they may have another owner today (Google, "Verify the Google ID token on your server side"). Google
 * requires only that `hd` exists. Here the address must also be in that domain, because the domain does not vouch for
 * any other.
 */
export const isAuthoritative = ({ email, emailVerified, hostedDomain }: GoogleClaims): boolean =>
  email !== null && emailVerified && (MAIL_OF_GOOGLE.test(email) || isOfDomain(email, hostedDomain));

const isOfDomain = (email: string, domain: string | null): boolean =>
  domain !== null && email.toLowerCase().endsWith(`@${domain.toLowerCase()}`);
