/** @topology one: counts what single processes ship */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { StreamedEvent } from '../../src/platform/audit/audit-receiver.ts';
import { AuditOutcome } from '../../src/platform/audit/index.ts';
import { StdoutReceiver } from '../../src/platform/audit/stdout-receiver.ts';
import { SyslogReceiver } from '../../src/platform/audit/syslog-receiver.ts';
import { newId } from '../../src/platform/id.ts';
import { CERTIFICATE } from '../support/certificate.ts';
import { Client } from '../support/client.ts';
import type { Cluster } from '../support/cluster.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { startOwnCluster } from '../support/own-cluster.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { Subject } from '../support/subject.ts';
import { TestSyslog } from '../support/syslog.ts';

/** The stream ships what is older than the oldest transaction of the server, in whichever database that is. */
let cluster: Cluster;
beforeAll(async () => {
  cluster = await startOwnCluster();
});
afterAll(() => cluster.stop());

const anEvent = (facts: Partial<StreamedEvent> = {}): StreamedEvent => ({
  id: newId(),
  at: '2026-11-28T17:00:00.123456Z',
  action: 'login.failed',
  outcome: AuditOutcome.FAILURE,
  actorId: null,
  subjectId: null,
  ipAddress: '192.0.2.1',
  userAgent: 'Browser/1.0',
  requestId: null,
  details: null,
  ...facts,
});

/** Every event in the database since a time, the oldest first. */
const idsIn = async (database: TestDatabase): Promise<string[]> =>
  (await database.query<{ id: string }>('select id from audit_event order by id')).map(({ id }) => id);

/** Writes as the serving login, many events at a time. */
async function insertEvents(database: TestDatabase, count: number, action = 'test.event'): Promise<string[]> {
  const ids = Array.from({ length: count }, newId);
  await database.query(
    `insert into audit_event (id, action, outcome) select id, $2, 'SUCCESS' from unnest($1::uuid[]) as id`,
    [ids, action],
  );
  return ids;
}

const repeated = (ids: readonly string[]): number => ids.length - new Set(ids).size;

describe('the audit stream to a syslog receiver', () => {
  let syslog: TestSyslog;
  let gateway: TestGateway;

  beforeEach(async () => {
    syslog = await TestSyslog.start();
    gateway = await TestGateway.start({ AUDIT_STREAM: syslog.url });
  });
  afterEach(async () => {
    await gateway.close();
    await syslog.stop();
  });

  it('ships the fields of the rows as RFC 5424 messages', async () => {
    const alice = await gateway.aSubject();
    await alice.login({ headers: { 'user-agent': 'Bröwser/1.0', 'x-request-id': 'request-of-this-login' } });
    await syslog.received(await idsIn(gateway.database));

    const message = syslog.messages.find(({ body }) => body.requestId === 'request-of-this-login');
    expect(message).toMatchObject({
      // Facility 13 (log audit), severity 5 (notice).
      priority: 109,
      application: 'gatehouse',
      processId: String(process.pid),
      messageId: 'session.created',
    });
    const [stored] = await gateway.database.query<{ row: Record<string, unknown> }>(
      `select to_jsonb(e) - 'written_by' as row from audit_event e where id = $1`,
      [message?.body.id],
    );
    const { at, actor_id, subject_id, ip_address, user_agent, request_id, ...same } = stored?.row ?? {};
    expect(message?.body).toEqual({
      ...same,
      at: message?.timestamp,
      actorId: actor_id,
      subjectId: subject_id,
      ipAddress: ip_address,
      userAgent: user_agent,
      requestId: request_id,
    });
    expect(Date.parse(message?.timestamp ?? '')).toBe(Date.parse(String(at)));
    expect(alice.id).toBe(actor_id);
  });

  it('ships a transaction that commits later than others that began after it', async () => {
    const late = await gateway.database.connect('serving');
    const id = newId();
    await late.query('begin');
    await late.query(`insert into audit_event (id, action, outcome) values ($1, 'test.late', 'SUCCESS')`, [
      id,
    ]);
    const meanwhile = await insertEvents(gateway.database, 5);
    await elapse(1_500, 'at least one poll of the table, which must ship none of them');
    expect(syslog.ids().filter((shipped) => shipped === id || meanwhile.includes(shipped))).toEqual([]);
    await late.query('commit');
    await late.end();
    await syslog.received([id, ...meanwhile]);
    expect(repeated(syslog.ids())).toBe(0);
  });

  it('never ships an event that was rolled back', async () => {
    const lost = await gateway.database.connect('serving');
    await lost.query('begin');
    await lost.query(`insert into audit_event (id, action, outcome) values ($1, 'test.lost', 'SUCCESS')`, [
      newId(),
    ]);
    await lost.query('rollback');
    await lost.end();
    await syslog.received(await insertEvents(gateway.database, 1));
    expect(syslog.actions()).not.toContain('test.lost');
  });

  it('keeps events in the database while the receiver is unavailable, and ships each once afterwards', async () => {
    await syslog.stop();
    const waiting = await insertEvents(gateway.database, 450);
    const alice = await gateway.aSubject();
    expect((await alice.login()).errors).toEqual([]);
    await eventually(
      async () => gateway.logLines.join(''),
      (log) => log.includes('audit events could not be shipped'),
    );
    await syslog.restart();
    await syslog.received(await idsIn(gateway.database));
    expect(syslog.ids().filter((id) => waiting.includes(id))).toEqual(waiting);
    expect(repeated(syslog.ids())).toBe(0);
    expect(Math.max(...syslog.batches)).toBeLessThanOrEqual(200);
    const log = await eventually(
      async () => gateway.logLines.join(''),
      (lines) => lines.includes('audit events are shipped again'),
    );
    expect(log.match(/could not be shipped/g)).toHaveLength(1);
  });

  it('delays no request while the receiver hangs', async () => {
    syslog.behaviour = 'hang';
    const ids = await insertEvents(gateway.database, 10);
    const alice = await gateway.aSubject();
    const replies = await race(5, () => alice.login());
    expect(replies.flatMap(({ errors }) => errors)).toEqual([]);
    await eventually(
      async () => gateway.logLines.join(''),
      (log) => log.includes('could not be shipped'),
      { withinMilliseconds: 30_000 },
    );
    syslog.behaviour = 'read';
    await syslog.received(ids, { withinMilliseconds: 60_000 });
  });

  it('lets one process ship at a time, and another one continue when that stops', async () => {
    const other = await gateway.another();
    try {
      const first = await race(20, () => insertEvents(gateway.database, 10));
      await syslog.received(first.flat());
      expect(repeated(syslog.ids())).toBe(0);
      await gateway.gateway.close();
      const second = await insertEvents(gateway.database, 50);
      await syslog.received(second);
      expect(repeated(syslog.ids())).toBe(0);
    } finally {
      await other.close();
    }
  });

  it('ships, during a shutdown, every event committed before it', async () => {
    const ids = await insertEvents(gateway.database, 30);
    // A transaction that is still open, such as one of the housekeeping, delays the stream.
    await eventually(
      () =>
        gateway.database.query(
          `select from audit_event
           where id = any($1) and written_by >= pg_snapshot_xmin(pg_current_snapshot())`,
          [ids],
        ),
      (held) => held.length === 0,
      { withinMilliseconds: 10_000 },
    );
    await gateway.stop();
    const have = new Set(syslog.ids());
    expect(ids.filter((id) => !have.has(id))).toEqual([]);
  });

  it('ships events that were recorded while no process had a stream', async () => {
    await gateway.stop();
    const ids = await insertEvents(gateway.database, 3);
    const again = await gateway.another();
    await syslog.received(ids);
    await again.close();
    expect(repeated(syslog.ids())).toBe(0);
  });

  it('continues after its database moved to a server with other transaction numbers', async () => {
    await gateway.stop();
    // Like a dump from an older server: its numbers, and those of two events that were not shipped before the
    // move.
    const unshipped = [newId(), newId()];
    await gateway.database.query(`update audit_event set written_by = '9000000000'`);
    await gateway.database.query(
      `insert into audit_event (id, action, outcome, at, written_by)
       select id, 'test.moved', 'SUCCESS', now(), '9000000002' from unnest($1::uuid[]) as id`,
      [unshipped],
    );
    await gateway.database.query(`update audit_stream set written_by = '9000000001'`);
    const shippedBefore = syslog.ids().length;

    const moved = await gateway.another();
    const later = await insertEvents(gateway.database, 5);
    await syslog.received([...unshipped, ...later]);
    await syslog.received(await insertEvents(gateway.database, 5));
    await moved.close();
    expect(syslog.ids().slice(shippedBefore)).toHaveLength(12);
    expect(repeated(syslog.ids())).toBe(0);
  });
});

describe('a batch to a syslog receiver', () => {
  it('does not count as delivered when the receiver dies with unread bytes', async () => {
    const syslog = await TestSyslog.start();
    syslog.behaviour = 'reset';
    await expect(new SyslogReceiver(syslog.address).send([anEvent()])).rejects.toThrow();
    await syslog.stop();
  });

  it('does not count as delivered when the receiver closes before reading', async () => {
    const syslog = await TestSyslog.start();
    syslog.behaviour = 'refuse';
    await expect(new SyslogReceiver(syslog.address).send([anEvent()])).rejects.toThrow(/before it had read/);
    await syslog.stop();
  });

  it('does not count as delivered when the receiver hangs', async () => {
    const syslog = await TestSyslog.start();
    syslog.behaviour = 'hang';
    await expect(new SyslogReceiver(syslog.address, 300).send([anEvent()])).rejects.toThrow('300 ms');
    await syslog.stop();
  });

  it('may contain values that would end a line or a field', async () => {
    const syslog = await TestSyslog.start();
    const event = anEvent({
      action: 'odd action\n<1>1',
      userAgent: 'é\u2028\n42 <13>1 😀',
      details: { a: '\u0000' },
    });
    await new SyslogReceiver(syslog.address).send([event, anEvent()]);
    expect(syslog.messages.map(({ body }) => body)[0]).toEqual({ ...event });
    expect(syslog.messages[0]?.messageId).toBe('oddaction<1>1');
    expect(syslog.messages).toHaveLength(2);
    await syslog.stop();
  });

  it('is not sent to a receiver with an untrusted certificate', async () => {
    const syslog = await TestSyslog.start({ tls: true });
    await expect(new SyslogReceiver(syslog.address).send([anEvent()])).rejects.toThrow(/self-signed/);
    expect(syslog.messages).toEqual([]);
    await syslog.stop();
  });
});

describe('a batch to standard output', () => {
  it('is held in memory once, however often it is tried while the pipe is not read', async () => {
    const [first, second] = [[anEvent()], [anEvent()]];
    const stalled = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => releases.push(done),
    });
    const releases: Array<() => void> = [];
    const blocked = new StdoutReceiver(stalled, 50);
    await expect(blocked.send(first)).rejects.toThrow('no answer within');
    await expect(blocked.send(first)).rejects.toThrow('no answer within');
    await expect(blocked.send(second)).rejects.toThrow('no answer within');
    expect(releases).toHaveLength(1);
    releases.shift()?.();
    const sent = blocked.send(second);
    await eventually(
      async () => releases.length,
      (count) => count === 1,
    );
    releases.shift()?.();
    await sent;
  });
});

describe('gateways in separate processes', () => {
  let database: TestDatabase;
  let settings: Record<string, string>;

  beforeEach(async () => {
    database = await createTestDatabase();
    settings = {
      NODE_ENV: 'test',
      PUBLIC_URL: 'http://localhost:4000',
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT: 'off',
      ...newSecrets(),
    };
  });
  afterEach(async () => {
    await GatehouseProcess.killAll();
    await database.drop();
  });

  /** As if the lease of a dead process, twenty seconds, were over. */
  const endLease = () => database.query('update audit_stream set leased_until = now()');

  it('lose no event when the one that ships is killed', async () => {
    const syslog = await TestSyslog.start();
    const environments = await Promise.all(
      [0, 1].map(async () => ({ ...settings, PORT: await freePort(), AUDIT_STREAM: syslog.url })),
    );
    const gateways: GatehouseProcess[] = [];
    for (const environment of environments) gateways.push(await GatehouseProcess.start(environment));

    const ids: string[] = [];
    let writing = true;
    const writer = (async () => {
      while (writing) {
        ids.push(...(await insertEvents(database, 40)));
        await elapse(100, 'the pace of the writer');
      }
    })();
    const kills = 2;
    for (let kill = 0; kill < kills; kill += 1) {
      const before = syslog.messages.length;
      await eventually(
        async () => syslog.messages.length,
        (count) => count > before + 200,
        { withinMilliseconds: 40_000 },
      );
      const shipping = syslog.messages.at(-1)?.processId;
      const index = gateways.findIndex(({ pid }) => String(pid) === shipping);
      gateways[index]?.kill('SIGKILL');
      await gateways[index]?.ended;
      // The first lease expires by itself.
      if (kill > 0) await endLease();
      gateways[index] = await GatehouseProcess.start(environments[index] as (typeof environments)[0]);
    }
    writing = false;
    await writer;
    await syslog.received(ids, { withinMilliseconds: 90_000 });
    // One batch can be in progress at each kill.
    expect(repeated(syslog.ids())).toBeLessThanOrEqual(kills * 200);
    await syslog.stop();
  });

  it('write one JSON object per line to standard output, and continue after kill -9', async () => {
    const environment = { ...settings, PORT: await freePort(), AUDIT_STREAM: 'stdout' };
    const lines = (output: string) =>
      output
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { id: string; action: string });
    const killed = await GatehouseProcess.start(environment);
    const alice = await Subject.register(new Client(`http://127.0.0.1:${environment.PORT}`));
    await alice.login();
    const ofAlice = await database.query<{ id: string }>('select id from audit_event where subject_id = $1', [
      alice.id,
    ]);
    await eventually(
      async () => lines(killed.output).map(({ id }) => id),
      (ids) => ofAlice.every(({ id }) => ids.includes(id)),
    );
    expect(killed.errors).toContain('/graphql');
    killed.kill('SIGKILL');
    await killed.ended;
    await endLease();

    const between = await insertEvents(database, 7);
    const next = await GatehouseProcess.start(environment);
    await eventually(
      async () => lines(next.output).map(({ id }) => id),
      (ids) => between.every((id) => ids.includes(id)),
      { withinMilliseconds: 40_000 },
    );
    expect(await next.stop()).toBe(0);
  });

  it('ship over TLS to a receiver with a trusted certificate', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-syslog-'));
    const file = join(folder, 'authority.pem');
    const syslog = await TestSyslog.start({ tls: true });
    try {
      await writeFile(file, CERTIFICATE);
      await GatehouseProcess.start({
        ...settings,
        PORT: await freePort(),
        AUDIT_STREAM: syslog.url,
        NODE_EXTRA_CA_CERTS: file,
      });
      await syslog.received(await insertEvents(database, 3), { withinMilliseconds: 40_000 });
    } finally {
      await syslog.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
