import pg from 'pg';
import type { Fault } from './support/fault.ts';
import { STORES } from './support/installed.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';
import type { World } from './support/world.ts';

/** Seconds. */
const FROZEN_FOR = 20;
const AWAY_FOR = 8;
/** More than the connections of the server. */
const CROWD = 200;

function fault(name: string, what: string, away: (world: World) => Promise<void>, inShort = false): Fault {
  return underTraffic({
    name: `postgres-${name}`,
    what: `PostgreSQL ${what}`,
    stores: STORES,
    bounds: { healsWithin: 5 },
    inShort,
    async inject(world) {
      await away(world);
      world.tally.partIsBack();
    },
  });
}

async function restarted({ postgres }: World): Promise<void> {
  await postgres.stop();
  await postgres.start();
}

async function killed({ postgres }: World): Promise<void> {
  await postgres.kill();
  await pause(2_000);
  await postgres.start();
}

async function frozen({ postgres }: World): Promise<void> {
  await postgres.freeze();
  await pause(FROZEN_FOR * 1000);
  await postgres.thaw();
}

/** Other programs take every connection, repeatedly as the gateways lose theirs. */
async function crowded({ postgres, tally }: World): Promise<void> {
  const crowd: pg.Client[] = [];
  const until = performance.now() + AWAY_FOR * 1000;
  while (performance.now() < until) {
    // Refused connections briefly occupy even the places of the superuser.
    await postgres
      .superuser(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where usename = 'gatehouse_app' and application_name <> 'crowd'`,
      )
      .catch(() => {});
    for (let refused = 0; refused < 5 && crowd.length < CROWD; ) {
      const connectionString = postgres.url('gatehouse_app');
      const client = new pg.Client({
        connectionString,
        application_name: 'crowd',
        connectionTimeoutMillis: 2_000,
      });
      client.on('error', () => {});
      const isIn = await client.connect().then(
        () => true,
        () => false,
      );
      if (isIn) crowd.push(client);
      else refused += 1;
    }
    await pause(500);
  }
  tally.notes.push(`${crowd.length} connections were taken`);
  await Promise.all(crowd.map((client) => client.end().catch(() => {})));
}

async function readOnly({ postgres }: World): Promise<void> {
  const set = async (value: 'on' | 'off') => {
    await postgres.superuser(`alter system set default_transaction_read_only = ${value}`);
    await postgres.superuser('select pg_reload_conf()');
  };
  await set('on');
  await pause(AWAY_FOR * 1000);
  // The superuser's own transaction is read-only by now, but ALTER SYSTEM still works.
  await set('off');
}

export const postgresAway: readonly Fault[] = [
  fault('restarted', 'restarted', restarted, true),
  fault('killed', 'killed', killed),
  fault('frozen', `frozen ${FROZEN_FOR} s`, frozen),
  fault('crowded', `out of connections for ${AWAY_FOR} s`, crowded),
  fault('read-only', `read-only for ${AWAY_FOR} s`, readOnly),
];
