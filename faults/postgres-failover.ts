import type { Fault } from './support/fault.ts';
import { STORES } from './support/installed.ts';
import type { FaultPostgres } from './support/postgres.ts';
import { underTraffic } from './support/traffic.ts';
import { VirtualAddress } from './support/virtual-address.ts';

let address: VirtualAddress;
let standby: FaultPostgres;

/**
 * The standby takes over. The address of the database moves with it, unless the connection string names both servers.
 */
function failover(
  name: string,
  what: string,
  end: (primary: FaultPostgres) => Promise<void>,
  { namesBoth = false } = {},
): Fault {
  return underTraffic({
    name: `postgres-failover-${name}`,
    what: `PostgreSQL fails over to a synchronous standby (${what})`,
    stores: STORES,
    bounds: { healsWithin: 5 },
    world: {
      async settings({ postgres, closing }, index) {
        if (index === 0) {
          standby = await postgres.follower({ synchronous: true });
          address = await VirtualAddress.of(postgres.port);
          closing.push(
            () => standby.remove(),
            () => address.close(),
          );
        }
        const ports = namesBoth ? `${postgres.port},127.0.0.1:${standby.port}` : address.port;
        const at = (login: 'gatehouse_app' | 'gatehouse_owner') =>
          postgres.url(login).replace(`:${postgres.port}/`, `:${ports}/`);
        return { DATABASE_URL: at('gatehouse_app'), DATABASE_MIGRATION_URL: at('gatehouse_owner') };
      },
    },
    async inject(world) {
      const primary = world.postgres;
      await end(primary);
      await standby.superuser('select pg_promote()');
      address.moveTo(standby.port);
      world.postgres = standby;
      world.tally.partIsBack();
    },
  });
}

export const postgresFailover: readonly Fault[] = [
  failover('planned', 'planned', (primary) => primary.stop()),
  failover('kill', 'killed', (primary) => primary.kill()),
  failover('hosts', 'killed, both named in DATABASE_URL', (primary) => primary.kill(), { namesBoth: true }),
];
