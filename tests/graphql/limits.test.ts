import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');
const doubling = (levels: number, leaf: string) =>
  `{ ...F0 } ${times(levels, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F${levels} on Query { ${leaf} }`;

describe('a document within the limits', () => {
  it.each([
    [
      'what tools ask of the schema',
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
  it.each([
    ['21 root fields', `{ ${times(21, (i) => `f${i}: __typename`)} }`],
    ['6 mutations', `mutation { ${times(6, (i) => `m${i}: logout`)} }`],
    [
      '6 mutations by fragments',
      `mutation { ...A ...A } fragment A on Mutation { ${times(3, (i) => `m${i}: logout`)} }`,
    ],
    [
      '6 mutations in the second of two operations',
      `query A { __typename } mutation B { ${times(6, (i) => `m${i}: logout`)} }`,
    ],
    ['31 aliases', `{ errorCodes { ${times(31, (i) => `f${i}: code`)} } }`],
    ['1,500 aliases', `{ errorCodes { ${times(600, (i) => `f${i}: code`)} } }`],
    ['aliases multiplied by fragments', doubling(8, 'x: __typename')],
    ['20 doubling fragments', doubling(20, '__typename')],
    ['20 doubling fragments with a directive', doubling(20, '__typename @skip(if: false)')],
    ['31 directives', `{ __typename ${times(31, () => '@include(if: true)')} }`],
    ['an unknown directive 600 times', `{ __typename ${times(600, () => '@x')} }`],
    ['16 levels', `{ ${times(16, () => 'a {')} a ${times(16, () => '}')} }`],
    [
      '300 levels of inline fragments',
      `{ ${times(300, () => '... on Query {')} __typename ${times(300, () => '}')} }`,
    ],
    ['one name 51 times', `{ errorCodes { ${times(51, () => 'code')} } }`],
    ['301 fields', `{ errorCodes { ${times(7, (i) => times(43, (j) => `field${i}x${j}`))} } }`],
    ['circular fragments', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }'],
    [
      'nested introspection',
      `{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }`,
    ],
    ['more tokens than 2,000', `{ ${times(1_100, () => '__typename a: __typename')} }`],
    ['two sessions', 'mutation { a: refresh { tokenType } b: refresh { tokenType } }'],
  ])('is refused before anything of it is executed: %s', async (_, query) => {
    const reply = await gateway.client.raw(query);
    expect(reply.status).toBe(400);
    expect(reply.data).toBeNull();
    expect(['GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED']).toContain(reply.code);
    expect(reply.text.length).toBeLessThan(5_000);
    expect(reply.errors[0]?.extensions?.requestId).toBe(reply.headers.get('x-request-id'));
  });

  it('is refused with five problems at most', async () => {
    const { errors } = await gateway.client.raw(`{ ${times(20, (i) => `nothing${i}`)} }`);
    expect(errors.length).toBeLessThanOrEqual(6);
  });

  it('counts lists in the variables', async () => {
    const query = 'query ($name: String!) { publicProfile(username: $name) { username } }';
    const reply = await gateway.client.raw(query, { name: 'x', deep: { list: Array(501).fill(1) } });
    expect(reply.status).toBe(400);
    expect((await gateway.client.raw(query, { name: 'x', list: Array(500).fill(1) })).errors).toEqual([]);
  });

  it('is refused as a batch', async () => {
    const batch = Array(10).fill({ query: '{ __typename }' });
    expect((await gateway.client.post(batch)).status).toBe(400);
  });

  it('leaves a line in the log', async () => {
    await gateway.client.raw(`{ ${times(21, (i) => `f${i}: __typename`)} }`);
    expect(gateway.logLines.some((line) => line.includes('GRAPHQL_VALIDATION_FAILED'))).toBe(true);
  });
});
