import { withMigrations } from '../../src/composition/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { layFoundation } from '../../src/foundation.ts';
import { generatedSecrets } from '../../src/platform/generated-secrets.ts';
import { type Cluster, startCluster } from './cluster.ts';

/**
 * Starts a PostgreSQL for this test file alone, on which its databases are then made. For rules that a transaction in any other
 * database of the server affects.
 */
export const startOwnCluster = (): Promise<Cluster> =>
  startCluster({ loadConfig, layFoundation, withMigrations, generatedSecrets });
