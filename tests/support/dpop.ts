import { createHash, randomUUID } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { Client, Reply, RequestOptions } from './client.ts';
import {
  LoginDocument,
  type LoginMutation,
  MeDocument,
  type MeQuery,
  RefreshDocument,
  type RefreshMutation,
} from './generated/operations.ts';
import type { Subject } from './subject.ts';

/** The ways in which a proof differs from a valid one. */
export interface ProofFacts {
  readonly accessToken?: string | undefined;
  /** Claims to replace or, with undefined, to remove. */
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
}

/** A client that holds a key, written from RFC 9449. */
export class KeyHolder {
  private constructor(
    readonly algorithm: string,
    readonly privateKey: CryptoKey,
    readonly jwk: JWK,
    readonly thumbprint: string,
  ) {}

  static async make(algorithm = 'ES256'): Promise<KeyHolder> {
    const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
    const jwk = await exportJWK(publicKey);
    return new KeyHolder(algorithm, privateKey, jwk, await calculateJwkThumbprint(jwk));
  }

  proof({ accessToken, claims = {}, header = {} }: ProofFacts = {}): Promise<string> {
    const payload = {
      jti: randomUUID(),
      htm: 'POST',
      htu: 'http://localhost:4000/graphql',
      iat: Math.floor(Date.now() / 1000),
      ...(accessToken !== undefined && { ath: createHash('sha256').update(accessToken).digest('base64url') }),
      ...claims,
    };
    return new SignJWT(payload as never)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: this.algorithm, jwk: this.jwk, ...header })
      .sign(this.privateKey);
  }

  /** Headers of a request with a bound access token. */
  async headers(accessToken: string, proof?: string): Promise<Record<string, string>> {
    return { authorization: `DPoP ${accessToken}`, dpop: proof ?? (await this.proof({ accessToken })) };
  }

  async login(
    person: Subject,
    options: RequestOptions & { client?: Client; proof?: string } = {},
  ): Promise<Reply<LoginMutation>> {
    const { client = person.client, proof = await this.proof() } = options;
    const input = { identifier: person.username, password: person.password };
    return client.execute(LoginDocument, { input }, { headers: { dpop: proof, ...options.headers } });
  }

  async refresh(client: Client, refreshToken: string, proof?: string): Promise<Reply<RefreshMutation>> {
    return client.execute(
      RefreshDocument,
      { refreshToken },
      { headers: { dpop: proof ?? (await this.proof()) } },
    );
  }

  async me(client: Client, accessToken: string, proof?: string): Promise<Reply<MeQuery>> {
    return client.execute(MeDocument, {}, { headers: await this.headers(accessToken, proof) });
  }
}
