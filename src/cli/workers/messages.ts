import type { SharedFoundation } from '../../foundation.ts';
import type { Snapshot } from '../../platform/telemetry/index.ts';
import type { WorkerSeat } from '../../platform/worker-seat.ts';

/** From the primary to a worker. */
export type ToWorker =
  /** The answer to `hello`. */
  | { readonly type: 'begin'; readonly seat: WorkerSeat; readonly foundation: SharedFoundation }
  /** The replacement is ready: finish the requests in flight, and end. */
  | { readonly type: 'retire' }
  /** The gateway stops: report not ready, wait for SHUTDOWN_DELAY_SECONDS, then answer `drained`. */
  | { readonly type: 'drain' }
  /** Finish the requests in flight, and end. */
  | { readonly type: 'close' }
  | { readonly type: 'measure'; readonly request: number };

/** From a worker to the primary. */
export type ToPrimary =
  | { readonly type: 'hello' }
  /** The worker listens. */
  | { readonly type: 'ready' }
  /** The worker cannot start, or a fault ends it. The reason is for the operator. */
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'drained' }
  | { readonly type: 'measured'; readonly request: number; readonly snapshot: Snapshot }
  /** The metrics of the worker, right before it ends. */
  | { readonly type: 'last'; readonly snapshot: Snapshot };
