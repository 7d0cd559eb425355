import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { AuditOutcome } from './audit-event.entity.ts';
import { type AuditReceiver, type StreamedEvent, toJsonLine } from './audit-receiver.ts';

/** Milliseconds for a whole batch: connect, send, and confirm that it was read. */
const DEADLINE = 10_000;
/** Milliseconds, besides two round trips, for a receiver to refuse the connection. */
const REFUSAL_MARGIN = 20;
/** RFC 5424 section 6.2.1: facility 13 is "log audit". */
const FACILITY = 13;
/** RFC 5424 section 6.2.1, severities: notice and warning. */
const SEVERITY: Readonly<Record<AuditOutcome, number>> = {
  [AuditOutcome.SUCCESS]: 5,
  [AuditOutcome.FAILURE]: 4,
  [AuditOutcome.DENIED]: 4,
};

export interface SyslogAddress {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte (RFC 5425). */
  readonly tls: boolean;
}

/**
 * Sends RFC 5424 messages with octet counting (RFC 6587 section 3.4.1), over TCP or TLS.
 *
 * Syslog has no receipts, and a write succeeds when the kernel has the data. So each batch has its own connection. The
 * gateway ends its side, and the receiver ends the other one after it has read everything (RFC 5425 section 4.4
 * requires that). A receiver that dies with unread bytes resets the connection instead. A receiver that refuses the
 * connection closes first. In both cases the batch is sent again.
 */
export class SyslogReceiver implements AuditReceiver {
  private readonly header = `${nilIfEmpty(printable(hostname(), 255))} gatehouse ${process.pid}`;

  constructor(
    private readonly address: SyslogAddress,
    private readonly deadline = DEADLINE,
  ) {}

  send(events: readonly StreamedEvent[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const startedAt = performance.now();
    const socket = this.open();
    let ended = false;
    let read = false;
    const timer = setTimeout(
      () =>
        socket.destroy(
          new Error(`the receiver did not read everything and close within ${this.deadline} ms`),
        ),
      this.deadline,
    );
    socket.on('error', reject);
    socket.on('end', () => {
      read = ended;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      if (read) resolve();
      else reject(new Error('the receiver closed the connection before it had read everything'));
    });
    socket.resume();
    socket.once(this.address.tls ? 'secureConnect' : 'connect', () => {
      // A receiver that refuses the connection closes it before it has read. That close arrives within a round trip.
      const roundTrips = 2 * (performance.now() - startedAt) + REFUSAL_MARGIN;
      socket.write(events.map((event) => this.frame(event)).join(''), () => {
        setTimeout(() => {
          ended = !socket.readableEnded;
          socket.end();
        }, roundTrips);
      });
    });
    return promise;
  }

  private open(): Socket {
    const { host, port, tls } = this.address;
    return tls ? connectTls({ host, port, servername: serverName(host) }) : connect({ host, port });
  }

  /** Frames a message. MSG is ASCII, so characters are octets. */
  private frame(event: StreamedEvent): string {
    const priority = FACILITY * 8 + SEVERITY[event.outcome];
    const action = nilIfEmpty(printable(event.action, 32));
    const message = `<${priority}>1 ${event.at} ${this.header} ${action} - ${toJsonLine(event)}`;
    return `${message.length} ${message}`;
  }
}

/** PRINTUSASCII of RFC 5424 section 6: no space, and no character that could end the field. */
const printable = (text: string, length: number): string =>
  text.replace(/[^\x21-\x7e]/g, '').slice(0, length);
const nilIfEmpty = (text: string): string => text || '-';

/** RFC 6066 section 3: an IP address is not a server name. */
const serverName = (host: string): string => (/^[\d.]+$|:/.test(host) ? '' : host);
