import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client, RequestOptions } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  CompleteLoginDocument,
  LoginDocument,
  ReauthenticateDocument,
  RecoverAccountDocument,
  RefreshDocument,
  ResendEmailConfirmationDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';
import type { Subject } from '../support/subject.ts';
import { topology } from '../support/topology.ts';

/** Limits have their defaults, except for registrations. */
const LIMITS = { RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'register.ip=9999/60' };
let direct: TestGateway;
let proxied: TestGateway;

beforeAll(async () => {
  direct = await TestGateway.start(LIMITS);
  proxied = await direct.another({ TRUSTED_PROXIES: '127.0.0.0/8' });
});
afterAll(async () => {
  await proxied.close();
  await direct.close();
});

const from = (address: string): RequestOptions => ({ headers: { 'x-forwarded-for': address } });
const aSubject = (): Promise<Subject> => proxied.aSubject();
const guess = (subject: Subject, options: RequestOptions) =>
  subject.login({ client: proxied.client, password: 'a wrong password', ...options });
const evaluated = async () => {
  const [row] = await direct.database.query<{ count: number }>(
    `select count(*)::int as count from audit_event where action = 'login.failed'`,
  );
  return row?.count ?? 0;
};
/** Sends a wrong password from each of 101 IPs. @returns the number of passwords that were compared. */
const besiege = async (subject: Subject): Promise<number> => {
  const before = await evaluated();
  for (let host = 1; host <= 101; host += 1) await guess(subject, from(`198.51.100.${host}`));
  return (await evaluated()) - before;
};

describe('wrong passwords for one account', () => {
  it('from 101 IPs: ten are compared, and then the right one is refused like a wrong one', async () => {
    const alice = await aSubject();
    expect(await besiege(alice)).toBe(10);
    const right = await alice.login({ client: proxied.client, ...from('203.0.113.1') });
    const wrong = await guess(alice, from('203.0.113.2'));
    expect([right.status, right.code, wrong.code]).toEqual([429, 'RATE_LIMITED', 'RATE_LIMITED']);
    const masked = (text: string) => text.replace(/"(requestId|retryAfterSeconds)":("[^"]*"|\d+)/g, '');
    expect(masked(right.text)).toBe(masked(wrong.text));
    expect(Number(right.headers.get('retry-after'))).toBeLessThanOrEqual(180);
  });

  it('by username and by e-mail address: ten of each are compared, so that the limit does not show that they belong together', async () => {
    const alice = await aSubject();
    const before = await evaluated();
    for (let host = 1; host <= 101; host += 1) {
      const identifier = host % 2 === 0 ? alice.username : alice.email;
      const input = { identifier, password: 'a wrong password' };
      await proxied.client.execute(LoginDocument, { input }, from(`198.51.100.${host}`));
    }
    expect((await evaluated()) - before).toBe(20);
  });

  it('for an account that does not exist are refused in the same words', async () => {
    const nobody = { username: 'nobody-here', password: 'x' };
    const login = (host: number) =>
      proxied.client.raw(
        'mutation ($i: String!) { login(input: {identifier: $i, password: "a wrong password"}) { __typename } }',
        { i: nobody.username },
        from(`198.51.100.${host}`),
      );
    const codes: unknown[] = [];
    for (let host = 1; host <= 12; host += 1) codes.push((await login(host)).code);
    expect(codes.filter((code) => code === 'INVALID_CREDENTIALS')).toHaveLength(10);
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  it('for an identifier that cannot exist are not counted together, so a typing error blocks no other person', async () => {
    const login = (identifier: string, options: RequestOptions) =>
      proxied.client.execute(LoginDocument, { input: { identifier, password: 'a wrong password' } }, options);
    const malformed = (n: number) => [`person ${n}@example.test`, `person ${n}`, `${'x'.repeat(300)}${n}`];
    const codes: unknown[] = [];
    for (let host = 1; host <= 12; host += 1) {
      for (const identifier of malformed(host))
        codes.push((await login(identifier, from(`198.51.101.${host}`))).code);
    }
    expect(codes).toEqual(Array(36).fill('INVALID_CREDENTIALS'));
    // The limit of the client's IP still ends the attempts: thirty, and the tokens that are refilled
    // meanwhile.
    const single: unknown[] = [];
    for (let n = 1; n <= 40; n += 1) single.push((await login(`person ${n}`, from('198.51.102.1'))).code);
    expect(single).toContain('RATE_LIMITED');
  });

  it("from one network: five are compared, and the rest of the account's limit is left to other networks", async () => {
    const alice = await aSubject();
    const before = await evaluated();
    for (let host = 1; host <= 10; host += 1) await guess(alice, from(`2001:db8:0:1::${host}`));
    expect((await evaluated()) - before).toBe(5);
    expect((await alice.login({ client: proxied.client, ...from('203.0.113.3') })).data).not.toBeNull();
  });

  it('do not lock the owner out: a known device, a live session and a mailed link still work', async () => {
    const alice = await aSubject();
    const browser = proxied.browser();
    const { accessToken } = await alice.signedIn({ client: browser });
    await besiege(alice);

    expect((await alice.login({ client: browser, ...from('203.0.113.4') })).data).not.toBeNull();
    expect((await alice.me(accessToken, proxied.client)).data?.me?.id).toBe(alice.id);

    await proxied.client.execute(RecoverAccountDocument, { email: alice.email });
    const token = await direct.mailbox.token(alice.email, 'reset-password');
    const newPassword = 'copper lantern drifting';
    const { data } = await proxied.client.execute(ResetPasswordDocument, { token, newPassword });
    expect(data).toEqual({ resetPassword: true });
  });

  it('let the owner sign in on a new device after a password reset by mail, while they continue', async () => {
    const alice = await aSubject();
    await besiege(alice);
    const browser = proxied.browser();
    const login = (password: string) => alice.login({ client: browser, password, ...from('203.0.113.7') });
    expect((await login(alice.password)).code).toBe('RATE_LIMITED');
    await browser.execute(RecoverAccountDocument, { email: alice.email }, from('203.0.113.7'));
    const token = await direct.mailbox.token(alice.email, 'reset-password');
    const newPassword = 'copper lantern drifting';
    await browser.execute(ResetPasswordDocument, { token, newPassword }, from('203.0.113.7'));
    await besiege(alice);
    expect((await login(newPassword)).code).toBeUndefined();
  });

  it('and mails to its address together still leave the owner a recovery link', async () => {
    const alice = await aSubject();
    await besiege(alice);
    const { email } = alice;
    const resend = (host: number) =>
      proxied.client.execute(ResendEmailConfirmationDocument, { email }, from(`198.51.100.${host}`));
    for (let host = 1; host <= 12; host += 1) await resend(host);
    const ask = () => proxied.client.execute(RecoverAccountDocument, { email }, from('203.0.113.9'));
    expect((await ask()).data).toEqual({ recoverAccount: true });
    await direct.mailbox.token(email, 'reset-password');
  });

  it('are the only logins that count: frequent right passwords neither exhaust the limit nor refill it', async () => {
    const alice = await aSubject();
    const before = await evaluated();
    const codes: unknown[] = [];
    for (let host = 1; host <= 20; host += 1) {
      codes.push((await alice.login({ client: proxied.client, ...from(`198.51.100.${host}`) })).code);
      await guess(alice, from(`203.0.113.${host}`));
    }
    expect((await evaluated()) - before).toBe(10);
    // Ten wrong passwords are compared between her logins. Then her logins are refused too.
    expect(codes.slice(0, 10)).toEqual(Array(10).fill(undefined));
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  it('are the only logins that count for the account: successful logins from one office charge only its IP', async () => {
    const alice = await aSubject();
    const codes: unknown[] = [];
    for (let n = 0; n < 40; n += 1)
      codes.push((await alice.login({ client: proxied.client, ...from('192.0.2.90') })).code);
    const allowed = codes.indexOf('RATE_LIMITED');
    expect(allowed).toBeGreaterThanOrEqual(30);
  });

  it('from a known device have a limit too', async () => {
    const alice = await aSubject();
    const browser = proxied.browser();
    await alice.signedIn({ client: browser });
    const before = await evaluated();
    for (let host = 1; host <= 30; host += 1)
      await guess(alice, { ...from(`198.51.100.${host}`), client: browser } as RequestOptions);
    expect((await evaluated()) - before).toBe(10);
  });

  it('from a device that is known only to another account count as those of a stranger', async () => {
    const [alice, mallory] = [await aSubject(), await aSubject()];
    const browser = proxied.browser();
    await mallory.signedIn({ client: browser });
    await besiege(alice);
    const reply = await guess(alice, { ...from('203.0.113.5'), client: browser } as RequestOptions);
    expect(reply.code).toBe('RATE_LIMITED');
  });
});

describe('wrong passwords by the thief of a session', () => {
  const NEXT = 'copper lantern drifting';
  type Options = RequestOptions & { client?: Client };
  /** Every operation in which a signed-in caller repeats the password. */
  const OPERATIONS = {
    changePassword: (
      currentPassword: string,
      bearer: string,
      { client = proxied.client, ...rest }: Options = {},
    ) => client.execute(ChangePasswordDocument, { currentPassword, newPassword: NEXT }, { bearer, ...rest }),
    reauthenticate: (password: string, bearer: string, { client = proxied.client, ...rest }: Options = {}) =>
      client.execute(ReauthenticateDocument, { password }, { bearer, ...rest }),
  };

  describe.each(Object.entries(OPERATIONS))('at %s', (_, prove) => {
    /** Sends 40 passwords from forty IPs. @returns the number of passwords that were compared. */
    const besiegeSession = async (bearers: readonly string[]) => {
      const codes: unknown[] = [];
      for (let host = 1; host <= 40; host += 1) {
        const bearer = bearers[host % bearers.length] ?? '';
        codes.push((await prove('a wrong password', bearer, from(`198.51.100.${host}`))).code);
      }
      return codes.filter((code) => code === 'INVALID_CREDENTIALS').length;
    };

    it('are limited to five in one session, and leave another session of the account to its owner', async () => {
      const alice = await aSubject();
      const stolen = await alice.signedIn({ client: proxied.client, ...from('203.0.113.1') });
      expect(await besiegeSession([stolen.accessToken])).toBe(5);
      const own = await alice.signedIn({ client: proxied.client, ...from('203.0.113.2') });
      expect((await prove(alice.password, own.accessToken, from('203.0.113.2'))).code).toBeUndefined();
    });

    it('leave the same session to its owner on a known device', async () => {
      const alice = await aSubject();
      const browser = proxied.browser();
      const { accessToken } = await alice.signedIn({ client: browser, ...from('203.0.113.3') });
      expect(await besiegeSession([accessToken])).toBe(5);
      const own = { client: browser, ...from('203.0.113.3') };
      expect((await prove(alice.password, accessToken, own)).code).toBeUndefined();
    });

    it('are limited to ten in all sessions of an account together', async () => {
      const alice = await aSubject();
      const bearers: string[] = [];
      for (let host = 1; host <= 4; host += 1)
        bearers.push(
          (await alice.signedIn({ client: proxied.client, ...from(`203.0.113.${host}`) })).accessToken,
        );
      expect(await besiegeSession(bearers)).toBe(10);
    });
  });

  it('are the only ones that count: an owner may give the right password often', async () => {
    const alice = await aSubject();
    const { accessToken } = await alice.signedIn({ client: proxied.client, ...from('203.0.113.4') });
    const codes: unknown[] = [];
    for (let n = 0; n < 12; n += 1)
      codes.push((await OPERATIONS.reauthenticate(alice.password, accessToken, from('203.0.113.4'))).code);
    expect(codes).toEqual(Array(12).fill(undefined));
  });
});

describe('one password for 200 accounts', () => {
  it('from one IP is refused before the fiftieth; another IP is not affected', async () => {
    const before = await evaluated();
    const codes: unknown[] = [];
    for (let account = 0; account < 200; account += 1) {
      const reply = await proxied.client.raw(
        'mutation ($i: String!) { login(input: {identifier: $i, password: "summer of 2026"}) { __typename } }',
        { i: `sprayed-${account}` },
        from('192.0.2.77'),
      );
      codes.push(reply.code);
    }
    expect(codes.indexOf('RATE_LIMITED')).toBeGreaterThan(0);
    expect(codes.indexOf('RATE_LIMITED')).toBeLessThan(50);
    // The limit is thirty at once and one every two seconds.
    expect((await evaluated()) - before).toBeLessThan(60);
    const alice = await aSubject();
    expect((await alice.login({ client: proxied.client, ...from('192.0.2.78') })).data).not.toBeNull();
  });
});

describe('forged forwarding headers', () => {
  it.each(['x-forwarded-for', 'forwarded', 'x-real-ip', 'cf-connecting-ip', 'true-client-ip'])(
    'do not change the IP of a client that connects directly: %s',
    async (name) => {
      const alice = await direct.aSubject();
      const before = await evaluated();
      for (let host = 1; host <= 12; host += 1) {
        const value = name === 'forwarded' ? `for=203.0.113.${host}` : `203.0.113.${host}`;
        await alice.login({ password: 'a wrong password', headers: { [name]: value } });
      }
      expect((await evaluated()) - before).toBeLessThanOrEqual(5);
    },
  );

  it('do not count before the hop of a trusted proxy', async () => {
    const alice = await aSubject();
    const before = await evaluated();
    for (let host = 1; host <= 12; host += 1) await guess(alice, from(`203.0.113.${host}, 198.51.100.200`));
    expect((await evaluated()) - before).toBe(5);
  });
});

describe('several operations in one document', () => {
  it('are one guess: the one that operationName names', async () => {
    const alice = await aSubject();
    const before = await evaluated();
    const operations = Array.from(
      { length: 50 },
      (_, i) =>
        `mutation M${i} { login(input: {identifier: "${alice.username}", password: "guess ${i}"}) { __typename } }`,
    );
    const query = operations.join(' ');
    expect((await proxied.client.post({ query })).status).toBe(400);
    expect(await evaluated()).toBe(before);
    await proxied.client.post({ query, operationName: 'M7' }, from('203.0.113.6'));
    expect((await evaluated()) - before).toBe(1);
  });
});

// This suite has two processes of its own.
(hasRedis && topology === 'one' ? describe : describe.skip)(
  'a hundred guesses at once over two processes on one Redis',
  () => {
    let redis: TestRedis;
    let one: TestGateway;
    let other: TestGateway;

    beforeAll(async () => {
      redis = await TestRedis.start();
      const rules = 'register.ip=9999/60,refresh.ip=20/3600,completeLogin.ip=20/3600';
      one = await TestGateway.start({
        RATE_LIMIT: 'on',
        RATE_LIMIT_RULES: rules,
        REDIS_URL: redis.url,
        TRUSTED_PROXIES: '127.0.0.0/8',
      });
      other = await one.another();
    });
    afterAll(async () => {
      await other.close();
      await one.close();
      await redis.close();
    });

    const client = (index: number) => (index % 2 === 0 ? one : other).client;
    const codesOf = async (guessOf: (index: number) => Promise<{ code: unknown }>) => {
      const replies = await race(100, guessOf);
      return (code: string) => replies.filter((reply) => reply.code === code).length;
    };
    /**
     * Exactly the limit. When a busy machine made Redis count as away, each process alone allows at most half
     * as many again.
     */
    const expectLimit = (limit: number, evaluated: number, refused: number) => {
      const countedApart = [...one.logLines, ...other.logLines].some((line) =>
        line.includes('rate limits are counted in this process alone'),
      );
      if (countedApart) expect(evaluated).toBeLessThanOrEqual(2 * limit);
      else expect(evaluated).toBe(limit);
      expect(evaluated + refused).toBe(100);
    };

    it('at the password of an account: ten are compared', async () => {
      const alice = await one.aSubject();
      const codes = await codesOf((i) =>
        alice.login({ client: client(i), password: 'a wrong password', ...from(`198.51.100.${i + 1}`) }),
      );
      expectLimit(10, codes('INVALID_CREDENTIALS'), codes('RATE_LIMITED'));
    });

    it('at the password of an account by the thief of a session: five are compared', async () => {
      const alice = await one.aSubject();
      const { accessToken: bearer } = await alice.signedIn();
      const variables = { currentPassword: 'a wrong password', newPassword: 'copper lantern drifting' };
      const codes = await codesOf((i) =>
        client(i).execute(ChangePasswordDocument, variables, { bearer, ...from(`198.51.101.${i + 1}`) }),
      );
      expectLimit(5, codes('INVALID_CREDENTIALS'), codes('RATE_LIMITED'));
    });

    it.each([
      [
        'at a reset token',
        'INVALID_TOKEN',
        (i: number) =>
          client(i).execute(ResetPasswordDocument, {
            token: `guess ${i}`,
            newPassword: 'copper lantern drifting',
          }),
      ],
      [
        'at the challenge of a second step',
        'INVALID_TOKEN',
        (i: number) =>
          client(i).execute(CompleteLoginDocument, {
            input: { challenge: `guess ${i}`, securityCode: '123456' },
          }),
      ],
      [
        'at a refresh token',
        'INVALID_REFRESH_TOKEN',
        (i: number) => client(i).execute(RefreshDocument, { refreshToken: `guess ${i}` }),
      ],
    ])('%s: as many are compared as the rule allows', async (_, code, guessOf) => {
      const codes = await codesOf(guessOf);
      expectLimit(20, codes(code), codes('RATE_LIMITED'));
    });
  },
);

// This suite kills a Redis of its own.
(hasRedis && topology === 'one' ? describe : describe.skip)('while the session store is unavailable', () => {
  it('the right password costs nothing, however often it is sent, and a wrong one still does', async () => {
    const redis = await TestRedis.start();
    const away = await TestGateway.start({ ...LIMITS, REDIS_URL: redis.url, SESSION_STORE: 'redis' });
    try {
      const alice = await away.aSubject();
      await redis.kill();
      const codes = async (count: number, password = alice.password) => {
        const seen: unknown[] = [];
        for (let n = 0; n < count; n += 1) seen.push((await alice.login({ password })).code);
        return seen;
      };
      expect(await codes(8)).toEqual(Array(8).fill('SERVICE_UNAVAILABLE'));
      // The limit of five for one IP is halved while each process counts for itself.
      expect(await codes(3, 'a wrong password')).toEqual([
        'INVALID_CREDENTIALS',
        'INVALID_CREDENTIALS',
        'RATE_LIMITED',
      ]);
      expect(await codes(1)).toEqual(['RATE_LIMITED']);
    } finally {
      await away.close();
      await redis.close();
    }
  });
});
