import cluster from 'node:cluster';
import type { Config } from '../../config/index.ts';
import { type Foundation, layFoundation, shareFoundation } from '../../foundation.ts';
import { LOG_PATIENCE } from '../../platform/log-sink.ts';
import type { SummedMetrics } from '../../platform/telemetry/index.ts';
import { startTelemetry } from '../../platform/telemetry/start.ts';
import { banner, prepare } from '../gateway-process.ts';
import type { StartOptions } from '../start.ts';
import { startUp } from '../start-up.ts';
import { CommandError } from '../streams.ts';
import { version } from '../version.ts';
import { workerStates } from './metrics.ts';
import { WorkerFailed, WorkerProcess } from './worker-process.ts';
import { Workers } from './workers.ts';

/**
 * Runs the gateway in several workers that share the port. This process serves no request. It owns what must exist once:
 * the embedded PostgreSQL and the claim on the data folder, the migrations, the port, the metrics, and the restarts.
 *
 * It accepts the connections and hands them to the workers in turn (`SCHED_RR` of node:cluster). So no connection is
 * lost when a worker ends: with a listener for each worker (SO_REUSEPORT), the kernel resets those that wait at it.
 */
export async function startPrimary({ config, output, errors, signals }: StartOptions): Promise<void> {
  const { stopped } = signals;
  const { sink, log, console, lost, lose, interrupted } = startUp({
    config,
    output,
    errors,
    stopped,
    isShared: true,
  });

  let sum: SummedMetrics | undefined;
  let foundation: Foundation | undefined;
  const workers = new Workers({
    count: config.http.workers,
    fork: (number) => fork(config, foundation as Foundation, number),
    log,
    onEnd: (worker) => void sum?.end(worker, worker.last),
  });
  workerStates.readBy(() =>
    Object.entries(workers.health().workers).map(([state, value]) => ({ value, labels: { state } })),
  );
  const endTelemetry = await startTelemetry({
    ...config.telemetry,
    // The primary serves no request, so it needs no traces.
    otlpEndpoint: undefined,
    host: config.http.host,
    metrics: [workerStates],
    version: version(),
    role: {
      kind: 'primary',
      sources: () => workers.processes,
      sum: (made) => {
        sum = made;
      },
      health: () => workers.health(),
    },
  });
  // After a second signal this process ends at once, and so do its workers.
  process.once('exit', () => {
    for (const worker of workers.processes) worker.kill();
  });
  foundation = await layFoundation(config, lose);
  try {
    await Promise.race([interrupted, undefined]);
    cluster.schedulingPolicy = cluster.SCHED_RR;
    // Without "--", Node itself would read --env-file.
    cluster.setupPrimary({ execArgv: [...process.execArgv.filter((option) => option !== '--'), '--'] });
    const starting = prepare(config, foundation, log).then(() => workers.start());
    starting.catch(() => {});
    await Promise.race([starting, interrupted, lost]).catch((error: unknown) => {
      throw error instanceof WorkerFailed ? new CommandError(error.message) : error;
    });
    console.write(banner(config, foundation));
    signals.onHangUp(() => workers.roll());
    await Promise.race([stopped, lost]);
    log.info('stopping');
    await Promise.race([workers.stop(), lost]);
  } finally {
    await workers.close();
    await endTelemetry();
    await foundation.close();
    await sink.drained(LOG_PATIENCE);
  }
}

/**
 * Starts a worker. It reads its settings itself, from the same environment and files. For the settings that the
 * primary has used already, it gets the values of the primary, even when a file was changed since.
 */
function fork(config: Config, foundation: Foundation, number: number): WorkerProcess {
  const { host, port, workers: count } = config.http;
  const seat = { number, count };
  return new WorkerProcess(seat, {
    settings: { HOST: host, PORT: String(port), WORKERS: String(count), DATA_DIR: config.dataDir },
    begin: { type: 'begin', seat, foundation: shareFoundation(config, foundation) },
  });
}
