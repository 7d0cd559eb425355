import cluster from 'node:cluster';
import { type Gateway, METRICS } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { layFoundation } from '../foundation.ts';
import { LOG_PATIENCE } from '../platform/log-sink.ts';
import { startTelemetry } from '../platform/telemetry/start.ts';
import { banner, closeRaised, prepare, raise } from './gateway-process.ts';
import type { Signals } from './signals.ts';
import { startUp } from './start-up.ts';
import { version } from './version.ts';
import { startPrimary } from './workers/primary.ts';
import { startWorker } from './workers/worker.ts';

export interface StartOptions {
  readonly config: Config;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
  readonly signals: Signals;
}

/**
 * Runs the gateway until it is asked to stop: in this process, or in the workers that it starts (`WORKERS`).
 * @throws when it cannot start, before it serves anything.
 */
export function start(options: StartOptions): Promise<void> {
  if (cluster.isWorker) return startWorker(options);
  return options.config.http.workers > 1 ? startPrimary(options) : startAlone(options);
}

/** Runs the gateway in this process. */
async function startAlone({ config, output, errors, signals: { stopped } }: StartOptions): Promise<void> {
  const { sink, log, console, hints, lost, lose, interrupted } = startUp({ config, output, errors, stopped });

  const endTelemetry = await startTelemetry({
    ...config.telemetry,
    host: config.http.host,
    metrics: METRICS,
    version: version(),
  });
  const foundation = await layFoundation(config, lose);
  let raising: Promise<Gateway> | undefined;
  try {
    // Ends here if the process was asked to stop while the foundation was laid.
    await Promise.race([interrupted, undefined]);
    raising = prepare(config, foundation, log).then(() => raise(config, foundation, log, { output, hints }));
    await Promise.race([raising, interrupted]);
    console.write(banner(config, foundation));
    await Promise.race([stopped, lost]);
    log.info('stopping');
    const gateway = await raising;
    await Promise.race([gateway.drain(), lost]);
  } finally {
    if (raising) await closeRaised(raising);
    await endTelemetry();
    await foundation.close();
    await sink.drained(LOG_PATIENCE);
  }
}
