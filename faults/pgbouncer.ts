import { hasPgBouncer, TestPgBouncer } from '../tests/support/pgbouncer.ts';
import type { Fault } from './support/fault.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Seconds. PgBouncer retries a server that refused it after `server_login_retry`, 15 by default. */
const HEALS_WITHIN = 20;

let bouncer: TestPgBouncer;

const behind = (mode: 'session' | 'transaction'): Fault =>
  underTraffic({
    name: `pgbouncer-${mode}`,
    what: `PostgreSQL killed behind PgBouncer (${mode} mode)`,
    stores: ['postgres'],
    bounds: { healsWithin: HEALS_WITHIN },
    missing: () => (hasPgBouncer ? undefined : 'pgbouncer'),
    world: {
      async settings({ postgres, closing }, index) {
        const urls = [postgres.url('gatehouse_app'), postgres.url('gatehouse_owner')] as const;
        if (index === 0) {
          bouncer = await TestPgBouncer.start(mode, urls);
          closing.push(() => bouncer.close());
        }
        return { DATABASE_URL: bouncer.urlOf(urls[0]), DATABASE_MIGRATION_URL: bouncer.urlOf(urls[1]) };
      },
    },
    async inject({ postgres, tally }) {
      await postgres.kill();
      await pause(2_000);
      await postgres.start();
      tally.partIsBack();
    },
  });

export const pgbouncer: readonly Fault[] = [behind('session'), behind('transaction')];
