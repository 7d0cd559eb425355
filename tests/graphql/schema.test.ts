import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import {
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { buildSchema } from '../../src/graphql/index.ts';
import { RESOLVERS } from '../../src/modules.ts';

const schema: GraphQLSchema = await buildSchema({ resolvers: RESOLVERS });

describe('the schema', () => {
  it('equals the committed file; otherwise run npm run schema', async () => {
    const committed = await readFile('schema/schema.graphql', 'utf8');
    expect(`${printSchema(lexicographicSortSchema(schema))}\n`).toBe(committed);
  });

  it('describes every operation and every type', () => {
    const undescribed = [
      ...Object.values(schema.getQueryType()?.getFields() ?? {}),
      ...Object.values(schema.getMutationType()?.getFields() ?? {}),
      ...Object.values(schema.getSubscriptionType()?.getFields() ?? {}),
      ...Object.values(schema.getTypeMap()).filter(
        (type) =>
          (isObjectType(type) || isInputObjectType(type) || isEnumType(type)) &&
          !type.name.startsWith('__') &&
          !['Query', 'Mutation', 'Subscription'].includes(type.name),
      ),
    ].filter(({ description }) => !description);
    expect(undescribed.map(({ name }) => name)).toEqual([]);
  });

  it('has no field that could show a secret', () => {
    const fields = Object.values(schema.getTypeMap())
      .filter(isObjectType)
      .flatMap((type) => Object.keys(type.getFields()));
    for (const field of fields) expect(field).not.toMatch(/hash|pepper|epoch|generation|privateKey/i);
  });
});
