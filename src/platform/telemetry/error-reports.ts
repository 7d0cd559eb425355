/** Everything of an unexpected error that leaves the process. What is not here stays. */
export interface ErrorReport {
  readonly error: unknown;
  /** What went wrong, in the fixed words of the log line. */
  readonly message: string;
  readonly requestId?: string | undefined;
  /** Root field of the schema, or a route. */
  readonly operation?: string | undefined;
  readonly traceId?: string | undefined;
}

/** Where unexpected errors go besides the log. */
export interface ErrorReports {
  /** Returns at once. A receiver that is slow, full or down costs nobody anything: the report is dropped. */
  report(report: ErrorReport): void;
  /** Sends what waits, within two seconds. */
  close(): Promise<void>;
}

let active: ErrorReports = { report() {}, close: async () => {} };

/** The reports of this process, as with tracing (tracing.ts). */
export const errorReports = (): ErrorReports => active;

export function startErrorReports(implementation: ErrorReports): void {
  active = implementation;
}
