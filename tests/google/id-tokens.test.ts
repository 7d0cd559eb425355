import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { LoginWithGoogleDocument } from '../support/generated/operations.ts';
import {
  aPerson,
  CLIENT_ID,
  type Claims,
  GoogleStandIn,
  newNonce,
  oneTap,
} from '../support/google-stand-in.ts';
import { race } from '../support/race.ts';

let google: GoogleStandIn;
let gateway: TestGateway;
beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start({
    ...google.settings,
    GOOGLE_CLIENT_ID: `${CLIENT_ID}, phone.apps.example.test`,
  });
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

const login = (idToken: string, nonce?: string | null) =>
  gateway.client.execute(LoginWithGoogleDocument, { idToken, nonce: nonce ?? null });
const signIn = (claims: Claims) => oneTap(gateway.client, google, aPerson(), claims);
const now = () => Math.floor(Date.now() / 1000);

const countRows = async () => {
  const [row] = await gateway.database.query(
    'select (select count(*) from session)::int as sessions, (select count(*) from users)::int as users',
  );
  return row;
};

describe('an ID token', () => {
  it('signs in when every claim and the signature are valid', async () => {
    const { data } = await signIn({});
    expect(data?.loginWithGoogle.__typename).toBe('Authenticated');
  });

  const attacks: Array<[string, Claims]> = [
    ['of another issuer', { iss: 'https://accounts.google.com' }],
    ['of no issuer', { iss: undefined }],
    ['for another client', { aud: 'somebody-else.apps.example.test' }],
    ['for no client', { aud: undefined }],
    ['for us among others', { aud: [CLIENT_ID, 'somebody-else.apps.example.test'] }],
    ['that another client may use', { azp: 'somebody-else.apps.example.test' }],
    ['that has just expired', { exp: now() - 1 }],
    ['that never expires', { exp: undefined }],
    ['whose expiry is no time', { exp: 'tomorrow' }],
    ['that is good for a year', { exp: now() + 365 * 86_400 }],
    ['from the future', { iat: now() + 120 }],
    ['that was never issued', { iat: undefined }],
    ['without a nonce', { nonce: undefined }],
    ['with an empty nonce', { nonce: '' }],
    ['with a nonce that is not ours', { nonce: 'QWxsIHlvdXIgYmFzZSBhcmUgYmVsb25nIHRvIHVzLg' }],
    ['with a nonce that is no text', { nonce: ['x'] }],
    ['of nobody', { sub: undefined }],
    ['of somebody with a name beyond all measure', { sub: 'x'.repeat(256) }],
  ];
  it.each(attacks)('is refused: %s', async (_, claims) => {
    const before = await countRows();
    const { data, code, headers } = await signIn(claims);
    expect([data, code]).toEqual([null, 'INVALID_CREDENTIALS']);
    expect(headers.getSetCookie()).toEqual([]);
    expect(await countRows()).toEqual(before);
  });

  it.each(['none', 'HS256', 'RS512', 'PS256', 'other key'] as const)(
    'is refused with a signature by %s',
    async (alg) => {
      const claims = { ...aPerson(), nonce: await newNonce(gateway.client) };
      expect((await login(await google.forged(claims, alg))).code).toBe('INVALID_CREDENTIALS');
    },
  );

  it.each(['', 'x', 'a.b.c', 'e30.e30.e30', `${'a'.repeat(9_000)}.b.c`, 'bnVsbA.e30.e30'])(
    'is refused when it is not a JWT: %p',
    async (text) => {
      expect((await login(text)).code).toBe('INVALID_CREDENTIALS');
    },
  );

  it('is refused when one letter was changed', async () => {
    const token = await google.idToken({ ...aPerson(), nonce: await newNonce(gateway.client) });
    const [header, payload = '', signature] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: '1' })).toString('base64url');
    expect((await login(`${header}.${changed}.${signature}`)).code).toBe('INVALID_CREDENTIALS');
  });

  it('may be issued for another app of the same service', async () => {
    const phone = 'phone.apps.example.test';
    expect((await signIn({ aud: CLIENT_ID, azp: phone })).data).not.toBeNull();
    expect((await signIn({ aud: phone, azp: phone })).data).not.toBeNull();
  });

  it('is refused with the same message for every reason', async () => {
    const messages = [
      await signIn({ exp: now() - 1 }),
      await signIn({ nonce: undefined }),
      await login('x'),
    ].map(({ errors }) => errors[0]?.message);
    expect(new Set(messages).size).toBe(1);
  });

  it('is never logged', async () => {
    const token = await google.idToken({ ...aPerson(), nonce: 'marked-nonce', email: 'marked@example.test' });
    await login(token);
    const log = gateway.logLines.join('');
    for (const secret of [token, 'marked-nonce', 'marked@example.test', token.split('.')[2] ?? '']) {
      expect(log).not.toContain(secret);
    }
  });
});

describe('a nonce', () => {
  it('works once, even when its token comes twenty times at once', async () => {
    const token = await google.idToken({ ...aPerson(), nonce: await newNonce(gateway.client) });
    const replies = await race(20, () => login(token));
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'INVALID_CREDENTIALS')).toHaveLength(19);
  });

  it('expires after ten minutes', async () => {
    const nonce = await newNonce(gateway.client);
    await gateway.database.query(`update google_ticket set expires_at = expires_at - interval '601 seconds'`);
    expect((await login(await google.idToken({ ...aPerson(), nonce }))).code).toBe('INVALID_CREDENTIALS');
  });

  it('in the request must match the one in the token', async () => {
    const [one, other] = [await newNonce(gateway.client), await newNonce(gateway.client)];
    const token = await google.idToken({ ...aPerson(), nonce: one });
    expect((await login(token, other)).code).toBe('INVALID_CREDENTIALS');
    expect((await login(token, one)).data).not.toBeNull();
  });

  it('may be known to Google only by its hash, and must then be in the request', async () => {
    const nonce = await newNonce(gateway.client);
    const hash = createHash('sha256').update(nonce).digest('hex');
    const token = await google.idToken({ ...aPerson(), nonce: hash });
    expect((await login(token)).code).toBe('INVALID_CREDENTIALS');
    expect((await login(token, nonce)).data).not.toBeNull();
  });

  it('is not stored in the database', async () => {
    const nonce = await newNonce(gateway.client);
    const rows = await gateway.database.query('select t::text as row from google_ticket t');
    expect(JSON.stringify(rows)).not.toContain(nonce);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(nonce).toString('hex'));
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(nonce, 'base64url').toString('hex'));
  });
});
