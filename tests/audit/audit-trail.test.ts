import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditEventType } from '../../src/audit/audit.types.ts';
import { AuditTrail } from '../../src/audit/audit-trail.ts';
import { AuditOutcome } from '../../src/platform/audit/index.ts';
import { sql, statement } from '../../src/platform/database/index.ts';
import type { RequestOptions } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  AuditEventsDocument,
  type AuditEventsQueryVariables,
  GrantRoleDocument,
  MySecurityEventsDocument,
  RevokeRoleDocument,
  RevokeUserSessionsDocument,
  RolesDocument,
  SetUserActiveDocument,
  UserDocument,
  UserSessionsDocument,
  UsersDocument,
} from '../support/generated/operations.ts';
import { aRole, aSuperuser, grant, staffWith } from '../support/staff.ts';
import { statementsDuring, watchStatements } from '../support/statements.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let auditor: Subject & { tokens: Tokens };

beforeAll(async () => {
  watchStatements();
  gateway = await TestGateway.start();
  auditor = await staffWith(gateway, ['audit:read']);
});
afterAll(() => gateway.close());

const by = ({ tokens }: { tokens: Tokens }): RequestOptions => ({ bearer: tokens.accessToken });
const read = async (variables: AuditEventsQueryVariables = {}) => {
  const reply = await gateway.client.execute(AuditEventsDocument, variables, by(auditor));
  if (!reply.data) throw new Error(reply.text);
  return reply.data.auditEvents;
};
const actions = async (variables: AuditEventsQueryVariables) =>
  (await read(variables)).nodes.map(({ action }) => action);
/** Old events, one a minute, without actor or subject. */
const seedAt = (start: string, count: number, action = 'seed.event') =>
  gateway.database.query(
    `insert into audit_event (id, at, action, outcome)
     select gen_random_uuid(), $1::timestamptz + n * interval '1 minute', $3, 'SUCCESS' from generate_series(0, $2::int - 1) n`,
    [start, count, action],
  );
/** Rows of the trail that this connection has read, including earlier transactions. */
const rowsRead = async (tx: EntityManager): Promise<number> => {
  const [counted] = await statement(
    tx,
    sql<{ rows: number }>`
      select (seq_tup_read + idx_tup_fetch)::int as rows from pg_stat_xact_user_tables
      where relname = 'audit_event'`,
  );
  return counted?.rows ?? 0;
};
/** Returns a page, and the number of rows of the trail that were read for it. */
const lookedAt = (
  page: (tx: EntityManager) => ReturnType<AuditTrail['page']>,
): Promise<{ nodes: readonly AuditEventType[]; looked: number }> =>
  gateway.gateway.fork().transactional(async (tx) => {
    const before = await rowsRead(tx);
    const { nodes } = await page(tx);
    return { nodes, looked: (await rowsRead(tx)) - before };
  });

describe('the audit trail', () => {
  it('says who did what to whom, when and from where', async () => {
    const alice = await gateway.aSubject();
    const role = await aRole(gateway);
    await grant(gateway, alice.id, role.name);
    const [event] = (await read({ filter: { userId: alice.id, action: 'role.granted' } })).nodes;
    expect(event).toMatchObject({
      action: 'role.granted',
      actor: { id: expect.any(String), username: expect.stringMatching(/^subject-/) },
      subject: { id: alice.id, username: alice.username },
      outcome: 'SUCCESS',
      ipAddress: '127.0.0.1',
      userAgent: 'node',
      details: { role: role.name },
    });
    expect(event?.requestId).toBeTruthy();
    expect(Date.now() - Date.parse(event?.at ?? '')).toBeLessThan(60_000);
  });

  it('is filtered by account, action and time', async () => {
    const alice = await gateway.aSubject();
    await alice.login();
    await alice.login({ password: 'wrong password here' });
    expect(await actions({ filter: { userId: alice.id } })).toEqual([
      'login.failed',
      'session.created',
      'account.registered',
    ]);
    expect(await actions({ filter: { userId: alice.id, action: 'session.created' } })).toEqual([
      'session.created',
    ]);
    expect(await actions({ filter: { userId: alice.id, action: 'session.*' } })).toEqual(['session.created']);
    expect(await actions({ filter: { userId: 'nobody' } })).toEqual([]);
    await seedAt('2020-01-01T00:00:00Z', 5);
    const between = { since: '2020-01-01T00:01:00Z', until: '2020-01-01T00:04:00Z' };
    expect((await read({ filter: between })).nodes.map(({ at }) => at)).toEqual([
      '2020-01-01T00:03:00.000Z',
      '2020-01-01T00:02:00.000Z',
      '2020-01-01T00:01:00.000Z',
    ]);
  });

  it('is filtered by the username or e-mail address of an account, in any case', async () => {
    const alice = await gateway.aSubject();
    await alice.login();
    const own = ['session.created', 'account.registered'];
    for (const user of [alice.username, alice.username.toUpperCase(), alice.email, alice.email.toUpperCase()])
      expect(await actions({ filter: { user } })).toEqual(own);
    expect(await actions({ filter: { user: alice.username, userId: alice.id } })).toEqual(own);
    expect(await actions({ filter: { user: alice.username, userId: auditor.id } })).toEqual([]);
    for (const user of ['nobody-at-all', 'nobody@example.test', '', 'nul\0', '%'])
      expect(await actions({ filter: { user } })).toEqual([]);
  });

  it('is filtered by outcome', async () => {
    const alice = await gateway.aSubject();
    await alice.login({ password: 'wrong password here' });
    await gateway.client.execute(RolesDocument, {}, by({ tokens: await alice.signedIn() }));
    const of = (outcome: AuditOutcome) => actions({ filter: { userId: alice.id, outcome } });
    expect(await of(AuditOutcome.FAILURE)).toEqual(['login.failed']);
    expect(await of(AuditOutcome.DENIED)).toEqual(['operation.denied']);
    expect(await of(AuditOutcome.SUCCESS)).toEqual(['session.created', 'account.registered']);
  });

  it('is filtered by the IP of the request, in any notation', async () => {
    await gateway.database.query(
      `insert into audit_event (id, action, outcome, ip_address)
       values (gen_random_uuid(), 'ip.four', 'SUCCESS', '192.0.2.7'), (gen_random_uuid(), 'ip.six', 'SUCCESS', '2001:db8::7')`,
    );
    expect(await actions({ filter: { ipAddress: '192.0.2.7' } })).toEqual(['ip.four']);
    expect(await actions({ filter: { ipAddress: '::ffff:192.0.2.7' } })).toEqual(['ip.four']);
    expect(await actions({ filter: { ipAddress: '2001:db8::7', action: 'ip.*' } })).toEqual(['ip.six']);
    expect(await actions({ filter: { ipAddress: '2001:DB8:0::7' } })).toEqual(['ip.six']);
    expect(await actions({ filter: { ipAddress: '192.0.2.8' } })).toEqual([]);
  });

  it.each(['', 'localhost', '192.0.2.0/24', 'nul\0'])('refuses %j as an IP', async (ipAddress) => {
    const reply = await gateway.client.execute(AuditEventsDocument, { filter: { ipAddress } }, by(auditor));
    expect(reply).toMatchObject({
      code: 'BAD_USER_INPUT',
      errors: [{ extensions: { fields: [{ field: 'filter.ipAddress' }] } }],
    });
  });

  it.each(['0000-01-01T00:00:00Z', '9999-12-31T23:59:59-23:59'])(
    'is filtered by a time as far away as %s',
    async (time) => {
      await read({ filter: { since: time, until: time } });
    },
  );

  it('returns each event once over all pages, the newest first, while new ones are written', async () => {
    await seedAt('2019-01-01T00:00:00Z', 25, 'walk.event');
    // Many events of one microsecond, which only their ids tell apart.
    await gateway.database.query(
      `insert into audit_event (id, at, action, outcome)
       select gen_random_uuid(), '2018-01-01T00:00:00.123456Z', 'walk.event', 'SUCCESS' from generate_series(1, 9)`,
    );
    const seen: { id: string; at: string }[] = [];
    let after: string | null = null;
    do {
      const { nodes, pageInfo }: Awaited<ReturnType<typeof read>> = await read({
        first: 4,
        after,
        filter: { action: 'walk.event' },
      });
      seen.push(...nodes);
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      await seedAt('2021-01-01T00:00:00Z', 1, 'walk.event');
    } while (after);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(34);
    expect(seen.map(({ at }) => at)).toEqual(
      seen
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
  });

  it.each([
    ['IP address', { ipAddress: '198.51.100.1' }],
    ['outcome', { outcome: AuditOutcome.DENIED, until: new Date('2004-01-01T00:00:00Z') }],
  ])('finds the events of a rare %s without reading all newer events', async (_, filter) => {
    await seedAt('2005-01-01T00:00:00Z', 20_000, 'frequent.event');
    await gateway.database.query(
      `insert into audit_event (id, at, action, outcome, ip_address)
       select gen_random_uuid(), '2003-01-01T00:00:00Z', 'scarce.event', 'DENIED', '198.51.100.1' from generate_series(1, 3)`,
    );
    await gateway.database.query('analyze audit_event');
    const { nodes, looked } = await lookedAt((tx) => new AuditTrail().page(tx, { first: 2 }, filter));
    expect(nodes.map(({ action }) => action)).toEqual(['scarce.event', 'scarce.event']);
    expect(looked).toBeLessThan(200);
  });

  it('finds the events of a rare prefix without reading all newer events', async () => {
    await seedAt('2001-01-01T00:00:00Z', 3, 'rare.one');
    await seedAt('2001-01-01T00:00:30Z', 3, 'rare.two');
    await seedAt('2002-01-01T00:00:00Z', 20_000, 'frequent.event');
    // In a database with the collation of a language, a prefix is not a range of the index.
    const collated = (collation: string) =>
      gateway.database.query(`alter table audit_event alter column action type text collate ${collation}`);
    await collated('"und-x-icu"');
    await gateway.database.query('analyze audit_event');
    const filter = { action: 'rare.*', since: new Date('2001-01-01T00:00:00Z') };
    const { nodes, looked } = await lookedAt((tx) => new AuditTrail().page(tx, { first: 4 }, filter));
    await collated('"default"');
    expect(nodes.map(({ action }) => action)).toEqual(['rare.two', 'rare.one', 'rare.two', 'rare.one']);
    expect(looked).toBeLessThan(200);
  });

  it('costs one statement for any page, besides the audit event and the permissions of the reader', async () => {
    for (const variables of [{ first: 1 }, { first: 100 }, { first: 100, filter: { userId: auditor.id } }])
      expect(await statementsDuring(() => read(variables))).toHaveLength(3);
  });

  it.each([
    ['too many', { first: 101 }, 'first'],
    ['a malformed cursor', { after: 'x' }, 'after'],
    ['a cursor of another list', { after: Buffer.from('["newest","1"]').toString('base64url') }, 'after'],
  ])('refuses %s', async (_, variables, field) => {
    expect(await gateway.client.execute(AuditEventsDocument, variables, by(auditor))).toMatchObject({
      code: 'BAD_USER_INPUT',
      errors: [{ extensions: { fields: [expect.objectContaining({ field })] } }],
    });
  });

  it('is only for callers with the permission', async () => {
    const alice = await gateway.aSubject();
    const reply = await gateway.client.execute(
      AuditEventsDocument,
      {},
      by({ tokens: await alice.signedIn() }),
    );
    expect(reply.code).toBe('FORBIDDEN');
  });

  it('keeps the ids of an account after its deletion', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query('delete from users where id = $1', [alice.id]);
    const [event] = (await read({ filter: { userId: alice.id } })).nodes;
    expect(event).toMatchObject({ subject: { id: alice.id, username: null } });
  });

  it('holds no name and no address of an account', async () => {
    const alice = await gateway.aSubject();
    await alice.login();
    const root = await aSuperuser(gateway);
    for (const filter of [{ search: alice.email }, { role: alice.email }, { role: alice.username }])
      await gateway.client.execute(UsersDocument, { filter }, by(root));
    const rows = await gateway.database.query<{ text: string }>(
      'select audit_event::text as text from audit_event',
    );
    const all = rows.map(({ text }) => text).join('\n');
    expect(all).toContain(alice.id);
    for (const personal of [alice.username, alice.email, root.username]) expect(all).not.toContain(personal);
  });
});

describe('the audit trail has exactly one event for', () => {
  const recorded = async (action: string, work: () => Promise<unknown>) => {
    const count = async () =>
      (await gateway.database.query('select from audit_event where action = $1', [action])).length;
    const before = await count();
    await work();
    return (await count()) - before;
  };

  it("each read of another person's data", async () => {
    const [root, alice] = [await aSuperuser(gateway), await gateway.aSubject()];
    expect(
      await recorded('account.read', () => gateway.client.execute(UserDocument, { id: alice.id }, by(root))),
    ).toBe(1);
    expect(await recorded('account.listed', () => gateway.client.execute(UsersDocument, {}, by(root)))).toBe(
      1,
    );
    expect(
      await recorded('session.listed', () =>
        gateway.client.execute(UserSessionsDocument, { userId: alice.id }, by(root)),
      ),
    ).toBe(1);
    expect(await recorded('audit.read', () => read())).toBe(1);
    // A read of the own account is not recorded.
    expect(
      await recorded('account.read', () => gateway.client.execute(UserDocument, { id: root.id }, by(root))),
    ).toBe(0);
  });

  it('each change that shows an account and changes nothing', async () => {
    const alice = await gateway.aSubject();
    const role = await aRole(gateway);
    const clerk = await staffWith(gateway, ['role:grant', 'user:deactivate']);
    await grant(gateway, alice.id, role.name);
    const give = () =>
      gateway.client.execute(GrantRoleDocument, { userId: alice.id, role: role.name }, by(clerk));
    const take = () =>
      gateway.client.execute(RevokeRoleDocument, { userId: alice.id, role: role.name }, by(clerk));
    const wake = () =>
      gateway.client.execute(SetUserActiveDocument, { userId: alice.id, active: true }, by(clerk));
    expect(await recorded('account.read', give)).toBe(1);
    expect(await recorded('account.read', wake)).toBe(1);
    expect(await recorded('account.read', take)).toBe(0);
    expect(await recorded('account.read', take)).toBe(1);
  });

  it('each denied operation, however often one document contains it', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    expect(
      await recorded('operation.denied', () => gateway.client.execute(RolesDocument, {}, { bearer })),
    ).toBe(1);
    const twice = '{ a: role(name: "x") { id } b: role(name: "x") { id } user(id: "x") { id } }';
    expect(await recorded('operation.denied', () => gateway.client.raw(twice, {}, { bearer }))).toBe(2);
    const [event] = await gateway.database.query(
      `select actor_id, outcome, details from audit_event where action = 'operation.denied' order by id desc limit 1`,
    );
    expect(event).toEqual({ actor_id: alice.id, outcome: 'DENIED', details: { operation: 'user' } });
  });

  it('a rate limit that is exceeded repeatedly', async () => {
    const limited = await gateway.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'login.ip=1/600' });
    const alice = await gateway.aSubject();
    expect(
      await recorded('operation.limited', async () => {
        for (let n = 0; n < 5; n++) await alice.login({ client: limited.client });
      }),
    ).toBe(1);
    await limited.close();
  });

  it('a rate limit that is exceeded from many IPs of one IPv6 network', async () => {
    const limited = await gateway.another({
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'login.ip=1/600',
      TRUSTED_PROXIES: '127.0.0.0/8',
    });
    const alice = await gateway.aSubject();
    const from = (address: string) =>
      alice.login({ client: limited.client, headers: { 'x-forwarded-for': address } });
    expect(
      await recorded('operation.limited', async () => {
        for (let host = 1; host <= 5; host++) await from(`2001:db8:7:8::${host}`);
        for (let n = 0; n < 2; n++) await from('2001:db8:7:9::1');
      }),
    ).toBe(2);
    await limited.close();
  });
});

describe('the denied part of a document', () => {
  it('has no effect, whatever other fields the document contains', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    const reply = await gateway.client.raw(
      'mutation { updateProfile(input: { displayName: "Alice" }) { displayName } createRole(input: { name: "sneaked" }) { id } }',
      {},
      { bearer },
    );
    expect(reply.code).toBe('FORBIDDEN');
    expect(await gateway.database.query(`select from role where name = 'sneaked'`)).toEqual([]);
  });
});

describe('my security events', () => {
  const mine = (who: Tokens, variables = {}) =>
    gateway.client.execute(MySecurityEventsDocument, variables, { bearer: who.accessToken });

  it("are the caller's own, the newest first, with their source", async () => {
    const alice = await gateway.aSubject();
    await alice.login({ password: 'wrong password here', headers: { 'user-agent': 'Elsewhere/1.0' } });
    const tokens = await alice.signedIn();
    const { data } = await mine(tokens);
    expect(data?.mySecurityEvents.nodes).toMatchObject([
      {
        action: 'session.created',
        actor: { id: alice.id, username: alice.username },
        ipAddress: '127.0.0.1',
      },
      { action: 'login.failed', actor: null, outcome: 'FAILURE', userAgent: 'Elsewhere/1.0' },
      { action: 'account.registered' },
    ]);
    const first = await mine(tokens, { first: 2 });
    const rest = await mine(tokens, { after: first.data?.mySecurityEvents.pageInfo.endCursor });
    expect(rest.data?.mySecurityEvents.nodes).toMatchObject([{ action: 'account.registered' }]);
  });

  it('show what another person did, without their identity', async () => {
    const [root, alice] = [await aSuperuser(gateway), await gateway.aSubject()];
    await alice.signedIn();
    await gateway.client.execute(RevokeUserSessionsDocument, { userId: alice.id }, by(root));
    const { data } = await mine(await alice.signedIn());
    const event = data?.mySecurityEvents.nodes.find(({ action }) => action === 'account.sessions_ended');
    expect(event).toMatchObject({
      actor: null,
      subject: { id: alice.id },
      ipAddress: null,
      userAgent: null,
      requestId: null,
      details: { sessions: 1 },
    });
  });
});
