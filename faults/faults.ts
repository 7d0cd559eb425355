import { clocks } from './clocks.ts';
import { gatewayFrozen } from './gateway-frozen.ts';
import { gatewayKilled } from './gateway-killed.ts';
import { log } from './log.ts';
import { mail } from './mail.ts';
import { network } from './network.ts';
import { overloads } from './overload.ts';
import { pgbouncer } from './pgbouncer.ts';
import { postgresAway } from './postgres-away.ts';
import { postgresFailover } from './postgres-failover.ts';
import { postgresLogFull } from './postgres-log-full.ts';
import { redisAway } from './redis-away.ts';
import { restore } from './restore.ts';
import { rollingRestart } from './rolling-restart.ts';
import type { Fault } from './support/fault.ts';

/** In the order of the table. */
export const FAULTS: readonly Fault[] = [
  gatewayKilled,
  ...gatewayFrozen,
  ...rollingRestart,
  ...postgresAway,
  postgresLogFull,
  ...postgresFailover,
  ...pgbouncer,
  ...redisAway,
  ...network,
  ...clocks,
  ...log,
  ...mail,
  ...overloads,
  restore,
];
