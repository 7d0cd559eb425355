import { createPublicKey, type JsonWebKey } from 'node:crypto';
import type { CodeChallengeMethod, OAuth2Client } from 'google-auth-library';
import type { Clock } from '../platform/clock.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { boundedFetch, DEADLINE, getJson, IssuerAway, isRecord } from './issuer-call.ts';
import { RemoteDocument } from './remote-document.ts';

/** Seconds for which documents are cached: the max-age of the issuer within these bounds, or the default. */
const KEPT = { atLeast: 60, byDefault: 300, atMost: 86_400 };
/** The smallest scope that identifies a person and their address. */
const SCOPE = 'openid email';

export interface GoogleIssuerOptions {
  /** The first client id belongs to this service, the others to its apps. */
  readonly clientIds: readonly [string, ...string[]];
  readonly clientSecret: string;
  /** The URL of a stand-in issuer; undefined for Google itself. */
  readonly issuerUrl: string | undefined;
  readonly redirectUri: string;
}

/** The endpoints of an issuer, and its names. */
interface Endpoints {
  /** The accepted values of `iss`. The first one is stored. */
  readonly issuers: readonly [string, ...string[]];
  readonly authorization: string;
  readonly token: string;
  readonly keys: string;
}

const GOOGLE: Endpoints = {
  issuers: ['https://accounts.google.com', 'accounts.google.com'],
  authorization: 'https://accounts.google.com/o/oauth2/v2/auth',
  token: 'https://oauth2.googleapis.com/token',
  keys: 'https://www.googleapis.com/oauth2/v3/certs',
};

/** The parameters of the redirect to the issuer. */
export interface AuthorizationRequest {
  readonly state: string;
  readonly nonce: string;
  /** SHA-256 of the verifier, base64url (RFC 7636 section 4.2). */
  readonly codeChallenge: string;
}

export interface TokenAnswer {
  readonly idToken: string;
  readonly accessToken: string | null;
}

/**
 * Talks to Google, or to an OpenID issuer that stands in for it, by Google's own library. Endpoints and keys are cached
 * here, because the library fetches keys for every unknown key id and every answer that forbids caching.
 */
export class GoogleIssuer {
  readonly clientIds: GoogleIssuerOptions['clientIds'];
  private readonly endpoints: RemoteDocument<Endpoints> | null;
  private readonly keys: RemoteDocument<ReadonlyMap<string, string>>;

  constructor(
    private readonly options: GoogleIssuerOptions,
    clock: Clock,
  ) {
    this.clientIds = options.clientIds;
    const { issuerUrl } = options;
    this.endpoints =
      issuerUrl === undefined ? null : new RemoteDocument((signal) => discover(issuerUrl, signal), clock);
    this.keys = new RemoteDocument(
      async (signal) => fetchKeys((await this.locate(signal)).keys, signal),
      clock,
    );
  }

  /** The deadline for all calls to the issuer in one request. */
  deadline(): AbortSignal {
    return AbortSignal.timeout(DEADLINE);
  }

  /** @throws {ServiceUnavailable} */
  async issuers(signal: AbortSignal): Promise<Endpoints['issuers']> {
    return (await this.locate(signal)).issuers;
  }

  /**
   * Finds a key of the issuer.
   * @returns the public key as PEM; undefined when the issuer has no key with this id.
   * @throws {ServiceUnavailable}
   */
  key(id: string, signal: AbortSignal): Promise<string | undefined> {
    return this.keys.get((keys) => keys.get(id), signal);
  }

  /** @throws {ServiceUnavailable} */
  async authorizationUrl(
    { state, nonce, codeChallenge }: AuthorizationRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const client = await this.client(await this.locate(signal), signal);
    return client.generateAuthUrl({
      scope: SCOPE,
      state,
      nonce,
      code_challenge: codeChallenge,
      code_challenge_method: 'S256' as CodeChallengeMethod,
    });
  }

  /**
   * Redeems an authorization code (RFC 6749 section 4.1.3).
   * @returns null when the issuer refuses it.
   * @throws {ServiceUnavailable}
   */
  async redeem(code: string, codeVerifier: string, signal: AbortSignal): Promise<TokenAnswer | null> {
    const client = await this.client(await this.locate(signal), signal);
    // The library returns what the issuer sent, which may differ from the declared type.
    let tokens: unknown;
    try {
      ({ tokens } = await client.getToken({ code, codeVerifier }));
    } catch (error) {
      const status = (error as { response?: { status?: number } }).response?.status;
      if (status === 400) return null;
      // 401 means a wrong GOOGLE_CLIENT_SECRET. The error of the library quotes the request with the secret, so it is
      // not passed on.
      const reason = status === undefined ? 'no usable answer' : `it answered ${status}`;
      throw new ServiceUnavailable({ detail: `the token endpoint: ${reason}` });
    }
    const { id_token: idToken, access_token: accessToken } = isRecord(tokens) ? tokens : {};
    if (typeof idToken !== 'string') {
      throw new ServiceUnavailable({ detail: 'the token endpoint: it answered without an ID token' });
    }
    return { idToken, accessToken: typeof accessToken === 'string' ? accessToken : null };
  }

  private async locate(signal: AbortSignal): Promise<Endpoints> {
    const found = await this.endpoints?.get((endpoints) => endpoints, signal);
    return found ?? GOOGLE;
  }

  /**
   * Makes a client for each request, because the library takes no signal with a call. The library is loaded only when it
   * is used.
   */
  private async client(endpoints: Endpoints, signal: AbortSignal): Promise<OAuth2Client> {
    const { OAuth2Client } = await import('google-auth-library');
    const [clientId] = this.options.clientIds;
    const client = new OAuth2Client({
      clientId,
      clientSecret: this.options.clientSecret,
      redirectUri: this.options.redirectUri,
      endpoints: {
        oauth2AuthBaseUrl: endpoints.authorization,
        oauth2TokenUrl: endpoints.token,
      },
      transporterOptions: { fetchImplementation: boundedFetch(signal) },
    });
    client.transporter.interceptors.request.add({
      // The library would send a code again, although a code works only once.
      resolved: async (config) => Object.assign(config, { retry: false, retryConfig: { retry: 0 } }),
    });
    return client;
  }
}

/**
 * Reads the endpoints. The document must name the issuer that it was requested from (OpenID Connect Discovery 1.0
 * section 4).
 */
async function discover(issuerUrl: string, signal: AbortSignal) {
  const bare = issuerUrl.replace(/\/$/, '');
  const { document, maxAge } = await getJson('discovery', `${bare}/.well-known/openid-configuration`, signal);
  const { issuer } = document;
  if (typeof issuer !== 'string' || issuer.replace(/\/$/, '') !== bare) {
    throw new IssuerAway('discovery', 'it names another issuer');
  }
  const endpoint = (name: string): string => {
    const url = URL.parse(String(document[name]));
    // An issuer on https must not lead to plain http.
    if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && bare.startsWith('http:')))) {
      throw new IssuerAway('discovery', `${name} is missing or not usable`);
    }
    return url.href;
  };
  const value: Endpoints = {
    issuers: [issuer],
    authorization: endpoint('authorization_endpoint'),
    token: endpoint('token_endpoint'),
    keys: endpoint('jwks_uri'),
  };
  return { value, maxAge: kept(maxAge) };
}

/** Reads the RSA keys for signatures, in the form of the library: PEM by key id. */
async function fetchKeys(url: string, signal: AbortSignal) {
  const { document, maxAge } = await getJson('keys', url, signal);
  if (!Array.isArray(document.keys)) throw new IssuerAway('keys', 'it did not answer with a key set');
  const usable = document.keys.filter(
    (key): key is JsonWebKey & { kid: string } =>
      isRecord(key) && typeof key.kid === 'string' && key.kty === 'RSA' && (key.use ?? 'sig') === 'sig',
  );
  const value = new Map(usable.map((key) => [key.kid, pemOf(key)]));
  return { value, maxAge: kept(maxAge) };
}

function pemOf(key: JsonWebKey): string {
  try {
    return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
  } catch (error) {
    throw new IssuerAway('keys', 'a key is not usable', error);
  }
}

const kept = (maxAge: number | null): number =>
  Math.min(Math.max(maxAge ?? KEPT.byDefault, KEPT.atLeast), KEPT.atMost);
