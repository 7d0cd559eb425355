import type { Clock } from '../../platform/clock.ts';
import type { Certificate, CertificateSources, ProofStep } from '../protocol/index.ts';
import { BlockpassAway, BlockpassRefused } from './errors.ts';
import { type Call, isRecord, send } from './http-call.ts';

export interface BlockpassApiOptions {
  /** False when Blockpass is not configured. Then every call throws BlockpassAway. */
  readonly enabled?: boolean;
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Milliseconds for one call. Five seconds by default; tests set less. */
  readonly deadline?: number;
}

/** The tokens that Blockpass issues for an authorization code. They allow calls about one person. */
export interface TokenSet {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Milliseconds since the epoch; 0 when unknown. */
  readonly expiresAt: number;
}

export interface BlockpassProfile {
  /** The Blockpass id. It is stable for a person, and different for each service. It is the only trusted identity. */
  readonly id: string;
  /** Root of the person's Merkle tree. */
  readonly rootHash: string | null;
  /** True while Blockpass is still writing the tree. Then proofs may not match it yet. */
  readonly isSynching: boolean;
}

/** Seconds by which a token is refreshed early, so that it does not expire in transit. */
const EXPIRY_MARGIN = 30;
/** Seconds. A longer lifetime is not believed. */
const MAX_LIFETIME = 366 * 24 * 3600;

const PREFIX = '/api/v0.3';

/**
 * The Blockpass API, version v0.3. Every method may throw BlockpassAway, and BlockpassRefused when Blockpass refuses.
 * Only calls that read are retried here, because the API does not define what repeated writes do.
 */
export class BlockpassApi implements CertificateSources {
  constructor(
    private readonly options: BlockpassApiOptions,
    private readonly clock: Clock,
  ) {}

  /** @returns the session code for the QR code. */
  async createSession(): Promise<string> {
    const path = `${PREFIX}/service/register/${encodeURIComponent(this.options.clientId)}`;
    const { session } = await this.call({ name: 'session', method: 'POST', path });
    return textOf(session, 'session', MAX_SESSION_CODE);
  }

  /** Exchanges the authorization code of the app, together with the session code of the QR code if there is one. */
  async handshake(code: string, sessionCode: string | null): Promise<TokenSet> {
    return this.tokens(
      await this.call({
        name: 'handshake',
        method: 'POST',
        path: `${PREFIX}/oauth2/token/`,
        body: {
          client_id: this.options.clientId,
          client_secret: this.options.clientSecret,
          code,
          session_code: sessionCode,
          grant_type: 'authorizationcode',
        },
      }),
    );
  }

  /** Whether a token set must be refreshed before it is used. */
  isStale({ expiresAt }: TokenSet): boolean {
    return expiresAt - EXPIRY_MARGIN * 1000 <= this.clock.now();
  }

  /** Renews the tokens. Store the new set, because the old one may be void. */
  async refresh({ accessToken, refreshToken }: TokenSet): Promise<TokenSet> {
    return this.tokens(
      await this.call({
        name: 'refresh',
        method: 'POST',
        path: `${PREFIX}/service/renewStoc`,
        body: { stoc: accessToken, stoc_refresh: refreshToken, client_secret: this.options.clientSecret },
      }),
    );
  }

  async profile({ accessToken: token }: TokenSet): Promise<BlockpassProfile> {
    const path = `${PREFIX}/oauth2/profile`;
    const { id, rootHash, isSynching } = await this.call({
      name: 'profile',
      method: 'POST',
      path,
      token,
      reads: true,
    });
    if (typeof id !== 'string' || !/^[\w-]{1,128}$/.test(id)) throw strange('profile');
    return {
      id,
      rootHash: typeof rootHash === 'string' && /^[0-9a-f]{64}$/.test(rootHash) ? rootHash : null,
      // It is a boolean in all recorded answers, but a word in the documentation.
      isSynching: isSynching === true || isSynching === 'syncing',
    };
  }

  /**
   * Completes the session of a QR code. Everyone who saw the code can read what is sent here.
   * @param signInId by which the page knows the sign-in; it proves nothing. Null for a session that was not started
   *   here.
   */
  async completeSession(
    { accessToken: token }: TokenSet,
    sessionCode: string,
    signInId: string | null,
  ): Promise<void> {
    const extraData = signInId === null ? {} : { signInId };
    // The code has two keys: the specification uses the first, the libraries of Blockpass use the second.
    const customData = { session_Code: sessionCode, sessionData: sessionCode, extraData };
    await this.call({
      name: 'complete',
      method: 'POST',
      path: `${PREFIX}/service/complete/`,
      token,
      body: { result: 'success', custom_data: JSON.stringify(customData) },
    });
  }

  /** Whether Blockpass knows that the session of a QR code succeeded. Its website reads the same state. */
  async isSessionCompleted(sessionCode: string): Promise<boolean> {
    const path = `${PREFIX}/service/register/${encodeURIComponent(sessionCode)}`;
    const answer = await this.find({ name: 'session state', method: 'GET', path, reads: true });
    return answer?.status === 'success';
  }

  /** Shows a notice on the person's phone. */
  async notify({ accessToken: token }: TokenSet, title: string, message: string): Promise<void> {
    await this.call({
      name: 'notice',
      method: 'POST',
      path: `${PREFIX}/certificate_new/feedBack`,
      token,
      body: { noti: { type: 'info', title, mssg: message } },
    });
  }

  /** Reads the paths to the root by slug. A field without a path is absent. */
  async proofs(
    { accessToken: token }: TokenSet,
    slugs: readonly string[],
  ): Promise<ReadonlyMap<string, readonly ProofStep[]>> {
    const { proofList } = await this.call({
      name: 'proofs',
      method: 'POST',
      path: `${PREFIX}/service/getProof`,
      token,
      body: { slug_list: slugs },
      reads: true,
    });
    if (!isRecord(proofList)) throw strange('proofs');
    return new Map(
      slugs.flatMap((slug) => {
        const steps = Object.hasOwn(proofList, slug) ? proofList[slug] : undefined;
        return Array.isArray(steps) ? [[slug, steps.map(proofStep)] as const] : [];
      }),
    );
  }

  /** Sends a certificate about the person to Blockpass, which countersigns and delivers it. */
  async putCertificate({ accessToken: token }: TokenSet, certificate: Certificate): Promise<void> {
    await this.call({
      name: 'certificate',
      method: 'PUT',
      path: `${PREFIX}/certificate_new/`,
      token,
      body: certificate,
    });
  }

  schema(slug: string): Promise<object> {
    return this.call({
      name: 'schema',
      method: 'GET',
      path: `/api/schema/${encodeURIComponent(slug)}`,
      reads: true,
    });
  }

  async signer(creatorHash: string): Promise<{ address: string; clientId: string } | null> {
    const path = `${PREFIX}/service/pubKeyHash/${encodeURIComponent(creatorHash)}`;
    const answer = await this.find({ name: 'public key', method: 'GET', path, reads: true });
    const { status, result } = answer ?? {};
    if (status !== 'success' || !isRecord(result)) return null;
    const { publicKey, clientId } = result;
    return typeof publicKey === 'string' && typeof clientId === 'string'
      ? { address: publicKey, clientId }
      : null;
  }

  async isIssuer(clientId: string, slug: string): Promise<boolean> {
    const path = `${PREFIX}/service/clientId/${encodeURIComponent(clientId)}`;
    const answer = await this.find({ name: 'service', method: 'GET', path, reads: true });
    const { certificate: issued } = answer ?? {};
    // These are slugs, or in later versions the URLs of schemas.
    return Array.isArray(issued) && issued.some((kind) => String(kind).split('/').at(-1) === slug);
  }

  /** @returns null when Blockpass does not know the object. */
  private async find(call: Call): Promise<Record<string, unknown> | null> {
    try {
      return await this.call(call);
    } catch (error) {
      if (error instanceof BlockpassRefused) return null;
      throw error;
    }
  }

  private call(call: Call): Promise<Record<string, unknown>> {
    const { enabled, baseUrl, deadline } = this.options;
    if (enabled === false) return Promise.reject(new BlockpassAway(call.name, 'it is not configured'));
    return send(baseUrl, call, deadline === undefined ? undefined : { deadline });
  }

  private tokens(answer: Record<string, unknown>): TokenSet {
    const { access_token, refresh_token, expires_in: seconds } = answer;
    // The lifetime is in seconds, as recorded answers show. If it were milliseconds, as the specification says, every
    // token would expire at once.
    const known = typeof seconds === 'number' && seconds > 0 && seconds <= MAX_LIFETIME;
    return {
      accessToken: textOf(access_token, 'token set'),
      refreshToken: textOf(refresh_token, 'token set'),
      expiresAt: known ? this.clock.now() + seconds * 1000 : 0,
    };
  }
}

/** Maximum number of characters of a token, which goes into a header. */
const MAX_TOKEN = 4_096;
/** Maximum number of characters of a session code. It is a UUID in a QR code, which a camera must be able to read. */
const MAX_SESSION_CODE = 128;

function textOf(value: unknown, call: string, limit = MAX_TOKEN): string {
  if (typeof value !== 'string' || value.length > limit || !/^[\x21-\x7e]+$/.test(value)) throw strange(call);
  return value;
}

function proofStep(value: unknown): ProofStep {
  const { left, right } = isRecord(value) ? value : {};
  if (typeof left !== 'string' || typeof right !== 'string') throw strange('proofs');
  return { left, right };
}

const strange = (call: string) => new BlockpassAway(call, 'the answer does not follow the protocol');
