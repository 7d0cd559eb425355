import type { Logger } from './logger.ts';

/** Different subjects of one kind that are named; what clients send must not fill the log or the memory. */
const MAX_SUBJECTS = 32;

/** A mistake of the operator that the gateway noticed. */
export interface Hint {
  /** Sentences. Nothing that a client sent, unless its form was checked: it goes to a terminal. */
  readonly message: string;
  /** A line for `.env` that mends it. */
  readonly set?: string;
}

/**
 * Points out mistakes that otherwise pass in silence, or show only in the browser of a user: a warning in the log, and
 * plain lines on the console of a developer.
 */
export class Hints {
  private readonly subjects = new Map<string, Set<string>>();

  /** @param console undefined: the log alone */
  constructor(
    private readonly log: Pick<Logger, 'warn'>,
    private readonly console: Pick<NodeJS.WritableStream, 'write'> | undefined,
  ) {}

  give({ message, set }: Hint): void {
    this.log.warn({ set }, message);
    this.console?.write(`\n  Hint        ${message}\n${set === undefined ? '' : `              ${set}\n`}`);
  }

  /** Gives a hint of one kind once for each subject, such as an origin, and for 32 subjects at most. */
  once(kind: string, subject: string, hint: () => Hint): void {
    const known = this.subjects.get(kind) ?? new Set();
    if (known.has(subject) || known.size >= MAX_SUBJECTS) return;
    this.subjects.set(kind, known.add(subject));
    this.give(hint());
  }
}
