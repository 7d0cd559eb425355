import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import type { Client } from '../support/client.ts';
import type { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  ConfirmTotpDocument,
  DisableTotpDocument,
  ReauthenticateDocument,
  RegenerateRecoveryCodesDocument,
} from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';
import { AuthenticatorApp, enrol, renewedTokens, startEnrolment } from '../support/second-factor.ts';
import { isSeen } from '../support/session-probe.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import { type Subject, type Tokens, tokensOf } from '../support/subject.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0';
const CHROME = 'Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
const at = (address: string, agent: string) => ({
  headers: { 'x-forwarded-for': address, 'user-agent': agent },
});
const HOME = at('192.0.2.1', FIREFOX);
const ON_THE_ROAD = at('198.51.100.7', FIREFOX.replaceAll('143', '144'));
const STRANGER = at('203.0.113.9', CHROME);

describe.each(STORES)('the refresh contract with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;

  beforeAll(async () => {
    on = await startOn(store, { TRUSTED_PROXIES: '127.0.0.1' });
    gateway = on.gateway;
  });
  afterAll(() => on.close());

  const refresh = (alice: Subject, token: string, from = HOME) => alice.refresh(token, gateway.client, from);
  const reauthenticate = (alice: Subject, bearer: string, from = HOME) =>
    gateway.client.execute(ReauthenticateDocument, { password: alice.password }, { bearer, ...from });
  const events = async (alice: Subject) =>
    (
      await gateway.database.query<{ action: string; details: { circumstance?: string } }>(
        `select action, details from audit_event where subject_id = $1 and action like 'session.refresh%' order by id`,
        [alice.id],
      )
    ).map(({ action, details }) => [action, details.circumstance]);
  /** Subjects of the mails about refreshes, without the product name. */
  const mails = async ({ email }: Subject) => {
    const waiting = () => gateway.database.query('select from mail_job where finished_at is null');
    await eventually(waiting, (jobs) => jobs.length === 0, { withinMilliseconds: 10_000 });
    return (await gateway.mailbox.to(email))
      .map(({ subject }) => subject.replace(/ \(.*/, ''))
      .filter((subject) => /sign-in of your account/.test(subject));
  };
  const signedIn = (alice: Subject) => alice.signedIn(HOME);

  describe('after a step-up', () => {
    it("the old token gives a thief neither level nor time, even in the grace, and the owner's session goes on", async () => {
      const alice = await gateway.aSubject();
      const stolen = await signedIn(alice);
      await on.sessions.age(alice.id, stolen.sessionId, 3_600);
      const owner = tokensOf(await reauthenticate(alice, stolen.accessToken));
      for (const seconds of [0, 40]) {
        await on.sessions.age(alice.id, stolen.sessionId, seconds);
        const reply = await refresh(alice, stolen.refreshToken, STRANGER);
        expect(reply.code).toBe('REFRESH_TOKEN_SUPERSEDED');
        expect(reply.data).toBeNull();
        expect(reply.headers.getSetCookie()).toEqual([]);
      }
      const superseded = ['session.refresh_superseded', 'superseded'];
      expect(await events(alice)).toEqual([superseded, superseded]);
      const refused = 'An old sign-in of your account was refused';
      expect(await mails(alice)).toEqual([refused, refused]);
      expect((await refresh(alice, owner.refreshToken)).errors).toEqual([]);
    });

    it("a stranger who repeats the old token does not use up the owner's refreshes", async () => {
      const limited = await gateway.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'refresh.session=2/60' });
      try {
        const alice = await gateway.aSubject();
        const stolen = await signedIn(alice);
        const owner = tokensOf(await reauthenticate(alice, stolen.accessToken));
        for (const code of ['REFRESH_TOKEN_SUPERSEDED', 'REFRESH_TOKEN_SUPERSEDED', 'RATE_LIMITED']) {
          expect((await alice.refresh(stolen.refreshToken, limited.client, STRANGER)).code).toBe(code);
        }
        expect((await alice.refresh(owner.refreshToken, limited.client, HOME)).errors).toEqual([]);
      } finally {
        await limited.stop();
      }
    });

    it('the earlier access token stays valid, with its old authentication time', async () => {
      const alice = await gateway.aSubject();
      const { accessToken } = await signedIn(alice);
      const { auth_time: before } = decodeJwt(accessToken);
      await reauthenticate(alice, accessToken);
      expect((await alice.me(accessToken)).errors).toEqual([]);
      expect(decodeJwt(accessToken).auth_time).toBe(before);
    });

    it('the earlier access token gains no level from a weaker proof, nor from a credential change', async () => {
      const alice = await gateway.aSubject();
      const { tokens, accessTokenOfLevel1: old } = await enrol(gateway, alice);
      const cookie = `gatehouse_access=${old}`;
      const changed = await gateway.client.execute(
        ChangePasswordDocument,
        { currentPassword: alice.password, newPassword: 'velvet anchor rising' },
        { headers: { cookie, origin: 'http://localhost:4000' } },
      );
      expect(changed.errors).toEqual([]);
      expect(
        changed.headers.getSetCookie().filter((set) => /^gatehouse_(access|refresh)=/.test(set)),
      ).toEqual([]);
      const goesOn = tokensOf(await refresh(alice, tokens.refreshToken));
      expect(decodeJwt(goesOn.accessToken).aal).toBe(2);
      const proved = await gateway.client.execute(
        ReauthenticateDocument,
        { password: 'velvet anchor rising' },
        { bearer: old, ...HOME },
      );
      expect(proved.errors[0]?.extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        fields: [{ field: 'securityCode' }],
      });
      expect((await refresh(alice, goesOn.refreshToken)).errors).toEqual([]);
    });

    it('another proof helps when its reply and all earlier ones were lost, and no theft is reported', async () => {
      const alice = await gateway.aSubject();
      const { accessToken, refreshToken, sessionId } = await signedIn(alice);
      await refresh(alice, refreshToken);
      await reauthenticate(alice, accessToken);
      expect((await refresh(alice, refreshToken)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
      const again = tokensOf(await reauthenticate(alice, accessToken));
      expect(again.sessionId).toBe(sessionId);
      expect((await refresh(alice, again.refreshToken)).errors).toEqual([]);
      expect(await mails(alice)).toEqual([]);
    });
  });

  describe('a credential change', () => {
    const browserOf = async (alice: Subject) => {
      const browser = gateway.browser();
      await alice.login({ client: browser, ...HOME });
      return browser;
    };
    const refreshCookie = (browser: Client) => browser.cookies.get('gatehouse_refresh') ?? '';
    const changePassword = (alice: Subject, client: Client, options = {}) =>
      client.execute(
        ChangePasswordDocument,
        { currentPassword: alice.password, newPassword: 'velvet anchor rising' },
        { ...HOME, ...options },
      );

    it('gives a browser new cookies, and voids copies of the old ones', async () => {
      const alice = await gateway.aSubject();
      const browser = await browserOf(alice);
      const copied = refreshCookie(browser);
      expect((await changePassword(alice, browser)).errors).toEqual([]);
      expect(refreshCookie(browser)).not.toBe(copied);
      expect((await refresh(alice, copied)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
      const renewed = await browser.raw('mutation { refresh { session { aal } } }', {}, HOME);
      expect(renewed.data).toEqual({ refresh: { session: { aal: 1 } } });
    });

    it('leaves the tokens of a bearer unchanged when the reply has no field for new ones', async () => {
      const alice = await gateway.aSubject();
      const { accessToken: bearer, refreshToken, sessionId } = await signedIn(alice);
      await on.sessions.age(alice.id, sessionId, 3_600);
      const changed = await changePassword(alice, gateway.client, { bearer });
      expect(changed.errors).toEqual([]);
      expect(changed.headers.getSetCookie().join()).not.toMatch(/gatehouse_(access|refresh)/);
      const { accessToken } = tokensOf(await refresh(alice, refreshToken));
      expect(Date.now() / 1000 - Number(decodeJwt(accessToken).auth_time)).toBeGreaterThan(3_590);
    });

    it('makes a browser tab that was late repeat with its new cookie', async () => {
      const alice = await gateway.aSubject();
      const browser = await browserOf(alice);
      const tab = gateway.browser();
      for (const [name, value] of browser.cookies) tab.cookies.set(name, value);
      await changePassword(alice, browser);
      const before = new Map(tab.cookies);
      const late = await tab.raw('mutation { refresh { expiresIn } }', {}, HOME);
      expect(late.code).toBe('REFRESH_TOKEN_SUPERSEDED');
      expect(tab.cookies).toEqual(before);
      for (const [name, value] of browser.cookies) tab.cookies.set(name, value);
      expect((await tab.raw('mutation { refresh { expiresIn } }', {}, HOME)).errors).toEqual([]);
    });

    it('by confirmTotp or regenerateRecoveryCodes returns new tokens', async () => {
      gateway.clock.toMidStep();
      const alice = await gateway.aSubject();
      const before = await signedIn(alice);
      const bearer = before.accessToken;
      const app = new AuthenticatorApp((await startEnrolment(alice, bearer)).secret, () =>
        gateway.clock.now(),
      );
      const confirmed = await gateway.client.execute(
        ConfirmTotpDocument,
        { securityCode: app.code(-1) },
        { bearer, ...HOME },
      );
      const raised = renewedTokens(confirmed.data?.confirmTotp.tokens ?? null);
      expect(raised.sessionId).toBe(before.sessionId);
      expect(decodeJwt(raised.accessToken)).toMatchObject({ aal: 2 });
      for (const seconds of [0, 40]) {
        await on.sessions.age(alice.id, before.sessionId, seconds);
        expect((await refresh(alice, before.refreshToken)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
      }
      const regenerated = await gateway.client.execute(
        RegenerateRecoveryCodesDocument,
        { securityCode: app.code() },
        { bearer: raised.accessToken, ...HOME },
      );
      const renewed = renewedTokens(regenerated.data?.regenerateRecoveryCodes.tokens ?? null);
      expect((await refresh(alice, raised.refreshToken)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
      expect((await refresh(alice, renewed.refreshToken)).errors).toEqual([]);
    });

    it('sets cookies for confirmTotp and disableTotp, but never in a reply to a bearer', async () => {
      const alice = await gateway.aSubject();
      const { app, tokens } = await enrol(gateway, alice);
      const disabled = await gateway.client.execute(
        DisableTotpDocument,
        { password: alice.password, securityCode: app.code() },
        { bearer: tokens.accessToken, ...HOME },
      );
      expect(disabled.errors).toEqual([]);
      expect(disabled.headers.getSetCookie()).toEqual([]);
      expect((await refresh(alice, tokens.refreshToken)).errors).toEqual([]);
    });
  });

  describe('the predecessor of a refresh', () => {
    it('is answered once on another network; from another browser too, it ends the session', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken } = await signedIn(alice);
      const lost = tokensOf(await refresh(alice, refreshToken));
      expect(tokensOf(await refresh(alice, refreshToken, ON_THE_ROAD)).refreshToken).toBe(lost.refreshToken);
      expect((await refresh(alice, refreshToken, ON_THE_ROAD)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
      expect(tokensOf(await refresh(alice, refreshToken)).refreshToken).toBe(lost.refreshToken);
      expect((await refresh(alice, refreshToken, STRANGER)).code).toBe('INVALID_REFRESH_TOKEN');
      expect((await refresh(alice, lost.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      expect(await events(alice)).toEqual([
        ['session.refresh_repeated', 'elsewhere'],
        ['session.refresh_superseded', 'elsewhere again'],
        ['session.refresh_reused', undefined],
      ]);
    });

    it('is noticed when a thief uses it at each rotation: the owner is told from the second time on', async () => {
      const alice = await gateway.aSubject();
      let { refreshToken } = await signedIn(alice);
      for (let rotation = 0; rotation < 3; rotation++) {
        const next = tokensOf(await refresh(alice, refreshToken)).refreshToken;
        await refresh(alice, refreshToken, ON_THE_ROAD);
        refreshToken = next;
      }
      const told = 'A sign-in of your account was renewed from two places';
      expect(await mails(alice)).toEqual([told, told]);
    });

    it('is answered once after the grace while the successor was not seen, and the session goes on', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken, sessionId } = await signedIn(alice);
      const lost = tokensOf(await refresh(alice, refreshToken));
      await on.sessions.age(alice.id, sessionId, 3_600);
      expect((await refresh(alice, refreshToken, ON_THE_ROAD)).code).toBe('INVALID_REFRESH_TOKEN');
      expect(tokensOf(await refresh(alice, refreshToken)).refreshToken).toBe(lost.refreshToken);
      expect((await refresh(alice, refreshToken)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
      expect((await refresh(alice, lost.refreshToken)).errors).toEqual([]);
      expect(await mails(alice)).toEqual(['An old sign-in of your account was refused']);
    });

    it('ends the session after the grace when the successor was seen, in any process', async () => {
      const alice = await gateway.aSubject();
      const second = await gateway.another();
      second.clock.advance((gateway.clock.now() - second.clock.now()) / 1000);
      try {
        const { refreshToken, sessionId } = await signedIn(alice);
        const renewed: Tokens = tokensOf(await refresh(alice, refreshToken));
        expect((await alice.me(renewed.accessToken, second.client)).errors).toEqual([]);
        await isSeen(on.sessions, alice.id, sessionId, 1);
        await on.sessions.age(alice.id, sessionId, 31);
        expect((await refresh(alice, refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
        expect((await alice.me(renewed.accessToken)).code).toBe('UNAUTHENTICATED');
      } finally {
        await second.close();
      }
    });
  });

  it('three tabs whose replies were lost stay signed in by their shared cookie, an hour later', async () => {
    const alice = await gateway.aSubject();
    const { refreshToken, sessionId } = await signedIn(alice);
    const lost = await race(3, () => refresh(alice, refreshToken));
    expect(new Set(lost.map((reply) => tokensOf(reply).refreshToken)).size).toBe(1);
    await on.sessions.age(alice.id, sessionId, 3_600);
    const woken = await race(3, () => refresh(alice, refreshToken));
    const [first, ...more] = woken.filter(({ errors }) => errors.length === 0);
    expect(more).toEqual([]);
    const told = woken.filter(({ code }) => code === 'REFRESH_TOKEN_SUPERSEDED');
    expect(told).toHaveLength(2);
    const cookie = first ? tokensOf(first) : null;
    for (const _tab of told) expect((await refresh(alice, cookie?.refreshToken ?? '')).errors).toEqual([]);
    expect(await mails(alice)).toEqual([]);
  });
});
