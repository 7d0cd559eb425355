import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { TestGateway } from '../support/gateway.ts';
import { deep, HOSTILE_DOCUMENTS, multiplied, times, wide } from '../support/hostile-documents.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

describe('a document within the limits', () => {
  it.each([
    [
      'the introspection query of tools',
      getIntrospectionQuery({
        descriptions: true,
        oneOf: true,
        inputValueDeprecation: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
      }),
    ],
    ['twenty root fields of a query', `{ ${times(20, (i) => `f${i}: __typename`)} }`],
    ['thirty aliases', `{ errorCodes { ${times(30, (i) => `f${i}: code`)} } }`],
    ['thirty directives', `{ errorCodes { ${times(30, () => 'code @include(if: true)')} } }`],
    ['fifteen levels', deep(15)],
    ['three hundred fields', wide(300)],
    ['fifty fields of one name', `{ errorCodes { ${times(50, () => 'code')} } }`],
    ['768 fields by 4 fragments', multiplied(4, 4, 'code description retryable')],
    [
      'fifty fragments in one selection',
      `{ errorCodes { ${times(50, (i) => `...F${i}`)} } } ${times(50, (i) => `fragment F${i} on ErrorCodeInfo { ${['code', 'description', 'retryable'][i % 3]} }`)}`,
    ],
    [
      'a fragment used by another',
      '{ errorCodes { ...A } } fragment A on ErrorCodeInfo { ...B } fragment B on ErrorCodeInfo { code }',
    ],
  ])('is executed: %s', async (_, query) => {
    const reply = await gateway.client.raw(query);
    expect(reply.errors).toEqual([]);
    expect(reply.status).toBe(200);
  });
});

describe('a document beyond the limits', () => {
  it.each(HOSTILE_DOCUMENTS)(
    'is refused before any part of it is executed: %s',
    async (_, query, message) => {
      const reply = await gateway.client.raw(query);
      expect(reply.status).toBe(400);
      expect(reply.data).toBeNull();
      expect(['GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED']).toContain(reply.code);
      expect(reply.errors[0]?.message).toContain(message);
      expect(reply.text.length).toBeLessThan(5_000);
      expect(reply.errors[0]?.extensions?.requestId).toBe(reply.headers.get('x-request-id'));
    },
  );

  it('is refused before the validation rules run, which compare fields in pairs: 450 of one name took a third of a second', async () => {
    const { errors } = await gateway.client.raw(`{ ${times(51, () => 'unheardOf { of }')} }`);
    expect(errors.map(({ message }) => message)).toEqual([
      'The document has more than 50 fields of one name.',
    ]);
  });

  it('may have values of at most ten levels', async () => {
    const nested = async (levels: number) => {
      const list = '['.repeat(levels) + ']'.repeat(levels);
      const { errors } = await gateway.client.raw(`{ publicProfile(username: ${list}) { username } }`);
      return errors.map(({ message }) => message);
    };
    expect(await nested(11)).toEqual(['A value is nested deeper than 10 levels.']);
    expect(await nested(10)).toEqual(['Invalid input.']);
  });

  it('may have names of at most 200 characters', async () => {
    const long = await gateway.client.raw(`{ ${'x'.repeat(201)}: __typename }`);
    expect(long.errors.map(({ message }) => message)).toEqual([
      'The name of a field has more than 200 characters.',
    ]);
    expect((await gateway.client.raw(`{ ${'x'.repeat(200)}: __typename }`)).errors).toEqual([]);
  });

  it('is refused with at most five problems', async () => {
    const { errors } = await gateway.client.raw(`{ ${times(20, (i) => `nothing${i}`)} }`);
    expect(errors.length).toBeLessThanOrEqual(6);
  });

  it('has too many list entries in its variables', async () => {
    const query = 'query ($name: String!) { publicProfile(username: $name) { username } }';
    const reply = await gateway.client.raw(query, { name: 'x', deep: { list: Array(501).fill(1) } });
    expect(reply.status).toBe(400);
    expect((await gateway.client.raw(query, { name: 'x', list: Array(500).fill(1) })).errors).toEqual([]);
  });

  it('cannot avoid the cost limit by null for an argument that must not be null', async () => {
    const query = 'query ($name: String = "x") { publicProfile(username: $name) { username } }';
    expect((await gateway.client.raw(query, {})).errors).toEqual([]);
    const reply = await gateway.client.raw(query, { name: null });
    expect([reply.status, reply.data]).toEqual([400, null]);
    expect(reply.text).toContain('An argument of the document must not be null');
  });

  it.each([
    [
      'the length of a page',
      `query ($n: Int) { users(first: $n) { nodes { ${times(5, (i) => `f${i}: roles { name permissions }`)} } } }`,
      { n: 1 },
      { n: 100 },
    ],
    [
      'a directive',
      `query ($n: Boolean!) { users @skip(if: $n) { nodes { ${times(23, (i) => `f${i}: roles { name permissions }`)} } } }`,
      { n: true },
      { n: false },
    ],
    [
      'variables of a wrong type',
      `query ($n: String!) { publicProfile(username: $n) { username } users { nodes { ${times(23, (i) => `f${i}: roles { name permissions }`)} } } }`,
      { n: 1 },
      { n: 'ada' },
    ],
  ])('is measured with its variables for each request: %s', async (_, query, cheap, dear) => {
    const outcome = async (variables: Record<string, unknown>) => {
      const { errors } = await gateway.client.raw(query, variables);
      return errors.map(({ message }) => message);
    };
    const refusal = ['The document asks for too much at once: ask for smaller pages.'];
    expect(await outcome(cheap)).not.toEqual(refusal);
    expect(await outcome(dear)).toEqual(refusal);
    expect(await outcome(cheap)).not.toEqual(refusal);
  });

  it('is measured by the length of its pages, alike in the document and in a variable', async () => {
    const page = (first: string) =>
      `users(first: ${first}) { edges { cursor node { id username email emailConfirmed displayName createdAt isActive hasPassword googleLinked pendingEmail } } pageInfo { hasNextPage endCursor } }`;
    const ask = async (first: number) => {
      const replies = [
        await gateway.client.raw(`{ ${page(String(first))} }`),
        await gateway.client.raw(`query ($first: Int) { ${page('$first')} }`, { first }),
      ];
      return replies.map(({ status, code, errors }) => [status, code, errors[0]?.message]);
    };
    const allowed = [200, 'UNAUTHENTICATED', 'Sign in first.'];
    expect(await ask(100)).toEqual([allowed, allowed]);
    const costly = 'The document asks for too much at once: ask for smaller pages.';
    const refused = [400, 'GRAPHQL_VALIDATION_FAILED', costly];
    expect(await ask(1_000_000_000)).toEqual([refused, refused]);
  });

  it('is refused in a batch', async () => {
    const batch = Array(10).fill({ query: '{ __typename }' });
    expect((await gateway.client.post(batch)).status).toBe(400);
  });

  it('must be sent in full, never as a hash', async () => {
    const sha256Hash = createHash('sha256').update('{ __typename }').digest('hex');
    const reply = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: '{ __typename }',
        extensions: { persistedQuery: { version: 1, sha256Hash } },
      }),
    });
    expect(await reply.text()).toContain('PERSISTED_QUERY_NOT_SUPPORTED');
  });

  it('is logged', async () => {
    const before = gateway.logLines.length;
    await gateway.client.raw(`{ ${times(21, (i) => `f${i}: __typename`)} }`);
    expect(gateway.logLines.slice(before).some((line) => line.includes('GRAPHQL_VALIDATION_FAILED'))).toBe(
      true,
    );
  });
});
