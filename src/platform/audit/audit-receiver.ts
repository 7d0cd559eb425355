import type { AuditOutcome } from './audit-event.entity.ts';

/** An audit event in the form in which it leaves the host: the facts of its row, and no more. */
export interface StreamedEvent {
  readonly id: string;
  /** RFC 3339, in UTC, with microseconds. */
  readonly at: string;
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly actorId: string | null;
  readonly subjectId: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly details: Record<string, unknown> | null;
}

/** The destination of audit events. */
export interface AuditReceiver {
  /**
   * Sends events. Resolves once the receiver has them, as far as its protocol can tell. The same events are sent again
   * after a rejection. Ends within seconds, even when the receiver hangs.
   */
  send(events: readonly StreamedEvent[]): Promise<void>;
}

/**
 * Writes an event as one line of ASCII, so that receivers need not know the encoding, and a value cannot begin another
 * line or record.
 */
export const toJsonLine = (event: StreamedEvent): string =>
  JSON.stringify(event).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
