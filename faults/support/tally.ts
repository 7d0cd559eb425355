/** The outcome of the requests of one fault. */
export class Tally {
  requests = 0;
  acknowledged = 0;
  /** Honest refusals: the code tells the client to retry, or to use the newer token. */
  refused = 0;
  /** No answer within the client's patience, or no connection. */
  unanswered = 0;
  /** Acknowledged facts that do not hold afterwards: a log-out, a password, an account. */
  lost = 0;
  /** Sessions that ended under an honest client. */
  sessionsLost = 0;
  /** Tokens with two living successors. */
  doubled = 0;
  /** Honest clients whom the audit trail reports as thieves. */
  falseAlarms = 0;
  /** Milliseconds from the first attempt of a client to the answer that settled it. */
  longestWait = 0;
  /** Milliseconds from the end of the outage to the last request that was refused, unanswered or slow. */
  timeToHeal = 0;
  /** Answers that no client should get, with their count. */
  readonly wrong = new Map<string, number>();
  /** Further facts for the reader, printed next to the table. */
  readonly notes: string[] = [];
  /** An older database was restored, so later passwords and accounts are gone, as documented. */
  forgetsPasswords = false;
  #backAt = Number.POSITIVE_INFINITY;

  /** Notes the end of the outage. From now on, every trouble counts as healing. */
  partIsBack(): void {
    this.#backAt = performance.now();
    this.timeToHeal = 0;
  }

  /** Notes that a request with this start was refused, unanswered or slow. */
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
