import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { TestGateway } from '../support/gateway.ts';
import {
  AccessTokenForDocument,
  LogoutDocument,
  RevokeOtherSessionsDocument,
} from '../support/generated/operations.ts';
import { enrol } from '../support/second-factor.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let alice: Subject;
let tokens: Tokens;

beforeAll(async () => {
  gateway = await TestGateway.start({
    JWT_SERVICE_AUDIENCES: 'reports,https://billing.example.test/api',
    ACCESS_TOKEN_TTL_SECONDS: '600',
  });
  alice = await gateway.aSubject();
  tokens = await alice.signedIn();
});
afterAll(() => gateway.close());

const ask = (audience: string, bearer: string | undefined = tokens.accessToken) =>
  gateway.client.execute(AccessTokenForDocument, { audience }, { bearer });
async function tokenFor(audience: string, bearer?: string) {
  const { data, text } = await ask(audience, bearer);
  if (!data) throw new Error(text);
  return data.accessTokenFor;
}
const verifiedAt = (service: string, token: string) =>
  jwtVerify(token, createRemoteJWKSet(new URL(`${gateway.url}/.well-known/jwks.json`)), {
    issuer: 'http://localhost:4000',
    audience: service,
    typ: 'at+jwt',
    algorithms: ['RS256'],
  });

describe('a service token', () => {
  it('is accepted by its service, with the claims of the access token that requested it', async () => {
    const { accessToken, expiresIn, tokenType } = await tokenFor('reports');
    expect({ expiresIn, tokenType }).toEqual({ expiresIn: 300, tokenType: 'Bearer' });
    const { payload } = await verifiedAt('reports', accessToken);
    const { sub, sid, roles, amr, aal, auth_time, epoch } = decodeJwt(tokens.accessToken);
    expect(payload).toEqual({
      ...{ sub, sid, roles, amr, aal, auth_time, epoch },
      iss: 'http://localhost:4000',
      aud: 'reports',
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 300,
      jti: expect.any(String),
    });
    expect((await tokenFor('https://billing.example.test/api')).expiresIn).toBe(300);
  });

  it('is refused by every other service', async () => {
    const { accessToken } = await tokenFor('reports');
    await expect(verifiedAt('https://billing.example.test/api', accessToken)).rejects.toThrow(/"aud"/);
  });

  it('is refused by the gateway, wherever it is presented', async () => {
    const victim = await alice.signedIn();
    const { accessToken } = await tokenFor('reports', victim.accessToken);
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await ask('reports', accessToken)).code).toBe('UNAUTHENTICATED');
    const others = await gateway.client.execute(RevokeOtherSessionsDocument, {}, { bearer: accessToken });
    expect(others.code).toBe('UNAUTHENTICATED');
    const cookie = `gatehouse_access=${accessToken}`;
    const byCookie = await gateway.client.raw('{ me { id } }', {}, { headers: { cookie } });
    expect(byCookie.code).toBe('UNAUTHENTICATED');
    await gateway.client.execute(LogoutDocument, {}, { bearer: accessToken });
    expect((await alice.me(victim.accessToken)).errors).toEqual([]);
  });

  it('lives no longer than the access token that requested it', async () => {
    const session = await alice.signedIn();
    gateway.clock.advance(500);
    try {
      const { accessToken, expiresIn } = await tokenFor('reports', session.accessToken);
      expect(decodeJwt(accessToken).exp).toBe(decodeJwt(session.accessToken).exp);
      expect(expiresIn).toBeLessThanOrEqual(100);
    } finally {
      gateway.clock.advance(-500);
    }
  });

  it('has the level of the access token that requested it, even when the session has another one by now', async () => {
    const { tokens: raised, accessTokenOfLevel1: stale } = await enrol(gateway, await gateway.aSubject());
    expect(decodeJwt((await tokenFor('reports', raised.accessToken)).accessToken).aal).toBe(2);
    const claims = decodeJwt((await tokenFor('reports', stale)).accessToken);
    const { aal, amr, auth_time } = decodeJwt(stale);
    expect(claims).toMatchObject({ aal: 1, amr: ['pwd'], auth_time });
    expect({ aal, amr }).toEqual({ aal: 1, amr: ['pwd'] });
  });

  it('needs a signed-in caller', async () => {
    expect((await gateway.client.execute(AccessTokenForDocument, { audience: 'reports' })).code).toBe(
      'UNAUTHENTICATED',
    );
  });

  it('is issued only for the listed services', async () => {
    for (const audience of ['gatehouse', 'http://localhost:4000/enrol', 'Reports', 'reports ', '']) {
      const reply = await ask(audience);
      expect(reply.code).toBe('BAD_USER_INPUT');
      expect(reply.errors[0]?.extensions?.fields).toMatchObject([{ field: 'audience' }]);
    }
  });

  it('is not issued when no service is listed', async () => {
    const other = await TestGateway.start();
    try {
      const bob = await other.aSubject();
      const { accessToken } = await bob.signedIn();
      const reply = await other.client.execute(
        AccessTokenForDocument,
        { audience: 'reports' },
        { bearer: accessToken },
      );
      expect(reply.code).toBe('NOT_FOUND');
    } finally {
      await other.close();
    }
  });
});
