import { TestCluster, TestRedis, TestSentinel } from '../tests/support/redis.ts';
import type { Bounds, Fault } from './support/fault.ts';
import { missing } from './support/installed.ts';
import { pause } from './support/random.ts';
import { type Course, underTraffic } from './support/traffic.ts';
import type { World } from './support/world.ts';

/** Seconds. */
const FROZEN_FOR = 20;
const AWAY_FOR = 8;
const COPY_IS_OLD = 40;
/** Seconds within which readiness must report the fault. */
const NOTICED_WITHIN = 5;

type Facts = Pick<Course, 'inShort' | 'world' | 'think'> & Bounds;

function fault(
  name: string,
  what: string,
  away: (world: World) => Promise<void>,
  { maySessionsBeLost = false, ...facts }: Facts = {},
): Fault {
  return underTraffic({
    name: `redis-${name}`,
    what: `Redis ${what}`,
    stores: ['redis'],
    bounds: { healsWithin: 10, maySessionsBeLost },
    missing: () => missing('redis-server'),
    ...facts,
    async inject(world) {
      await away(world);
      world.tally.partIsBack();
    },
  });
}

const serverOf = ({ redis }: World): TestRedis => {
  if (!redis) throw new Error('the world has no Redis of one server');
  return redis;
};

/** Waits while a part is away, which readiness must report. */
async function whileAway({ gateways, tally }: World): Promise<void> {
  await pause(NOTICED_WITHIN * 1000);
  const ready = await Promise.all(gateways.map((gateway) => gateway.isReady()));
  if (ready.includes(true)) tally.isWrong('readiness is green while no refresh works');
  await pause((AWAY_FOR - NOTICED_WITHIN) * 1000);
}

async function frozen(world: World): Promise<void> {
  serverOf(world).freeze();
  await pause(FROZEN_FOR * 1000);
  serverOf(world).thaw();
}

async function full(world: World): Promise<void> {
  const redis = serverOf(world);
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');
  await whileAway(world);
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
}

async function replicaOnly(world: World): Promise<void> {
  const redis = serverOf(world);
  await redis.command('REPLICAOF', '127.0.0.1', '1');
  await whileAway(world);
  await redis.command('REPLICAOF', 'NO', 'ONE');
}

async function oldCopy(world: World): Promise<void> {
  const redis = serverOf(world);
  await redis.command('SAVE');
  await pause(COPY_IS_OLD * 1000);
  await redis.restart();
}

let sentinel: TestSentinel | undefined;
let cluster: TestCluster | undefined;

export const redisAway: readonly Fault[] = [
  fault('killed', 'killed, with its memory', (world) => serverOf(world).restart(), {
    maySessionsBeLost: true,
    inShort: true,
  }),
  fault('restarted', 'killed, with an append-only file', (world) => serverOf(world).restart(), {
    world: { redisArguments: ['--appendonly', 'yes'] },
  }),
  fault('flushed', 'flushed', async (world) => void (await serverOf(world).command('FLUSHALL')), {
    maySessionsBeLost: true,
  }),
  fault('frozen', `frozen ${FROZEN_FOR} s`, frozen),
  fault('full', `full (noeviction) for ${AWAY_FOR} s`, full),
  fault('replica', `only a replica for ${AWAY_FOR} s`, replicaOnly),
  // A client refreshes no more often than a session may be ahead of its store.
  fault('old-copy', `goes back to a copy ${COPY_IS_OLD} s old`, oldCopy, {
    maySessionsBeLost: true,
    think: 4_000,
  }),
  fault('sentinel', 'primary killed, Sentinel', async () => sentinel?.primary.kill(), {
    maySessionsBeLost: true,
    world: {
      async redis() {
        sentinel = await TestSentinel.start();
        return sentinel;
      },
    },
  }),
  fault('cluster', 'node of a cluster killed, with its memory', async () => cluster?.nodes[0]?.restart(), {
    maySessionsBeLost: true,
    world: {
      async redis() {
        cluster = await TestCluster.start();
        return cluster;
      },
    },
  }),
];
