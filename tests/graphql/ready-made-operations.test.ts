import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildSchema, Kind, parse, validate } from 'graphql';
import { TestGateway } from '../support/gateway.ts';

const FOLDER = 'schema/operations';
const schema = buildSchema(readFileSync('schema/schema.graphql', 'utf8'));

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

describe.each(readdirSync(FOLDER))('the file %s of schema/operations', (file) => {
  const query = readFileSync(`${FOLDER}/${file}`, 'utf8');
  const operations = parse(query).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);

  it('is valid without the other files', () => {
    expect(validate(schema, parse(query))).toEqual([]);
    expect(operations).not.toHaveLength(0);
  });

  it('can be sent as it is, for each of its operations', async () => {
    for (const operation of operations) {
      if (operation.kind !== Kind.OPERATION_DEFINITION || operation.operation === 'subscription') continue;
      const operationName = operation.name?.value;
      const { code } = await gateway.client.post({ query, operationName });
      // Without a session and variables most operations are refused. None may be refused because of its
      // document.
      expect([operationName, code]).not.toEqual([
        operationName,
        expect.stringMatching(/^GRAPHQL_|^OPERATION_/),
      ]);
    }
  });
});
