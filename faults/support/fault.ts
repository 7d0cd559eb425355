import type { StoreName } from '../../tests/support/session-stores.ts';
import type { Tally } from './tally.ts';

/** The size of a run. */
export interface Scale {
  readonly isShort: boolean;
  /** Clients, each with one session and one request at a time. */
  readonly people: number;
  /** Milliseconds between two requests of a client, on average. */
  readonly think: number;
}

export const SCALES: Record<'short' | 'long', Scale> = {
  short: { isShort: true, people: 10, think: 100 },
  long: { isShort: false, people: 40, think: 100 },
};

/** The bounds of a fault, besides 0 lost, 0 doubled and 0 false alarms. */
export interface Bounds {
  /** Seconds. */
  readonly healsWithin?: number;
  /** The fault loses sessions, as emptying Redis does. They are counted, but are not a breach. */
  readonly maySessionsBeLost?: boolean;
}

export interface Round {
  readonly store: StoreName;
  readonly scale: Scale;
  /** Numbers from 0 up to 1, the same in every run with the same seed. */
  readonly random: () => number;
}

/** One fault: a row of the table for each of its stores. */
export interface Fault {
  /** `npm run faults -- NAME` runs the faults whose names begin so. */
  readonly name: string;
  /** The fault in the words of the table. */
  readonly what: string;
  readonly stores: readonly StoreName[];
  readonly bounds: Bounds;
  /** Whether the short form runs it. */
  readonly inShort?: boolean;
  /** The program that it needs and this machine does not have. */
  readonly missing?: () => string | undefined;
  run(round: Round): Promise<Tally>;
}

/** @returns the breaches; none when all bounds hold. */
export function breaches({ bounds }: Fault, tally: Tally): string[] {
  const { healsWithin = Number.POSITIVE_INFINITY, maySessionsBeLost = false } = bounds;
  const found = [...tally.wrong].map(([what, times]) => `${what} (${times} times)`);
  if (tally.acknowledged === 0) found.push('nothing was acknowledged');
  if (tally.lost > 0) found.push(`${tally.lost} lost`);
  if (tally.sessionsLost > 0 && !maySessionsBeLost) found.push(`${tally.sessionsLost} sessions lost`);
  if (tally.doubled > 0) found.push(`${tally.doubled} doubled`);
  if (tally.falseAlarms > 0) found.push(`${tally.falseAlarms} false alarms`);
  if (tally.timeToHeal > healsWithin * 1000) found.push(`healed after more than ${healsWithin} s`);
  return found;
}
