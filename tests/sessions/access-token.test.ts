import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import { SecretBox } from '../../src/platform/secret-box.ts';
import { keyring } from '../../src/platform/setting-parsers.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { eventually } from '../support/race.ts';
import type { Subject } from '../support/subject.ts';

const secrets = newSecrets();
let gateway: TestGateway;
let alice: Subject;
let accessToken: string;
let refreshToken: string;
/** The genuine signing key, which only a test can read. */
let genuine: KeyObject;

beforeAll(async () => {
  gateway = await TestGateway.start(secrets);
  alice = await gateway.aSubject();
  ({ accessToken, refreshToken } = await alice.signedIn());
  const [row] = await gateway.database.query<{ sealed_private_key: Buffer }>(
    'select sealed_private_key from signing_key',
  );
  const box = new SecretBox(keyring(secrets.ENCRYPTION_KEY));
  genuine = createPrivateKey(box.open('signing key', row?.sealed_private_key ?? Buffer.alloc(0)));
});
afterAll(() => gateway.close());

const accepts = async (token: string): Promise<boolean> => {
  const reply = await alice.me(token);
  if (reply.errors.length > 0) expect(reply.code).toBe('UNAUTHENTICATED');
  return reply.errors.length === 0;
};
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const header = () => decodeProtectedHeader(accessToken);

/** A token of the genuine key with some claims or header members changed. */
function forged({
  claims = {},
  head = {},
  key = genuine,
}: {
  claims?: Record<string, unknown>;
  head?: object;
  key?: KeyObject;
} = {}) {
  const payload = { ...decodeJwt(accessToken), ...claims };
  const defined = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
  return new SignJWT(defined).setProtectedHeader({ ...header(), alg: 'RS256', ...head }).sign(key);
}

describe('an access token', () => {
  it('is accepted when it is genuine', async () => {
    expect(await accepts(accessToken)).toBe(true);
    expect(await accepts(await forged())).toBe(true);
  });

  it('has the claims of RFC 9068, no personal data, and ends after its configured lifetime', () => {
    expect(header()).toEqual({ typ: 'at+jwt', alg: 'RS256', kid: expect.any(String) });
    const claims = decodeJwt(accessToken);
    expect(Object.keys(claims).sort()).toEqual(
      [
        'aal',
        'amr',
        'aud',
        'auth_time',
        'epoch',
        'exp',
        'gen',
        'iat',
        'iss',
        'jti',
        'roles',
        'sid',
        'sub',
      ].sort(),
    );
    expect(claims).toMatchObject({
      sub: alice.id,
      iss: 'http://localhost:4000',
      aud: 'gatehouse',
      amr: ['pwd'],
      aal: 1,
      roles: [],
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600);
    expect(accessToken.length).toBeLessThan(1500);
  });

  it('can be verified by an independent service with only the published key set', async () => {
    const keys = createRemoteJWKSet(new URL(`${gateway.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(accessToken, keys, {
      issuer: 'http://localhost:4000',
      audience: 'gatehouse',
      typ: 'at+jwt',
    });
    expect(payload.sub).toBe(alice.id);
  });

  it.each(['none', 'None', 'NONE', 'nOnE', undefined])('with the algorithm %s is refused', async (alg) => {
    const [, payload, signature] = accessToken.split('.');
    const head = encode({ ...header(), alg });
    expect(await accepts(`${head}.${payload}.`)).toBe(false);
    expect(await accepts(`${head}.${payload}.${signature}`)).toBe(false);
  });

  it('is refused when the public key was used as a shared secret', async () => {
    const publicKey = createPublicKey(genuine);
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const shapes: (string | Buffer)[] = [
      pem,
      pem.trim(),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(publicKey.export({ format: 'jwk' })),
    ];
    const payload = accessToken.split('.')[1];
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      for (const secret of shapes) {
        const signed = `${encode({ ...header(), alg })}.${payload}`;
        const hmac = createHmac(`sha${alg.slice(2)}`, secret)
          .update(signed)
          .digest('base64url');
        expect(await accepts(`${signed}.${hmac}`)).toBe(false);
      }
    }
  });

  it.each(['RS512', 'RS384', 'PS256'])(
    'of the genuine key is refused under %s, because a key is bound to its algorithm',
    async (alg) => {
      expect(await accepts(await forged({ head: { alg } }))).toBe(false);
    },
  );

  it('of a foreign key is refused, even when it contains that key', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = publicKey.export({ format: 'jwk' });
    expect(await accepts(await forged({ key: privateKey }))).toBe(false);
    expect(await accepts(await forged({ key: privateKey, head: { jwk } }))).toBe(false);
    expect(await accepts(await forged({ key: privateKey, head: { jwk, kid: undefined } }))).toBe(false);
  });

  it('never makes the gateway fetch a key', async () => {
    let connections = 0;
    const listener = createServer().on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/keys`;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    for (const head of [{ jku: url }, { x5u: url }]) {
      expect(await accepts(await forged({ key: privateKey, head }))).toBe(false);
    }
    expect(connections).toBe(0);
    await new Promise((resolve) => listener.close(resolve));
  });

  it.each([
    ['empty', ''],
    ['unknown', 'unknown'],
    ['a path', '../../etc/passwd'],
    ['SQL', "' or 1=1 --"],
    ['10 kB', 'k'.repeat(10_000)],
    ['an array', ['a']],
    ['an object', { a: 1 }],
    ['a name of Object.prototype', '__proto__'],
    ['another name of it', 'constructor'],
  ])('is refused when its kid is %s', async (_, kid) => {
    const [, payload, signature] = accessToken.split('.');
    expect(await accepts(`${encode({ ...header(), kid })}.${payload}.${signature}`)).toBe(false);
  });

  it.each<[string, Record<string, unknown>]>([
    ['another issuer', { iss: 'https://staging.example.test' }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'someone-else' }],
    ['several audiences', { aud: ['gatehouse', 'someone-else'] }],
    ['no audience', { aud: undefined }],
    ['no expiry', { exp: undefined }],
    ['an expiry in the past', { exp: 1_000 }],
    ['an expiry that is text', { exp: '9999999999' }],
    ['a negative expiry', { exp: -1 }],
    ['an issue time in the future', { iat: 9_999_999_999, exp: 19_999_999_999 }],
    [
      'an issue time so old that its lifetime is over, whatever its expiry says',
      { iat: 1_000, exp: 19_999_999_999 },
    ],
    ['a start time in the future', { nbf: 9_999_999_999 }],
    ['no session', { sid: undefined }],
    ['a session that is not an id', { sid: 'x' }],
    ['no subject', { sub: undefined }],
    ['no epoch', { epoch: undefined }],
    ['an epoch that is text', { epoch: '0' }],
    ['a generation that is text', { gen: '0' }],
    ['roles that are not a list', { roles: 'superuser' }],
  ])('with %s is refused', async (_, claims) => {
    expect(await accepts(await forged({ claims }))).toBe(false);
  });

  it.each([
    ['another typ', { typ: 'JWT' }],
    ['no typ', { typ: undefined }],
    ['the typ of an ID token', { typ: 'id+jwt' }],
  ])('with %s is refused, because only access tokens are accepted', async (_, head) => {
    expect(await accepts(await forged({ head }))).toBe(false);
  });

  it('with an unknown critical extension is refused', async () => {
    const [, payload, signature] = accessToken.split('.');
    for (const extra of [
      { crit: ['unknown'], unknown: 1 },
      { crit: [] },
      { b64: false, crit: ['b64'] },
      { zip: 'DEF' },
    ]) {
      expect(await accepts(`${encode({ ...header(), ...extra })}.${payload}.${signature}`)).toBe(false);
    }
  });

  it('is accepted in one spelling only', async () => {
    const [head, payload, signature = ''] = accessToken.split('.');
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const middle = `${signature.slice(0, 10)} ${signature.slice(10)}`;
    for (const variant of [
      `${accessToken}==`,
      `${head}.${payload}.${middle}`,
      `${head}.${payload}`,
      `${accessToken}.x`,
    ]) {
      expect(await accepts(variant)).toBe(false);
    }
    const flipped = signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.slice(-1)) ^ 1];
    expect(await accepts(`${head}.${payload}.${flipped}`)).toBe(false);
  });

  it('is refused when it was altered or combined with the payload of another token', async () => {
    const bob = await gateway.aSubject();
    const other = (await bob.signedIn()).accessToken;
    const [head, payload, signature] = accessToken.split('.');
    expect(await accepts(`${head}.${other.split('.')[1]}.${signature}`)).toBe(false);
    expect(await accepts(`${head}.${encode({ ...decodeJwt(accessToken), sub: bob.id })}.${signature}`)).toBe(
      false,
    );
    expect(await accepts(`${head}.${payload}.`)).toBe(false);
  });

  it('is not accepted as a refresh token, nor a refresh token as an access token', async () => {
    expect(await accepts(refreshToken)).toBe(false);
    expect((await alice.refresh(accessToken)).code).toBe('INVALID_REFRESH_TOKEN');
  });

  it('of 20 kB is refused by the HTTP layer', async () => {
    const response = await fetch(`${gateway.url}/graphql?query={me{id}}`, {
      headers: { authorization: `Bearer ${'x'.repeat(20_000)}`, 'apollo-require-preflight': '1' },
    });
    expect(response.status).toBe(431);
  });
});

describe('the lifetime of an access token', () => {
  it('ends at its expiry', async () => {
    const other = await gateway.another({ ACCESS_TOKEN_TTL_SECONDS: '60' });
    try {
      const token = (await alice.signedIn({ client: other.client })).accessToken;
      expect((await alice.me(token, other.client)).errors).toEqual([]);
      other.clock.advance(61);
      expect((await alice.me(token, other.client)).code).toBe('UNAUTHENTICATED');
    } finally {
      await other.close();
    }
  });

  it('never exceeds that of its session', async () => {
    const other = await gateway.another({ REFRESH_TOKEN_TTL_SECONDS: '120' });
    try {
      const { exp = 0, iat = 0 } = decodeJwt((await alice.signedIn({ client: other.client })).accessToken);
      expect(exp - iat).toBeLessThanOrEqual(120);
    } finally {
      await other.close();
    }
  });
});

describe('every available algorithm', () => {
  it.each(['PS256', 'ES256', 'EdDSA'])(
    'can sign with %s, and keys of the others stay valid',
    async (algorithm) => {
      const other = await gateway.another({ JWT_ALG: algorithm });
      try {
        const { fork, keyRotation, signingKeys } = other.gateway;
        await keyRotation.rotate(fork(), 'now', COMMAND_LINE);
        await eventually(
          async () => signingKeys.current().algorithm,
          (signs) => signs === algorithm,
        );
        const token = (await alice.signedIn({ client: other.client })).accessToken;
        expect(decodeProtectedHeader(token).alg).toBe(algorithm);
        expect((await alice.me(token, other.client)).errors).toEqual([]);
        expect((await alice.me(accessToken, other.client)).errors).toEqual([]);
      } finally {
        await other.close();
      }
    },
  );
});

describe('the public key set', () => {
  it('has only public members, and may be cached', async () => {
    const response = await fetch(`${gateway.url}/.well-known/jwks.json`);
    const { keys } = (await response.json()) as { keys: Record<string, string>[] };
    const rsa = keys.find(({ alg }) => alg === 'RS256');
    expect(Object.keys(rsa ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
    expect(Buffer.from(rsa?.n ?? '', 'base64url').length * 8).toBeGreaterThanOrEqual(2048);
    for (const key of keys)
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secret);
    expect(response.headers.get('cache-control')).toContain('max-age');
    expect(response.headers.get('set-cookie')).toBeNull();
  });
});
