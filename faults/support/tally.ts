/** What became of the requests of one fault. */
export class Tally {
  requests = 0;
  acknowledged = 0;
  /** Answered with a code that tells the client the truth: try again, or use the newer token. */
  refused = 0;
  /** No answer within the client's patience, or no connection. */
  unanswered = 0;
  /** Acknowledged, and not so afterwards: a log-out, a password, an account. */
  lost = 0;
  /** Sessions that ended under an honest client. */
  sessionsLost = 0;
  /** Tokens with two living successors. */
  doubled = 0;
  /** Honest clients that the audit trail calls thieves. */
  falseAlarms = 0;
  /** Milliseconds from the first attempt of a client to the answer that settled it. */
  longestWait = 0;
  /** Milliseconds from when the part was back to the last request that was refused, unanswered or slow. */
  timeToHeal = 0;
  /** Answers that no client should get, and how often. */
  readonly wrong = new Map<string, number>();
  /** What else a reader wants to know, beside the table. */
  readonly notes: string[] = [];
  /** An older database was restored: passwords and accounts of after it are gone by the book. */
  forgetsPasswords = false;
  #backAt = Number.POSITIVE_INFINITY;

  /** The part that was away is back: from now on every trouble counts as healing. */
  partIsBack(): void {
    this.#backAt = performance.now();
    this.timeToHeal = 0;
  }

  /** A request that began then was refused, unanswered or slow. */
  trouble(startedAt: number): void {
    if (startedAt >= this.#backAt) this.timeToHeal = performance.now() - this.#backAt;
  }

  settled(firstAttemptAt: number): void {
    this.longestWait = Math.max(this.longestWait, performance.now() - firstAttemptAt);
  }

  isWrong(what: string): void {
    this.wrong.set(what, (this.wrong.get(what) ?? 0) + 1);
  }
}
