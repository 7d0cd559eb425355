/** @topology one: thousands of inputs, injected into one process */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { CloseCode } from 'graphql-ws';
import { WebSocket } from 'ws';
import { buildSchema } from '../../src/graphql/index.ts';
import { RESOLVERS } from '../../src/modules.ts';
import { type BlockpassWorld, SignInPage, startBlockpassWorld } from '../support/blockpass.ts';
import type { TestGateway } from '../support/gateway.ts';
import { RecoverAccountDocument } from '../support/generated/operations.ts';
import { GoogleStandIn } from '../support/google-stand-in.ts';
import { aSuperuser } from '../support/staff.ts';
import { type FuzzedRequest, fuzzedRequests, type LiveValues, MARK } from './inputs.ts';

/**
 * FUZZ_INPUTS=1000000 runs for more than an hour, and FUZZ_SEED repeats a run. A failure prints the seed and
 * the path to the smallest failing input.
 */
const INPUTS = Number(process.env.FUZZ_INPUTS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);
/** Inputs that are sent at once, so that they meet each other. */
const AT_ONCE = 20;
/** Senders lose their sessions by their own inputs, so they are replaced after this many rounds. */
const ROUNDS_OF_SENDERS = 50;
const MAX_HASHES = 20_000;
/** Milliseconds: far more than any deadline of the gateway. */
const ANSWER_TIMEOUT = 60_000;
const FAULT = '"extensions":{"code":"INTERNAL_SERVER_ERROR"';

jest.setTimeout(120_000 + INPUTS * 20);

let google: GoogleStandIn;
let world: BlockpassWorld;
let gateway: TestGateway;
const live: LiveValues = { ids: [], names: [], addresses: [], tokens: [] };
/** Inputs that succeeded. A run with refusals alone would show little. */
let carriedOut = 0;
let bearers: Readonly<Record<FuzzedRequest['sender'], string | undefined>>;

beforeAll(async () => {
  google = await GoogleStandIn.start();
  world = await startBlockpassWorld(google.settings);
  gateway = world.gateway;
});
afterAll(async () => {
  await world.close();
  await google.close();
});

async function newSenders(): Promise<void> {
  const person = await gateway.aSubject({ password: `${MARK} of a person` });
  const tokens = await person.signedIn();
  const superuser = await aSuperuser(gateway);
  await gateway.client.execute(RecoverAccountDocument, { email: person.email });
  const [role] = await gateway.database.query<{ id: string; name: string }>(
    'select id, name from role order by random() limit 1',
  );
  const page = await SignInPage.open(gateway.client);
  live.ids = [person.id, superuser.id, tokens.sessionId, superuser.tokens.sessionId, role?.id ?? '', page.id];
  live.names = [person.username, superuser.username, role?.name ?? '', 'superuser', 'user:read'];
  live.addresses = [person.email, superuser.email];
  live.tokens = [tokens.refreshToken, tokens.accessToken, `${MARK} of a person`];
  const cut = tokens.accessToken.slice(0, -2);
  bearers = {
    nobody: undefined,
    'a person': tokens.accessToken,
    'a superuser': superuser.tokens.accessToken,
    'a forger': `${cut}AA`,
  };
}

/** A missing answer is an error too. */
async function problemInTime(request: FuzzedRequest): Promise<string | undefined> {
  const late = new AbortController();
  const silence = sleep(ANSWER_TIMEOUT, `no answer: ${JSON.stringify(request)}`, late).catch(() => undefined);
  return Promise.race([problemOf(request), silence]).finally(() => late.abort());
}

/** The error in the answer, if any. */
async function problemOf(request: FuzzedRequest): Promise<string | undefined> {
  if (request.messages) return problemOnSocket(request, request.messages);
  const { method, path, headers, body } = request;
  const reply = await gateway.gateway.app.inject({
    method: method as 'GET',
    url: path,
    headers: { ...authorization(request), ...headers },
    ...(body !== undefined && { payload: body }),
  });
  const sent = `${method} ${path} ${JSON.stringify(headers)} ${body}`;
  if (reply.statusCode === 200 && reply.body.startsWith('{"data"')) carriedOut += 1;
  if (reply.statusCode === 500) return `status 500: ${sent}`;
  if (reply.body.includes(FAULT)) return `a fault: ${sent} ${reply.body}`;
  if (reply.body.includes(MARK) || JSON.stringify(reply.headers).includes(MARK)) {
    return `the mark in the reply: ${JSON.stringify(reply.headers)} ${reply.body}`;
  }
  if (reply.statusCode < 400 || method === 'HEAD') return undefined;
  if (!String(reply.headers['content-type']).includes('json')) {
    return `status ${reply.statusCode} without JSON: ${sent} ${reply.body}`;
  }
  // Readiness has its own format. On a machine that is busy for seconds, the database may count as away for a
  // moment.
  if (path === '/health/ready' && reply.statusCode === 503) {
    return 'parts' in reply.json() ? undefined : reply.body;
  }
  type Refusal = { err?: number; errors?: { extensions?: { code?: unknown; requestId?: unknown } }[] };
  const { err, errors } = reply.json<Refusal>();
  // The error format of the Blockpass app.
  if (path.startsWith('/blockpass/') && err === reply.statusCode) return undefined;
  return errors?.every(({ extensions }) => extensions?.code && extensions.requestId) ? undefined : reply.body;
}

/**
 * Connects, sends the generated messages, and then asks a question whose answer shows that the socket still
 * works.
 */
async function problemOnSocket(request: FuzzedRequest, said: readonly string[]): Promise<string | undefined> {
  const address = `${gateway.url.replace('http', 'ws')}/graphql`;
  const socket = new WebSocket(address, 'graphql-transport-ws', { headers: authorization(request) });
  await once(socket, 'open');
  const heard: string[] = [];
  const { promise: over, resolve: end } = Promise.withResolvers<number>();
  socket.on('close', end);
  socket.on('message', (data) => {
    heard.push(String(data));
    if (String(data).includes('"last"')) end(0);
  });
  const last = { id: 'last', type: 'subscribe', payload: { query: 'subscription { nothing }' } };
  socket.send('{"type":"connection_init"}');
  await Promise.race([once(socket, 'message'), over]);
  for (const message of [...said, JSON.stringify(last)]) socket.send(message);
  const code = await over;
  socket.terminate();
  const answer = heard.join('\n');
  const isFault = code === CloseCode.InternalServerError || answer.includes(FAULT);
  if (isFault) return `a fault on the socket, closed with ${code}: ${said.join(' ')} ${answer}`;
  return answer.includes(MARK) ? `the mark on the socket: ${answer}` : undefined;
}

function authorization({ sender }: FuzzedRequest): Record<string, string> {
  const bearer = bearers[sender];
  return bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
}

/** Every registered route, of every module. */
function routesOf(app: TestGateway['gateway']['app']): string[] {
  const above: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent, part] = /^([│ ]*)[├└]── (\/\S+) \(/.exec(line) ?? [];
      if (indent === undefined || part === undefined) return [];
      above.length = indent.length / 4;
      above.push(part);
      return [above.join('')];
    });
}

const logLines = () => gateway.logLines as string[];

describe('any input to every operation and route', () => {
  it(`gets a well-formed answer, and leaks no secret (${INPUTS} inputs, seed ${SEED})`, async () => {
    const schema = await buildSchema({ resolvers: RESOLVERS });
    const routes = routesOf(gateway.gateway.app);
    expect(routes).toEqual(
      expect.arrayContaining(['/graphql', '/dev/mailbox/:id/html', '/kyc/files/:recordId/:kind/:slug']),
    );
    let rounds = 0;
    let inputs = 0;
    let hashes = 0;
    /** Spread over the whole run. */
    const mayHash = () => hashes < (MAX_HASHES * (inputs + AT_ONCE)) / INPUTS && ++hashes;
    const round = fc.array(fuzzedRequests(schema, routes, live), { minLength: AT_ONCE, maxLength: AT_ONCE });
    await fc.assert(
      fc.asyncProperty(round, async (requests) => {
        if (inputs >= INPUTS) return;
        if (rounds % ROUNDS_OF_SENDERS === 0) await newSenders();
        rounds += 1;
        const sent = requests.filter((request) => !request.hashes || mayHash());
        inputs += sent.length;
        const problems = (await Promise.all(sent.map(problemInTime))).filter(
          (problem) => problem !== undefined,
        );
        const marked = logLines().filter(
          (line) => line.includes(MARK) || line.includes(live.tokens[0] ?? MARK),
        );
        const faults = logLines().filter((line) => line.includes('"level":"error"'));
        logLines().length = 0;
        expect({ problems, marked, faults }).toEqual({ problems: [], marked: [], faults: [] });
      }),
      // Half as many again, for inputs that may not hash any more.
      { numRuns: Math.ceil((1.5 * INPUTS) / AT_ONCE), seed: SEED, endOnFailure: false },
    );
    expect(inputs).toBeGreaterThanOrEqual(INPUTS);
    expect(carriedOut / inputs).toBeGreaterThan(0.05);
  });
});
