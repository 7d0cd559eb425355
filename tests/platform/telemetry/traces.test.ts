/** @topology one: reads the traces of one process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { newSecrets } from '../../support/gateway.ts';
import { TestOtlpReceiver } from '../../support/otlp.ts';
import { freePort, GatehouseProcess } from '../../support/process.ts';
import { elapse, eventually, race } from '../../support/race.ts';
import { TestRedis } from '../../support/redis.ts';
import { refuseSecretsIn } from '../../support/secret-watch.ts';
import { Subject } from '../../support/subject.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = (trace: string, flags = '01') => `00-${trace}-00f067aa0ba902b7-${flags}`;

const secrets = newSecrets();
let database: TestDatabase;
let redis: TestRedis;
let receiver: TestOtlpReceiver;
let gateway: GatehouseProcess;
let client: Client;

const startGateway = async (settings: Record<string, string> = {}) => {
  const PORT = await freePort();
  gateway = await GatehouseProcess.start({
    ...secrets,
    PORT,
    DATABASE_URL: database.servingUrl,
    DATABASE_MIGRATION_URL: database.ownerUrl,
    REDIS_URL: redis.url,
    SESSION_STORE: 'redis',
    PASSWORD_BCRYPT_COST: '4',
    TRUSTED_PROXIES: '127.0.0.1',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    ...settings,
  });
  client = new Client(`http://127.0.0.1:${PORT}`);
};

beforeAll(async () => {
  [database, redis, receiver] = await Promise.all([
    createTestDatabase(),
    TestRedis.start(),
    TestOtlpReceiver.start(),
  ]);
  await startGateway();
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  await Promise.all([database?.drop(), redis?.close(), receiver?.stop()]);
});

/** The log line of the request with this id. */
const loggedAs = (requestId: string) =>
  eventually(
    async () =>
      gateway.errors.split('\n').find((line) => line.includes(requestId) && line.includes('"request"')),
    (line) => line !== undefined,
  );

const arrived = (traceId: string, root: string) =>
  eventually(
    async () => receiver.tree(traceId),
    (tree) => tree[0] === root,
  );

describe('the trace of a login', () => {
  let alice: Subject;
  let tree: string[];

  beforeAll(async () => {
    alice = await Subject.register(client);
    const headers = { traceparent: traceparent(TRACE), 'x-request-id': 'request-of-the-login' };
    await alice.login({ headers });
    tree = await arrived(TRACE, 'POST /graphql');
  });

  it('arrives as one tree, from HTTP to the root field, SQL, the hash and Redis', () => {
    expect(tree.slice(0, 3)).toEqual(['POST /graphql', '  mutation login', '    resolve login']);
    const below = tree.filter((line) => line.startsWith('      ')).map((line) => line.trim());
    expect(below).toEqual(
      expect.arrayContaining([
        'EVALSHA',
        'SELECT',
        'password hash queue',
        'password hash',
        'BEGIN',
        'INSERT',
        'COMMIT',
      ]),
    );
  });

  it('has the text of each statement, with placeholders instead of values', () => {
    const statements = receiver.spans
      .filter(({ traceId, attributes }) => traceId === TRACE && attributes['db.system.name'] === 'postgresql')
      .map(({ attributes }) => String(attributes['db.query.text']));
    expect(statements).toContainEqual(expect.stringMatching(/^insert into audit_event .*\$\d/));
    expect(statements.join()).not.toContain(alice.id);
  });

  it('has the status, the route and the request id of the request', () => {
    const root = receiver.spans.find(({ traceId, name }) => traceId === TRACE && name === 'POST /graphql');
    expect(root?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/graphql',
      'http.response.status_code': 200,
      'gatehouse.request_id': 'request-of-the-login',
    });
  });

  it('has its id in the log line of the request', async () => {
    expect(await loggedAs('request-of-the-login')).toContain(`"traceId":"${TRACE}"`);
  });

  it('carries no secret, e-mail address or username', () => {
    refuseSecretsIn(receiver.payloads);
    const sent = receiver.payloads.join();
    for (const fact of [alice.email, alice.username, alice.password, alice.id])
      expect(sent).not.toContain(fact);
  });
});

describe('a trace', () => {
  it('shows the authorisation and the error type of a refused operation', async () => {
    const trace = '11111111111111111111111111111111';
    await client.raw('{ sessions { id } }', {}, { headers: { traceparent: traceparent(trace) } });
    await arrived(trace, 'POST /graphql');
    const refused = receiver.spans.find(({ traceId, name }) => traceId === trace && name === 'authorize');
    expect(refused?.attributes).toEqual({ 'error.type': 'UNAUTHENTICATED' });
  });

  it('is not recorded when the trusted proxy says so', async () => {
    const [unsampled, sampled] = ['22222222222222222222222222222222', '33333333333333333333333333333333'];
    await client.raw('{ __typename }', {}, { headers: { traceparent: traceparent(unsampled, '00') } });
    await client.raw('{ __typename }', {}, { headers: { traceparent: traceparent(sampled) } });
    await arrived(sampled, 'POST /graphql');
    expect(receiver.tree(unsampled)).toEqual([]);
  });

  it('is not begun for a statement that no request asked for', () => {
    const roots = receiver.spans.filter(({ parentSpanId }) => !parentSpanId).map(({ name }) => name);
    expect(roots.filter((name) => !/^(GET|POST) |send mail|housekeeping/.test(name))).toEqual([]);
  });
});

describe('a client that is not a trusted proxy', () => {
  it('cannot join its request to a trace', async () => {
    const { url } = client;
    await startGateway({ TRUSTED_PROXIES: '192.0.2.1' });
    const trace = '44444444444444444444444444444444';
    await client.raw(
      '{ __typename }',
      {},
      {
        headers: { traceparent: traceparent(trace), 'x-request-id': 'request-of-a-stranger' },
      },
    );
    const line = await loggedAs('request-of-a-stranger');
    expect(line).toMatch(/"traceId":"[0-9a-f]{32}"/);
    expect(line).not.toContain(trace);
    client = new Client(url);
  });
});

describe('a receiver that', () => {
  it.each(['hang', 'fail'] as const)(
    '%ss delays no request, and does not keep the gateway from stopping',
    async (behaviour) => {
      receiver.behaviour = behaviour;
      await startGateway();
      const replies = await race(200, () => client.raw('{ __typename }'));
      expect(replies.filter(({ status }) => status !== 200)).toEqual([]);
      await elapse(1_500, 'one export is under way');
      const begun = performance.now();
      expect((await client.raw('{ __typename }')).status).toBe(200);
      expect(performance.now() - begun).toBeLessThan(1_000);
      expect(await gateway.stop()).toBe(0);
      receiver.behaviour = 'take';
    },
  );
});
