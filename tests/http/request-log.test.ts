/** @topology one: reads the log of one process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { eventually } from '../support/race.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ TRUSTED_PROXIES: '127.0.0.0/8' });
});
afterAll(() => gateway.close());

let requests = 0;
/** The log lines of one request. */
async function linesOf(send: (headers: Record<string, string>) => Promise<unknown>) {
  requests += 1;
  const requestId = `logged-${requests}`;
  await send({ 'x-request-id': requestId, 'x-forwarded-for': '203.0.113.9' });
  return eventually(
    async () =>
      gateway.logLines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter((line) => line.requestId === requestId),
    (lines) => lines.some(({ msg }) => msg === 'request'),
  );
}
const query = (document: string, bearer?: string) => (headers: Record<string, string>) =>
  gateway.client.raw(document, {}, { headers, bearer });

describe('the log line of a request', () => {
  it('has client IP, user id and the requested fields, by their names in the schema', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const document =
      'query NameOfTheClient { alias: me { id } ...More } fragment More on Query { sessions { id } me { username } }';
    const [line, ...others] = await linesOf(query(document, accessToken));
    expect(others).toEqual([]);
    expect(line).toMatchObject({
      msg: 'request',
      method: 'POST',
      route: '/graphql',
      status: 200,
      ip: '203.0.113.9',
      userId: alice.id,
      operation: 'me,sessions',
    });
    expect(JSON.stringify(line)).not.toMatch(/NameOfTheClient|alias|More/);
  });

  it('has no user id without a verified caller, and no operation without a parsed document', async () => {
    const [anonymous] = await linesOf(query('{ errorCodes { code } }', 'not a token'));
    expect(anonymous).toMatchObject({ ip: '203.0.113.9', operation: 'errorCodes' });
    expect(anonymous).not.toHaveProperty('userId');
    const [malformed] = await linesOf(query('{ no such field'));
    expect(malformed).toMatchObject({ ip: '203.0.113.9' });
    const health = (await linesOf((headers) => fetch(`${gateway.url}/health/live`, { headers }))).at(-1);
    expect(health).toMatchObject({ route: '/health/live', ip: '203.0.113.9' });
    for (const line of [malformed, health]) expect(line).not.toHaveProperty('operation');
  });

  it('is accompanied by a line with the same fields for each refusal', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const lines = await linesOf(query('{ roles { name } }', accessToken));
    expect(lines).toContainEqual(
      expect.objectContaining({
        msg: 'an operation was refused',
        code: 'FORBIDDEN',
        field: 'roles',
        ip: '203.0.113.9',
        userId: alice.id,
      }),
    );
  });
});
