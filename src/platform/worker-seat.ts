/** The place of a process among those that share one port (`WORKERS`). */
export interface WorkerSeat {
  /** From 1 up to `count`. A replacement takes the number of the process that it replaces. */
  readonly number: number;
  readonly count: number;
}

/** The seat of a gateway with one process. */
export const ONLY_WORKER: WorkerSeat = { number: 1, count: 1 };

/**
 * Divides a whole number among the workers: all shares together are `total`. The first workers get one more when it does
 * not divide evenly. Each worker gets at least 1, so with more workers than `total` the sum is larger.
 */
export function shareOf(total: number, { number, count }: WorkerSeat): number {
  return Math.max(1, Math.floor(total / count) + (number <= total % count ? 1 : 0));
}
