import { type Gateway, METRICS } from '../../composition/index.ts';
import type { Config } from '../../config/index.ts';
import { joinFoundation } from '../../foundation.ts';
import { Hints } from '../../platform/hints.ts';
import { LOG_PATIENCE, standardError } from '../../platform/log-sink.ts';
import { createLogger } from '../../platform/logger.ts';
import { startTelemetry } from '../../platform/telemetry/start.ts';
import { WholeLines } from '../../platform/whole-lines.ts';
import { closeRaised, raise } from '../gateway-process.ts';
import { CommandError, STOPPED } from '../streams.ts';
import { version } from '../version.ts';
import { PrimaryLink, tellPrimary } from './primary-link.ts';

export interface WorkerOptions {
  readonly config: Config;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
}

/**
 * Runs the gateway in one of several processes, until the primary ends it, or is gone. A worker is an ordinary gateway. It
 * gets its connections from the primary, which has migrated the database and owns the data folder.
 */
export async function startWorker({ config, output, errors }: WorkerOptions): Promise<void> {
  const link = new PrimaryLink();
  const { seat, foundation } = await link.begin();
  const sink = standardError({ isShared: true });
  const log = createLogger(config.logLevel, sink, seat.number);
  const console = config.auditStream === 'stdout' ? errors : output;
  const endTelemetry = await startTelemetry({
    ...config.telemetry,
    host: config.http.host,
    metrics: METRICS,
    version: version(),
    role: { kind: 'worker', offer: (measure) => link.measureBy(measure) },
  });
  const interrupted = Promise.race([link.retired, link.drained, link.closed]).then((): never => {
    throw new CommandError(STOPPED);
  });
  interrupted.catch(() => {});
  let raising: Promise<Gateway> | undefined;
  try {
    raising = raise(config, joinFoundation(config, foundation), log, {
      output: new WholeLines(output),
      hints: new Hints(log, config.production ? undefined : console),
      worker: seat,
    });
    await Promise.race([raising, interrupted]);
    await tellPrimary({ type: 'ready' });
    await ended(await raising, link);
  } finally {
    if (raising) await closeRaised(raising);
    await link.sayLast();
    await endTelemetry();
    await sink.drained(LOG_PATIENCE);
  }
}

/** Serves until the worker should close. */
async function ended(gateway: Gateway, link: PrimaryLink): Promise<void> {
  await Promise.race([link.retired, link.drained, link.closed]);
  const retirement = link.retired.then(() => gateway.retire());
  const drain = link.drained.then(async () => {
    await gateway.drain();
    await tellPrimary({ type: 'drained' });
    await link.closed;
  });
  await Promise.race([retirement, drain, link.closed]);
}
