/** @topology one: one process remembers which refusals it recorded lately */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { type BlockpassWorld, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import type { TestGateway } from '../support/gateway.ts';
import { AuditEventsDocument, LoginDocument, RolesDocument } from '../support/generated/operations.ts';
import { GoogleStandIn } from '../support/google-stand-in.ts';
import { elapse, eventually } from '../support/race.ts';
import { RedirectBrowser } from '../support/redirect-browser.ts';

let google: GoogleStandIn;
let world: BlockpassWorld;
let gateway: TestGateway;
/** With limits that the second attempt exceeds. */
let limited: TestGateway;

const RULES = ['blockpassApp.ip', 'google.ip', 'socket.ip', 'blockpassSignIn.ip'];

beforeAll(async () => {
  google = await GoogleStandIn.start();
  world = await startBlockpassWorld(google.settings);
  gateway = world.gateway;
  limited = await gateway.another({
    RATE_LIMIT: 'on',
    RATE_LIMIT_RULES: RULES.map((rule) => `${rule}=1/3600`).join(','),
  });
});
afterAll(async () => {
  await limited.close();
  await world.close();
  await google.close();
});

const refusals = async () => {
  const rows = await gateway.database.query<{ action: string; operation: string; actor: string | null }>(
    `select action, details->>'operation' as operation, actor_id as actor from audit_event
     where action like 'operation.%' and outcome = 'DENIED' and subject_id is null and request_id is not null
       and ip_address = '127.0.0.1' order by id`,
  );
  return rows.map(({ action, operation, actor }) => `${action}: ${operation}, ${actor ?? 'nobody'}`);
};

/** The events of an attempt that is made several times. */
async function recorded(attempt: () => Promise<unknown>, times = 4): Promise<string[]> {
  const before = (await refusals()).length;
  for (let n = 0; n < times; n += 1) await attempt();
  await eventually(refusals, (rows) => rows.length > before);
  await elapse(
    100,
    'a second event must not follow, and sockets are closed before their refusal is recorded',
  );
  return (await refusals()).slice(before);
}

const post = (at: TestGateway, call: string, body: unknown) => () =>
  fetch(`${at.url}/blockpass/api/${call}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
const upload = (at: TestGateway) => () => {
  const body = new FormData();
  body.append('accessToken', 'guessed');
  return fetch(`${at.url}/blockpass/api/uploadData`, { method: 'POST', body });
};

const knock = (at: TestGateway, headers: Record<string, string> = {}) =>
  new WebSocket(`${at.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
const SUBSCRIPTION =
  'subscription ($id: ID!, $secret: String) { blockpassSignIn(id: $id, secret: $secret) { state } }';
/** Subscribes the given number of times over one socket, and waits for the last answer. */
async function subscribe(at: TestGateway, variables: unknown, times: number): Promise<void> {
  const ws = knock(at);
  await once(ws, 'open');
  ws.send(JSON.stringify({ type: 'connection_init' }));
  const answered = new Promise<void>((resolve) => {
    ws.on('message', (data) => {
      const { type, id } = JSON.parse(String(data)) as { type: string; id?: string };
      if (type === 'connection_ack') {
        for (let n = 1; n <= times; n += 1)
          ws.send(
            JSON.stringify({ type: 'subscribe', id: `${n}`, payload: { query: SUBSCRIPTION, variables } }),
          );
      }
      if (id === `${times}`) resolve();
    });
  });
  await answered;
  ws.terminate();
}

describe('the trail has one event for a repeated refusal', () => {
  it.each(['status', 'login', 'register', 'resubmit'])('when the Blockpass app calls %s', async (call) => {
    const operation = `POST /blockpass/api/${call}`;
    const guess = { code: 'guessed-code', fieldList: [], certList: [] };
    expect(await recorded(post(gateway, call, guess))).toEqual([`operation.denied: ${operation}, nobody`]);
  });

  it('when an upload has no valid token', async () => {
    expect(await recorded(upload(gateway))).toEqual([
      'operation.denied: POST /blockpass/api/uploadData, nobody',
    ]);
  });

  it('when the Blockpass app calls too often', async () => {
    // The first attempt is denied and the others are limited: one event of each kind.
    expect(await recorded(post(limited, 'status', { code: 'guessed-code' }))).toEqual([
      'operation.denied: POST /blockpass/api/status, nobody',
      'operation.limited: POST /blockpass/api/status, nobody',
    ]);
    expect(await recorded(upload(limited))).toEqual([
      'operation.limited: POST /blockpass/api/uploadData, nobody',
    ]);
  });

  it('when a browser starts a Google sign-in too often', async () => {
    const browser = new RedirectBrowser(limited.url);
    expect(await recorded(() => browser.begin())).toEqual([
      'operation.limited: GET /oauth/google/start, nobody',
    ]);
    expect(await recorded(() => browser.finish(new URLSearchParams()))).toEqual([
      'operation.limited: GET /oauth/google/callback, nobody',
    ]);
  });

  it('when WebSockets are opened too often', async () => {
    const open = async () => {
      const ws = knock(limited);
      await once(ws, 'open');
      const closed = once(ws, 'close');
      setTimeout(() => ws.close(), 100);
      return closed;
    };
    expect(await recorded(open)).toEqual(['operation.limited: WS /graphql, nobody']);
  });

  it('when one network has too many WebSockets', async () => {
    const full = await gateway.another({ MAX_WEBSOCKETS_PER_CLIENT: '10' });
    const places = Array.from({ length: 10 }, () => knock(full));
    await Promise.all(places.map((ws) => once(ws, 'open')));
    expect(await recorded(() => once(knock(full), 'close'))).toEqual([
      'operation.limited: WS /graphql, nobody',
    ]);
    for (const ws of places) ws.terminate();
    await full.close();
  });

  it('when a WebSocket is closed because its client sends too much', async () => {
    const fresh = await gateway.another();
    const babble = async () => {
      const ws = knock(fresh);
      await once(ws, 'open');
      for (let count = 0; count < 300; count += 1) ws.ping();
      return once(ws, 'close');
    };
    expect(await recorded(babble)).toEqual(['operation.limited: WS /graphql, nobody']);
    await fresh.close();
  });

  it('when a subscription exceeds a limit, and when a socket has too many subscriptions', async () => {
    const open = await gateway.another({
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'blockpassSignIn.ip=1/3600',
    });
    expect(await recorded(() => subscribe(open, { id: 'x' }, 2))).toEqual([
      'operation.limited: blockpassSignIn, nobody',
    ]);
    await open.close();
    const { id, secret } = await SignInPage.open(gateway.browser());
    expect(await recorded(() => subscribe(gateway, { id, secret }, 12))).toEqual([
      'operation.limited: WS /graphql, nobody',
    ]);
  });

  it('when a foreign page calls, without naming the user whose cookie it sends', async () => {
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const headers = { origin: 'https://evil.example.test', cookie: `gatehouse_access=${accessToken}` };
    expect(await recorded(() => gateway.client.raw('{ me { id } }', {}, { headers }))).toEqual([
      'operation.denied: POST /graphql, nobody',
    ]);
    expect(await recorded(() => once(knock(gateway, headers), 'error'))).toEqual([
      'operation.denied: WS /graphql, nobody',
    ]);
  });

  it('when a signed-in caller lacks a permission; another operation is another event', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    const askAll = async () => {
      await gateway.client.execute(RolesDocument, {}, { bearer });
      await gateway.client.execute(AuditEventsDocument, {}, { bearer });
    };
    expect(await recorded(askAll)).toEqual([
      `operation.denied: roles, ${alice.id}`,
      `operation.denied: auditEvents, ${alice.id}`,
    ]);
  });
});

it('the trail takes at most sixty events a minute for one operation from networks without a known account', async () => {
  const besieged = await gateway.another({
    RATE_LIMIT: 'on',
    RATE_LIMIT_RULES: 'login.account=1/3600',
    TRUSTED_PROXIES: '127.0.0.0/8',
  });
  const input = { identifier: 'somebody-else', password: 'a wrong guess of a stranger' };
  const guess = (network: number) =>
    besieged.client.execute(
      LoginDocument,
      { input },
      { headers: { 'x-forwarded-for': `2001:db8:0:${network.toString(16)}::1` } },
    );
  for (let network = 1; network <= 80; network += 1) await guess(network);
  const rows = await gateway.database.query(
    `select from audit_event where action = 'operation.limited' and details->>'operation' = 'login'`,
  );
  expect(rows).toHaveLength(60);
  await besieged.close();
});

it('a refusal that cannot be recorded while the database is away is logged, but not as an error', async () => {
  const { accessToken: bearer } = await (await gateway.aSubject()).signedIn();
  const before = gateway.logLines.length;
  const owner = await gateway.database.connect();
  await owner.query('begin');
  await owner.query('lock table audit_event in access exclusive mode');
  expect((await gateway.client.execute(RolesDocument, {}, { bearer })).code).toBe('FORBIDDEN');
  await owner.query('rollback');
  await owner.end();
  const lines = gateway.logLines.slice(before);
  expect(lines.filter((line) => line.includes('a refusal was not recorded'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});
