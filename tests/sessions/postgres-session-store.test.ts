import { PostgresSessionStore } from '../../src/sessions/index.ts';
import { probePostgres } from '../support/session-probe.ts';
import { sessionStoreContract } from './session-store.contract.ts';

sessionStoreContract({
  name: 'PostgreSQL',
  mostLost: 0,
  open: async (endings, options, database) => ({
    store: new PostgresSessionStore(endings, options),
    probe: probePostgres(database),
    close: async () => {},
  }),
});
