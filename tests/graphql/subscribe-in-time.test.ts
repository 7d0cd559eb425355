/** @timing: lets deadlines of 400 ms pass */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { type ExecutionResult, GraphQLInt, GraphQLObjectType, GraphQLSchema, parse } from 'graphql';
import { subscribeInTime } from '../../src/graphql/index.ts';
import { SCHEMA } from '../../src/modules.ts';
import { createOrm, isDatabaseAway, sql, statement } from '../../src/platform/database/index.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { elapse, eventually } from '../support/race.ts';

/** Milliseconds. */
const DEADLINE = 400;

let database: TestDatabase;
let orm: MikroORM;
beforeAll(async () => {
  database = await createTestDatabase();
  orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 2 });
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

const sleep = (seconds: number) => statement(orm.em.fork(), sql`select pg_sleep(${seconds})`);
const sleeping = () => database.running('%pg_sleep%');

/**
 * A subscription that takes `before` seconds to find its source. Each event takes as long as its value says.
 */
function subscription(before: number, events: AsyncIterable<number>) {
  const query = new GraphQLObjectType({ name: 'Query', fields: { none: { type: GraphQLInt } } });
  const root = new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      slept: {
        type: GraphQLInt,
        subscribe: async () => {
          await sleep(before);
          return events;
        },
        resolve: async (seconds: number) => {
          await sleep(seconds);
          return 1;
        },
      },
    },
  });
  const schema = new GraphQLSchema({ query, subscription: root });
  return subscribeInTime(DEADLINE)({ schema, document: parse('subscription { slept }') });
}

const each = async (seconds: number, events: AsyncIterable<number>): Promise<ExecutionResult[]> => {
  const answer = await subscription(seconds, events);
  if (!(Symbol.asyncIterator in answer)) return [answer];
  const results: ExecutionResult[] = [];
  for await (const result of answer) results.push(result);
  return results;
};

describe('the deadline of a subscription', () => {
  it('ends the search for its source, in PostgreSQL too', async () => {
    const before = performance.now();
    const [answer] = await each(5, eventsOf([]));
    expect(isDatabaseAway(answer?.errors?.[0]?.originalError)).toBe(true);
    expect(performance.now() - before).toBeLessThan(3_000);
    await eventually(sleeping, (count) => count === 0, { withinMilliseconds: 1_000 });
  });

  it('counts for each event from its arrival, so a late event ends no other', async () => {
    const results = await each(0, eventsOf([0, 5, 0], 2 * DEADLINE));
    expect(results.map(({ data }) => data?.slept)).toEqual([1, null, 1]);
    expect(isDatabaseAway(results[1]?.errors?.[0]?.originalError)).toBe(true);
    await eventually(sleeping, (count) => count === 0, { withinMilliseconds: 1_000 });
  });

  it('does not stop the source from being closed while it waits', async () => {
    let ended = false;
    const silent: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => {
          ended = true;
          return { value: undefined, done: true };
        },
      }),
    };
    const answer = (await subscription(0, silent)) as AsyncGenerator;
    void answer.next();
    await answer.return(undefined);
    expect(ended).toBe(true);
  });
});

async function* eventsOf(seconds: readonly number[], apart = 0): AsyncIterable<number> {
  for (const event of seconds) {
    await elapse(apart, 'the deadline counts from the time of each event');
    yield event;
  }
}
