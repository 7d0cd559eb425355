import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';

const SECRET = 'hunter2-marked-secret';
const TEXT = 'This must be a text.';
const REQUIRED = 'This is required.';
const UNKNOWN = 'There is no such field.';
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
afterEach(() => {
  for (const line of gateway.logLines) expect(line).not.toContain(SECRET);
});

type Fields = readonly (readonly [field: string, message: unknown])[];

/**
 * Sends a document that must be refused as a whole, by one error. @returns the fields that the error names,
 * with their messages.
 */
async function refusedFields(document: string, variables: unknown = {}, status = 400): Promise<Fields> {
  const reply = await gateway.client.raw(document, variables);
  expect([reply.status, reply.code, reply.errors.length]).toEqual([status, 'BAD_USER_INPUT', 1]);
  expect(reply.text).not.toContain(SECRET);
  const fields = reply.errors[0]?.extensions?.fields as { field: string; message: string }[] | undefined;
  return (fields ?? []).map(({ field, message }) => [field, message]);
}

const register = 'mutation ($i: RegisterInput!) { register(input: $i) { id } }';
const person = { username: 'abcd', email: 'a@b.example', password: SECRET };

describe('a variable with a bad value', () => {
  it.each<[string, unknown, Fields]>([
    ['a text that is an object', { ...person, username: { secret: SECRET } }, [['input.username', TEXT]]],
    ['a text that is a list', { ...person, password: [SECRET] }, [['input.password', TEXT]]],
    ['an address that is a number', { ...person, email: 42 }, [['input.email', TEXT]]],
    [
      'two missing fields',
      { username: 'abcd' },
      [
        ['input.email', REQUIRED],
        ['input.password', REQUIRED],
      ],
    ],
    [
      'a null, a missing and an unknown field',
      { username: null, email: 'a@b.example', admin: SECRET },
      [
        ['input.username', REQUIRED],
        ['input.password', REQUIRED],
        ['input.admin', UNKNOWN],
      ],
    ],
    [
      'a field whose name is not a name',
      { ...person, [`${SECRET} "`]: 1 },
      [['input', 'This has a field that does not exist.']],
    ],
    ['null', null, [['input', REQUIRED]]],
    ['nothing', undefined, [['input', REQUIRED]]],
    ['a number', 42, [['input', 'This must be an object.']]],
    [
      'a path hidden in a value',
      { ...person, password: { x: `${SECRET} at "i.${SECRET}"; ` } },
      [['input.password', TEXT]],
    ],
  ])('is named by its path from the argument: %s', async (_, i, fields) => {
    expect(await refusedFields(register, { i })).toEqual(fields);
  });

  it('is named by the field of the input object in which the variable stands', async () => {
    const document = `mutation ($name: String!, $mail: EmailAddress!) {
      register(input: { username: $name, email: $mail, password: "${SECRET}" }) { id }
    }`;
    expect(await refusedFields(document, { mail: 7 })).toEqual([
      ['input.username', REQUIRED],
      ['input.email', TEXT],
    ]);
  });

  it('is named by each argument that uses the variable, also inside a fragment', async () => {
    const document = `mutation ($x: String!) { ...rest login(input: { identifier: $x, password: $x }) { __typename } }
      fragment rest on Mutation { logout resetPassword(token: $x, newPassword: "${SECRET}") }`;
    expect(await refusedFields(document, { x: [SECRET] })).toEqual(
      expect.arrayContaining([
        ['input.identifier', TEXT],
        ['input.password', TEXT],
        ['token', TEXT],
      ]),
    );
  });

  it('is not named when it belongs to another operation of the document', async () => {
    const document = `query one($x: String!) { publicProfile(username: $x) { username } }
      mutation two($x: String!) { resetPassword(token: $x, newPassword: "${SECRET}") }`;
    const reply = await gateway.client.post({ query: document, operationName: 'one', variables: { x: 1 } });
    expect(reply.errors[0]?.extensions?.fields).toEqual([{ field: 'username', message: TEXT }]);
  });

  it('is named together with the bad values of other variables', async () => {
    const document = `mutation ($token: String!, $password: String!) { resetPassword(token: $token, newPassword: $password) }`;
    expect(await refusedFields(document, { token: [SECRET] })).toEqual([
      ['token', TEXT],
      ['newPassword', REQUIRED],
    ]);
  });

  it('is answered with an example when a time is expected', async () => {
    const document = 'query ($f: AuditEventFilter) { auditEvents(filter: $f) { nodes { id } } }';
    const found = await refusedFields(document, { f: { since: SECRET, outcome: SECRET } });
    expect(found).toContainEqual(['filter.since', 'This must be a time, such as 2026-01-31T12:00:00Z.']);
  });
});

describe('a bad literal in a document', () => {
  it.each<[string, string, Fields]>([
    [
      'of the wrong type',
      `mutation { login(input: {identifier: ["${SECRET}"], password: {a: "${SECRET}"}}) { __typename } }`,
      [
        ['input.identifier', TEXT],
        ['input.password', TEXT],
      ],
    ],
    [
      'where an object belongs',
      `mutation { login(input: "${SECRET}") { __typename } }`,
      [['input', 'This must be an object.']],
    ],
    [
      'that is an enum',
      `mutation { login(input: {identifier: "a", password: ${SECRET.replaceAll('-', '_')}}) { __typename } }`,
      [['input.password', TEXT]],
    ],
    [
      'of an unknown field',
      `mutation { login(input: {identifier: "a", password: "b", pin: "${SECRET}"}) { __typename } }`,
      [['input.pin', UNKNOWN]],
    ],
    [
      'that lacks two fields',
      'mutation { register(input: {username: "abcd"}) { id } }',
      [
        ['input.email', REQUIRED],
        ['input.password', REQUIRED],
      ],
    ],
    ['that is missing', 'mutation { register { id } }', [['input', REQUIRED]]],
    ['that is null', 'mutation { register(input: null) { id } }', [['input', REQUIRED]]],
    [
      'that is the default of a variable',
      `mutation ($x: String = 12) { login(input: {identifier: $x, password: "${SECRET}"}) { __typename } }`,
      [['input.identifier', TEXT]],
    ],
  ])('is reported like one in a variable: %s', async (_, document, fields) => {
    expect(await refusedFields(document)).toEqual(fields);
  });

  it('is reported after the other errors of the document, which stay the same', async () => {
    const reply = await gateway.client.raw('mutation { login(input: 42) { nowhere } }');
    expect(reply.errors.map(({ extensions }) => extensions?.code)).toEqual([
      'GRAPHQL_VALIDATION_FAILED',
      'BAD_USER_INPUT',
    ]);
  });
});

describe('an e-mail address', () => {
  const fields = [
    ['input.username', expect.any(String)],
    ['input.email', 'This is not an e-mail address.'],
    ['input.password', expect.any(String)],
  ] as const;

  it('that is malformed is reported together with the other fields', async () => {
    const i = { username: 'x', email: SECRET, password: 'short' };
    expect(await refusedFields(register, { i }, 200)).toEqual(fields);
    const document = `mutation { register(input: {username: "x", email: "${SECRET}", password: "short"}) { id } }`;
    expect(await refusedFields(document, {}, 200)).toEqual(fields);
  });

  it('is trimmed at registration and at login', async () => {
    const password = 'velvet anchor of the sea';
    const i = { username: 'blanks', email: ' blanks@example.test\t', password };
    const document = 'mutation ($i: RegisterInput!) { register(input: $i) { email } }';
    const { data } = await gateway.client.raw(document, { i });
    expect(data).toEqual({ register: { email: 'blanks@example.test' } });
    const login = 'mutation ($i: LoginInput!) { login(input: $i) { __typename } }';
    const reply = await gateway.client.raw(login, { i: { identifier: ' blanks@example.test ', password } });
    expect(reply.errors).toEqual([]);
  });
});

describe('a hostile document', () => {
  it('with a variable in hundreds of places gets an error that names at most 20 fields', async () => {
    const list = Array.from({ length: 600 }, () => '$x').join(' ');
    const document = `mutation ($x: String!) { createRole(input: { name: "a", permissions: [${list}] }) { id } }`;
    const found = await refusedFields(document, { x: [SECRET] });
    expect(found).toHaveLength(20);
    expect(found.at(-1)).toEqual(['input.permissions[19]', TEXT]);
  });

  it('with many unknown fields gets an error that names at most 20 fields, and blocks no other request', async () => {
    const i = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`f${n}`, SECRET]));
    const begun = process.cpuUsage();
    expect(await refusedFields(register, { i })).toHaveLength(20);
    const { user, system } = process.cpuUsage(begun);
    // Microseconds. graphql-js prints the whole object for each unknown field, which took seconds.
    expect(user + system).toBeLessThan(500_000);
  });
});
