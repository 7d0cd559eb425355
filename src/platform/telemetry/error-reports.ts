/** The facts of an unexpected error that leave the process. No other facts do. */
export interface ErrorReport {
  readonly error: unknown;
  /** The failure, in the fixed words of the log line. */
  readonly message: string;
  readonly requestId?: string | undefined;
  /** Root field of the schema, or a route. */
  readonly operation?: string | undefined;
  readonly traceId?: string | undefined;
}

/** The receiver of unexpected errors, besides the log. */
export interface ErrorReports {
  /** Returns at once. When the receiver is slow, full or down, the report is dropped, so that no request waits. */
  report(report: ErrorReport): void;
  /** Sends the waiting reports, within two seconds. */
  close(): Promise<void>;
}

let active: ErrorReports = { report() {}, close: async () => {} };

/** The receiver of this process, held in a variable of the module for the same reason as in tracing.ts. */
export const errorReports = (): ErrorReports => active;

export function startErrorReports(implementation: ErrorReports): void {
  active = implementation;
}
