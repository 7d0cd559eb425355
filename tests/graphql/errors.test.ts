import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorCode } from '../../src/platform/errors.ts';
import { TestGateway } from '../support/gateway.ts';
import { ErrorCodesDocument } from '../support/generated/operations.ts';

const SECRET = 'hunter2-marked-secret';
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
afterEach(() => {
  for (const line of gateway.logLines) expect(line).not.toContain(SECRET);
});

describe('the list of error codes', () => {
  it('is complete, and part of the API', async () => {
    const { data } = await gateway.client.execute(ErrorCodesDocument, {});
    expect(data?.errorCodes.map(({ code }) => code).sort()).toEqual(Object.values(ErrorCode).sort());
    for (const { description } of data?.errorCodes ?? []) expect(description).toMatch(/\.$/);
  });
});

const register = 'mutation ($input: RegisterInput!) { register(input: $input) { id } }';

describe('a literal in a document', () => {
  it.each([
    ['out of place', `mutation { login(input: {identifier: "a", password: "b"}) "${SECRET}" }`],
    ['as a block string out of place', `mutation { login """${SECRET}""" }`],
    ['given to an unknown argument', `mutation { logout(token: "${SECRET}") }`],
    ['unterminated', `mutation { login(input: {identifier: "${SECRET}`],
  ])('%s is not repeated in the reply', async (_, document) => {
    const reply = await gateway.client.raw(document);
    expect(reply.status).toBe(400);
    expect(String(reply.code)).toMatch(/^GRAPHQL_(PARSE|VALIDATION)_FAILED$/);
    expect(reply.text).not.toContain(SECRET);
    expect(reply.text).not.toContain(SECRET.replaceAll('-', '_'));
  });

  it('that is a number is not repeated in an error', async () => {
    const reply = await gateway.client.raw(
      'mutation { login(input: {identifier: 4815162342, password: 4815162342}) { __typename } }',
    );
    expect(reply.text).not.toContain('4815162342');
  });

  it('leaves the rest of the message readable', async () => {
    const reply = await gateway.client.raw('{ mee { id } }');
    expect(reply.errors[0]?.message).toContain('Cannot query field "mee" on type "Query"');
  });
});

describe('an unexpected error', () => {
  it('is masked in the reply, and logged under the request id of the reply', async () => {
    await gateway.database.query('alter table users rename to users_away');
    const reply = await gateway.client.raw('{ publicProfile(username: "anybody") { username } }');
    await gateway.database.query('alter table users_away rename to users');
    expect(reply.errors).toEqual([
      {
        message: 'Internal server error.',
        locations: expect.anything(),
        path: ['publicProfile'],
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: reply.headers.get('x-request-id') },
      },
    ]);
    const line = gateway.logLines.find(
      (text) =>
        text.includes(`"requestId":"${reply.headers.get('x-request-id')}"`) &&
        text.includes('an operation failed'),
    );
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      level: 'error',
      field: 'publicProfile',
      err: { code: '42P01' },
    });
  });

  it('of a constraint is logged without the row and the statement', async () => {
    await gateway.database.query(`alter table users add constraint spoiled check (username <> '${SECRET}')`);
    const reply = await gateway.client.raw(register, {
      input: { username: SECRET, email: 'spoiled@example.test', password: 'velvet anchor rising' },
    });
    await gateway.database.query('alter table users drop constraint spoiled');
    expect(reply.code).toBe('INTERNAL_SERVER_ERROR');
    expect(gateway.logLines.join('')).not.toContain('spoiled@example.test');
  });
});

describe('a field below a mutation that cannot be read', () => {
  it('does not claim that nothing was changed', async () => {
    const owner = await gateway.database.connect();
    await owner.query('begin');
    await owner.query('lock table role_grant in access exclusive mode');
    const input = {
      username: 'subject-unread',
      email: 'unread@example.test',
      password: 'velvet anchor of the sea',
    };
    const document = 'mutation ($input: RegisterInput!) { register(input: $input) { id roles { name } } }';
    const reply = await gateway.client.raw(document, { input });
    await owner.query('rollback');
    await owner.end();
    expect(reply.errors[0]).toMatchObject({ path: ['register', 'roles'] });
    expect(reply.code).toBe('SERVICE_UNAVAILABLE');
    expect(reply.text).toContain('the changes of the operation are in effect');
    const made = await gateway.database.query(`select from users where username = 'subject-unread'`);
    expect(made).toHaveLength(1);
  });
});

describe('the HTTP status', () => {
  it('is 200 when a root field was executed, even if another one failed', async () => {
    expect((await gateway.client.raw('{ me { id } errorCodes { code } }')).status).toBe(200);
  });
});

describe('a request that is not GraphQL', () => {
  const post = (body: string, contentType = 'application/json') =>
    fetch(`${gateway.url}/graphql`, { method: 'POST', body, headers: { 'content-type': contentType } });

  it.each<[string, () => Promise<Response>, number]>([
    ['malformed JSON', () => post('{"query": "{ me', 'application/json'), 400],
    ['an empty body', () => post(''), 400],
    ['a JSON number', () => post('42'), 400],
    ['an unknown type', () => post('<x/>', 'application/xml'), 415],
    ['an unknown route', () => fetch(`${gateway.url}/nowhere`), 404],
    ['a path with escapes', () => fetch(`${gateway.url}/%c0%ae/..%2f`), 400],
    [
      'a header that is too long',
      () => fetch(`${gateway.url}/`, { headers: { 'x-long': 'x'.repeat(20_000) } }),
      431,
    ],
    ['an unused method', () => fetch(`${gateway.url}/graphql`, { method: 'DELETE' }), 405],
  ])('%s is answered in JSON with a code and a request id', async (_, send, status) => {
    const response = await send();
    const text = await response.text();
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      expect.stringContaining('json'),
    ]);
    expect(JSON.parse(text).errors[0].extensions).toMatchObject({ code: expect.any(String) });
    expect(text).not.toMatch(/node_modules|\.ts|\.js|at \w+ \(/);
    expect(response.headers.get('x-request-id')).toBeTruthy();
  });
});
