import { createSecretKey, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashSync as argon2Hash } from '@node-rs/argon2';
import { hashSync } from 'bcryptjs';
import { LOGIN_RULES, PasswordLogin } from '../../src/authentication/index.ts';
import { KnownDevices } from '../../src/devices/index.ts';
import { PasswordHasher, Passwords } from '../../src/passwords/index.ts';
import { AuditLog } from '../../src/platform/audit/index.ts';
import type { Keyring } from '../../src/platform/keyring.ts';
import { InProcessTokenBuckets, RateLimiter } from '../../src/platform/rate-limit/index.ts';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import type { Reply } from '../support/client.ts';
import { TestClock } from '../support/clock.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  LoginDocument,
  type LoginMutation,
  ReauthenticateDocument,
} from '../support/generated/operations.ts';
import { partOf } from '../support/part-of.ts';
import { eventually, race } from '../support/race.ts';
import type { Subject } from '../support/subject.ts';

let gateway: TestGateway;
let alice: Subject;

beforeAll(async () => {
  gateway = await TestGateway.start();
  alice = await gateway.aSubject({ username: 'Alice', email: 'Alice@Example.test' });
});
afterAll(() => gateway.close());

const login = (identifier: string, password = alice.password): Promise<Reply<LoginMutation>> =>
  gateway.client.execute(LoginDocument, { input: { identifier, password } });
const credential = async (userId: string) => {
  const [row] = await gateway.database.query<{ hash: string; pepper_id: string | null }>(
    'select hash, pepper_id from password_credential where user_id = $1',
    [userId],
  );
  return row;
};

describe('login', () => {
  it.each(['Alice', 'aLICE', 'ＡＬＩＣＥ', 'alice@example.TEST'])(
    'finds the account by %s',
    async (identifier) => {
      const { data } = await login(identifier);
      expect(data?.login).toMatchObject({
        __typename: 'Authenticated',
        tokenType: 'Bearer',
        expiresIn: 3600,
        user: { id: alice.id },
      });
    },
  );

  it('makes a new session each time, and never adopts one that the client presents', async () => {
    const browser = gateway.browser();
    const first = await alice.signedIn({ client: browser });
    const second = await alice.signedIn({ client: browser });
    expect(second.sessionId).not.toBe(first.sessionId);
  });

  it('records methods, level, IP and user agent of the session', async () => {
    const { data } = await alice.login({ headers: { 'user-agent': 'Browser/1.0' } });
    expect(data?.login).toMatchObject({
      session: {
        authenticationMethods: ['pwd'],
        aal: 1,
        userAgent: 'Browser/1.0',
        ipAddress: '127.0.0.1',
        current: true,
      },
    });
  });

  it('writes one event for a success and one for a failure', async () => {
    const bob = await gateway.aSubject();
    const { sessionId } = await bob.signedIn();
    await bob.login({ password: 'a wrong password' });
    const events = await gateway.database.query(
      `select action, outcome, actor_id, details from audit_event
       where subject_id = $1 and action <> 'account.registered' order by id`,
      [bob.id],
    );
    expect(events).toEqual([
      {
        action: 'session.created',
        outcome: 'SUCCESS',
        actor_id: bob.id,
        details: { sessionId, amr: ['pwd'] },
      },
      { action: 'login.failed', outcome: 'FAILURE', actor_id: null, details: null },
    ]);
  });
});

describe('a failed login', () => {
  it('has the same body and headers for every reason', async () => {
    const gone = await gateway.aSubject();
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [gone.id]);
    const passwordless = await gateway.aSubject();
    await gateway.database.query('delete from password_credential where user_id = $1', [passwordless.id]);

    const replies = [
      await login('Alice', 'a wrong password'),
      await login('nobody-of-that-name'),
      await login('nobody@example.test'),
      await login('not a name \u0000 at all'),
      await login(gone.username, gone.password),
      await login(passwordless.username, passwordless.password),
      await login('Alice', `${alice.password} `),
      await login('Alice', alice.password.toUpperCase()),
    ];
    const shape = ({ status, headers, text }: Reply<LoginMutation>) => ({
      status,
      headers: [...headers.keys()].sort(),
      text: text.replace(/"requestId":"[^"]+"/, ''),
    });
    expect(replies[0]?.code).toBe('INVALID_CREDENTIALS');
    for (const reply of replies) expect(shape(reply)).toEqual(shape(replies[0] as Reply<LoginMutation>));
  });

  it('never rehashes the password', async () => {
    const before = await credential(alice.id);
    await login('Alice', 'a wrong password');
    expect(await credential(alice.id)).toEqual(before);
  });

  it.each([257, 100_000])(
    'with a password of %i characters is refused before any hashing',
    async (length) => {
      const { code, errors } = await login('Alice', 'x'.repeat(length));
      expect(code).toBe('BAD_USER_INPUT');
      expect(errors[0]?.extensions?.fields).toEqual([
        { field: 'input.password', message: expect.any(String) },
      ]);
    },
  );

  it('with a body of a megabyte is refused as too large', async () => {
    const { status, code } = await login('Alice', 'x'.repeat(1_000_000));
    expect([status, code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });
});

describe('a hash that is weaker than the configured one', () => {
  it('of lower cost is replaced at the next login, and only once', async () => {
    const bob = await gateway.aSubject();
    const before = await credential(bob.id);
    const costly = await gateway.another({ PASSWORD_BCRYPT_COST: '5' });
    try {
      await bob.signedIn({ client: costly.client });
      const after = await credential(bob.id);
      expect([before?.hash.slice(0, 7), after?.hash.slice(0, 7)]).toEqual(['$2b$04$', '$2b$05$']);
      await bob.signedIn({ client: costly.client });
      expect(await credential(bob.id)).toEqual(after);
    } finally {
      await costly.close();
    }
  });

  it('from another system, without a pepper, is replaced by one with a pepper', async () => {
    const bob = await gateway.aSubject();
    await gateway.database.query(
      'update password_credential set hash = $2, pepper_id = null where user_id = $1',
      [bob.id, hashSync('imported from elsewhere', 4)],
    );
    await bob.signedIn({ password: 'imported from elsewhere' });
    expect((await credential(bob.id))?.pepper_id).toMatch(/^[0-9a-f]{8}$/);
  });

  it.each([
    [
      'more than 72 bytes, with a wrong end',
      `${'x'.repeat(72)} the right end`,
      `${'x'.repeat(72)} a wrong end`,
    ],
    ['more than 72 bytes, with the right end', 'x'.repeat(80), 'x'.repeat(80)],
    ['a NUL', 'twelve chars', 'twelve chars\0twelve chars'],
  ])('from another system in plain bcrypt never matches %s', async (_, truth, typed) => {
    const bob = await gateway.aSubject();
    const { accessToken } = await bob.signedIn();
    const plain = { hash: hashSync(truth, 4), pepper_id: null };
    await gateway.database.query(
      'update password_credential set hash = $2, pepper_id = null where user_id = $1',
      [bob.id, plain.hash],
    );
    const bearer = { bearer: accessToken };
    const newPassword = 'copper lantern drifting';
    const replies = [
      await bob.login({ password: typed }),
      await bob.client.execute(ReauthenticateDocument, { password: typed }, bearer),
      await bob.client.execute(ChangePasswordDocument, { currentPassword: typed, newPassword }, bearer),
    ];
    expect(replies.map(({ code }) => code)).toEqual(Array(3).fill('INVALID_CREDENTIALS'));
    expect(await credential(bob.id)).toMatchObject(plain);
  });

  it('that several concurrent logins replace lets all of them sign in', async () => {
    const bob = await gateway.aSubject();
    const costly = await gateway.another({ PASSWORD_BCRYPT_COST: '6' });
    try {
      const replies = await race(10, () => bob.login({ client: costly.client }));
      expect(replies.flatMap(({ errors }) => errors)).toEqual([]);
    } finally {
      await costly.close();
    }
  });

  it('of Argon2id with less memory and fewer passes is replaced at the next login', async () => {
    const bob = await gateway.aSubject();
    await gateway.database.query(
      'update password_credential set hash = $2, pepper_id = null where user_id = $1',
      [bob.id, argon2Hash('hashed the former way', { memoryCost: 19_456, timeCost: 2, parallelism: 1 })],
    );
    const modern = await gateway.another({ PASSWORD_HASH: 'argon2id' });
    try {
      await bob.signedIn({ client: modern.client, password: 'hashed the former way' });
      const after = await credential(bob.id);
      expect(after?.hash).toMatch(/^\$argon2id\$v=19\$m=65536,t=3,p=1\$/);
      await bob.signedIn({ client: modern.client, password: 'hashed the former way' });
      expect(await credential(bob.id)).toEqual(after);
    } finally {
      await modern.close();
    }
  });

  it('is replaced by Argon2id when the setting says so, and a process that still writes bcrypt can read it', async () => {
    const bob = await gateway.aSubject();
    const modern = await gateway.another({ PASSWORD_HASH: 'argon2id' });
    try {
      await bob.signedIn({ client: modern.client });
      expect((await credential(bob.id))?.hash).toMatch(/^\$argon2id\$/);
      await bob.signedIn();
      expect((await credential(bob.id))?.hash).toMatch(/^\$2b\$/);
    } finally {
      await modern.close();
    }
  });
});

describe('issuing a session', () => {
  it('waits for a deactivation that is in progress, and is then refused', async () => {
    const bob = await gateway.aSubject();
    const administrator = await gateway.database.connect();
    await administrator.query('begin');
    await administrator.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [bob.id]);
    const login = bob.login();
    await eventually(gateway.database.lockWaiters, (count) => count > 0);
    await administrator.query('commit');
    await administrator.end();
    expect((await login).code).toBe('INVALID_CREDENTIALS');
    expect(await gateway.sessions.count(bob.id)).toBe(0);
  });

  it('waits for a password change that is in progress, and is then refused for the old password', async () => {
    const bob = await gateway.aSubject();
    const owner = await gateway.database.connect();
    await owner.query('begin');
    await owner.query(`update password_credential set hash = 'another' where user_id = $1`, [bob.id]);
    const login = bob.login();
    await eventually(gateway.database.lockWaiters, (count) => count > 0);
    await owner.query('commit');
    await owner.end();
    expect((await login).code).toBe('INVALID_CREDENTIALS');
    expect(await gateway.sessions.count(bob.id)).toBe(0);
  });
});

describe('one document', () => {
  const aliases = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => `a${i}: login(input: {identifier: "Alice", password: "guess ${i}"}) { __typename }`,
    ).join('\n');
  const failures = async () => {
    const [row] = await gateway.database.query<{ count: string }>(
      `select count(*) from audit_event where action = 'login.failed'`,
    );
    return Number(row?.count);
  };

  it.each([
    ['fifty aliases', `mutation { ${aliases(50)} }`],
    ['a fragment', `mutation { ...f } fragment f on Mutation { ${aliases(50)} }`],
    [
      'inline fragments',
      `mutation { ... on Mutation { ${aliases(1)} } ... { b: login(input: {identifier: "x", password: "y"}) { __typename } } }`,
    ],
    ['one field of each kind', `mutation { ${aliases(1)} refresh { expiresIn } }`],
    [
      'nested fragments',
      `mutation { ...a ...b } fragment a on Mutation { ...c } fragment b on Mutation { ...c } fragment c on Mutation { ${aliases(1)} }`,
    ],
  ])('with %s that sign in is refused as a whole, and no password is compared', async (_, document) => {
    const before = await failures();
    const reply = await gateway.client.raw(document);
    expect([reply.status, reply.code]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
    expect(await failures()).toBe(before);
  });

  it('with twenty doubling fragments is refused within a second', async () => {
    const fragments = Array.from(
      { length: 20 },
      (_, i) => `fragment f${i} on Mutation { ...f${i + 1} ...f${i + 1} }`,
    ).join(' ');
    const startedAt = performance.now();
    const reply = await gateway.client.raw(
      `mutation { ...f0 } ${fragments} fragment f20 on Mutation { ${aliases(1)} }`,
    );
    expect(reply.status).toBe(400);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('is refused when it is one of several in a batch', async () => {
    const before = await failures();
    const query = 'mutation { login(input: {identifier: "Alice", password: "guess"}) { __typename } }';
    expect((await gateway.client.post([{ query }, { query }])).status).toBe(400);
    expect(await failures()).toBe(before);
  });
});

describe('a login whose password was not compared because the hasher is full', () => {
  it('is refunded, so that the limit of the account stays as it was', async () => {
    const peppers: Keyring = [{ id: 'one', secret: createSecretKey(randomBytes(32)) }];
    const hasher = new PasswordHasher({
      scheme: 'bcrypt',
      bcryptCost: 12,
      peppers,
      threads: 1,
      queue: 0,
      maxWaitMs: 0,
    });
    const limits = { enabled: true, rules: LOGIN_RULES, overrides: {} };
    const passwordLogin = new PasswordLogin({
      passwords: new Passwords(hasher, { minLength: 12, productName: 'Gatehouse' }),
      signIn: partOf('SignIn'),
      devices: new KnownDevices(partOf('OwnerNotices')),
      audit: new AuditLog(),
      rateLimiter: new RateLimiter(new InProcessTokenBuckets(new TestClock()), limits),
      options: { emailConfirmation: 'optional' },
    });
    const origin = { ...COMMAND_LINE, requestId: 'none', clientIp: '192.0.2.1' };
    const input = { identifier: 'nobody-of-that-name', password: 'a wrong password' };
    const guess = () =>
      passwordLogin.login(gateway.gateway.fork(), input, origin).catch(({ code }: { code: string }) => code);
    try {
      const busy = hasher.hash('another one').then(() => 'done');
      for (let n = 0; n < 8; n += 1) expect(await guess()).toBe('SERVICE_UNAVAILABLE');
      expect(await busy).toBe('done');
      for (let n = 0; n < 5; n += 1) expect(await guess()).toBe('INVALID_CREDENTIALS');
      expect(await guess()).toBe('RATE_LIMITED');
    } finally {
      await hasher.close();
    }
  });
});
