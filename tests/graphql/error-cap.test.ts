import { ApolloServer } from '@apollo/server';
import { describe, expect, it } from '@jest/globals';
import { buildSchema } from 'graphql';
import { replyPlugin } from '../../src/graphql/index.ts';
import type { RequestContext } from '../../src/platform/request/index.ts';

const schema = buildSchema('type Query { items: [Item] } type Item { fails: Int }');
const items = schema.getType('Query');
if (items && 'getFields' in items) {
  Object.assign(items.getFields().items ?? {}, { resolve: () => Array.from({ length: 50 }, () => ({})) });
}
const item = schema.getType('Item');
if (item && 'getFields' in item) {
  Object.assign(item.getFields().fails ?? {}, {
    resolve: () => {
      throw new Error('of each item');
    },
  });
}

describe('a reply', () => {
  it('has at most twenty errors, however many objects failed', async () => {
    const apollo = new ApolloServer<RequestContext>({
      schema,
      plugins: [replyPlugin({ fault: () => {}, refusal: () => {} })],
    });
    const contextValue = { source: { requestId: 'the-request' }, facts: {} } as unknown as RequestContext;
    const { body } = await apollo.executeOperation({ query: '{ items { fails } }' }, { contextValue });
    const errors = body.kind === 'single' ? (body.singleResult.errors ?? []) : [];
    expect(errors).toHaveLength(20);
    await apollo.stop();
  });
});
