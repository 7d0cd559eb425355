/** @topology one: thousands of inputs, injected into one process */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema } from '../../src/graphql/index.ts';
import { RESOLVERS } from '../../src/resolvers.ts';
import { TestGateway } from '../support/gateway.ts';
import { RecoverAccountDocument } from '../support/generated/operations.ts';
import { aSuperuser } from '../support/staff.ts';
import { type FuzzedRequest, fuzzedRequests, type LiveValues, MARK } from './inputs.ts';

/**
 * FUZZ_INPUTS=1000000 for the long run, more than an hour; FUZZ_SEED repeats one. A failure prints the seed and the path to
 * the smallest input that fails.
 */
const INPUTS = Number(process.env.FUZZ_INPUTS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);
/** Sent at once, so that inputs meet each other. */
const AT_ONCE = 20;
/** Senders lose their sessions to their own inputs; after so many rounds there are new ones. */
const ROUNDS_OF_SENDERS = 50;
const MAX_HASHES = 20_000;

jest.setTimeout(120_000 + INPUTS * 20);

let gateway: TestGateway;
const live: LiveValues = { ids: [], names: [], addresses: [], tokens: [] };
/** Inputs that were carried out without an error: refusals alone would show little. */
let carriedOut = 0;
let bearers: Readonly<Record<FuzzedRequest['sender'], string | undefined>>;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

async function newSenders(): Promise<void> {
  const person = await gateway.aSubject({ password: `${MARK} of a person` });
  const tokens = await person.signedIn();
  const superuser = await aSuperuser(gateway);
  await gateway.client.execute(RecoverAccountDocument, { email: person.email });
  const [role] = await gateway.database.query<{ id: string; name: string }>(
    'select id, name from role order by random() limit 1',
  );
  live.ids = [person.id, superuser.id, tokens.sessionId, superuser.tokens.sessionId, role?.id ?? ''];
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

/** What is wrong with the answer, if anything. */
async function problemOf({
  method,
  path,
  headers,
  body,
  sender,
}: FuzzedRequest): Promise<string | undefined> {
  const bearer = bearers[sender];
  const reply = await gateway.gateway.app.inject({
    method: method as 'GET',
    url: path,
    headers: { ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }), ...headers },
    ...(body !== undefined && { payload: body }),
  });
  if (reply.statusCode === 200 && reply.body.startsWith('{"data"')) carriedOut += 1;
  if (reply.statusCode === 500) return `status 500: ${method} ${path} ${JSON.stringify(headers)} ${body}`;
  if (reply.body.includes('INTERNAL_SERVER_ERROR') && !reply.body.includes('"errorCodes"')) return reply.body;
  if (reply.body.includes(MARK)) return `the mark in the reply: ${reply.body}`;
  const isJson = String(reply.headers['content-type']).includes('json');
  if (reply.statusCode >= 400 && method !== 'HEAD') {
    if (!isJson)
      return `status ${reply.statusCode} without JSON: ${method} ${path} ${JSON.stringify(headers)} ${reply.body}`;
    const { errors } = reply.json<{ errors?: { extensions?: { code?: unknown; requestId?: unknown } }[] }>();
    if (!errors?.every(({ extensions }) => extensions?.code && extensions.requestId)) return reply.body;
  }
  return undefined;
}

const logLines = () => gateway.logLines as string[];

describe('whatever is sent to every operation and route', () => {
  it(`has an answer of ours, and leaves no secret behind (${INPUTS} inputs, seed ${SEED})`, async () => {
    const schema = await buildSchema({ resolvers: RESOLVERS });
    let rounds = 0;
    let hashes = 0;
    const round = fc.array(fuzzedRequests(schema, live), { minLength: AT_ONCE, maxLength: AT_ONCE });
    await fc.assert(
      fc.asyncProperty(round, async (requests) => {
        if (rounds % ROUNDS_OF_SENDERS === 0) await newSenders();
        rounds += 1;
        const sent = requests.filter((request) => !request.hashes || hashes++ < MAX_HASHES);
        const problems = (await Promise.all(sent.map(problemOf))).filter((problem) => problem !== undefined);
        const marked = logLines().filter(
          (line) => line.includes(MARK) || line.includes(live.tokens[0] ?? MARK),
        );
        const faults = logLines().filter((line) => line.includes('"level":"error"'));
        logLines().length = 0;
        expect({ problems, marked, faults }).toEqual({ problems: [], marked: [], faults: [] });
      }),
      { numRuns: Math.ceil(INPUTS / AT_ONCE), seed: SEED, endOnFailure: false },
    );
    expect(carriedOut / INPUTS).toBeGreaterThan(0.05);
  });
});
