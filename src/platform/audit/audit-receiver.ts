import type { AuditOutcome } from './audit-event.entity.ts';

/** An audit event as it leaves the host: what the row has, and nothing beside. */
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

/** Where audit events are shipped to. */
export interface AuditReceiver {
  /**
   * Resolves once the receiver has the events, as far as its protocol can tell. The same events come again after a
   * rejection. Ends within seconds, also when the receiver hangs.
   */
  send(events: readonly StreamedEvent[]): Promise<void>;
}

/** One line of ASCII: no receiver has to know the encoding, and no value can begin another line or record. */
export const toJsonLine = (event: StreamedEvent): string =>
  JSON.stringify(event).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
