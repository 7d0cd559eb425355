import type { Logger } from './logger.ts';

/** Subjects of one kind that get a hint. Requests of clients must not fill the log or the memory. */
const MAX_SUBJECTS = 32;

/** A mistake of the operator that the gateway noticed. */
export interface Hint {
  /** Sentences for a terminal. So text of a client may be part of them only after its form was checked. */
  readonly message: string;
  /** A line for `.env` that corrects the mistake. */
  readonly set?: string;
}

/**
 * Reports mistakes that otherwise stay silent, or show only in the browser of a user. Each hint is a warning in the
 * log, and plain lines on the console of a developer.
 */
export class Hints {
  private readonly subjects = new Map<string, Set<string>>();

  /** @param console undefined: only the log */
  constructor(
    private readonly log: Pick<Logger, 'warn'>,
    private readonly console: Pick<NodeJS.WritableStream, 'write'> | undefined,
  ) {}

  give({ message, set }: Hint): void {
    this.log.warn({ set }, message);
    this.console?.write(`\n  Hint        ${message}\n${set === undefined ? '' : `              ${set}\n`}`);
  }

  /** Gives a hint of one kind once for each subject, such as an origin, and for at most 32 subjects. */
  once(kind: string, subject: string, hint: () => Hint): void {
    const known = this.subjects.get(kind) ?? new Set();
    if (known.has(subject) || known.size >= MAX_SUBJECTS) return;
    this.subjects.set(kind, known.add(subject));
    this.give(hint());
  }
}
