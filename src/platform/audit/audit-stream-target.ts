import { accepting } from '../setting-parsers.ts';
import type { SyslogAddress } from './syslog-receiver.ts';

/** The destination that AUDIT_STREAM names. */
export type AuditStreamTarget = 'off' | 'stdout' | SyslogAddress;

/** RFC 5425 section 4.1. Plain TCP has no port of its own (RFC 6587 section 3.1). */
const TLS_PORT = 6514;

const ACCEPTS = '`off`, `stdout`, `syslog://host:port` or `syslog+tls://host:port`';

/** Parses AUDIT_STREAM. */
export const auditStreamTarget = accepting(ACCEPTS, (value): AuditStreamTarget => {
  if (value === 'off' || value === 'stdout') return value;
  const url = URL.parse(value);
  const tls = url?.protocol === 'syslog+tls:';
  if (!url || (!tls && url.protocol !== 'syslog:') || url.hostname === '') {
    throw new Error('must be off, stdout, syslog://host:port or syslog+tls://host:port');
  }
  if (url.username || url.password || url.search || url.hash || !['', '/'].includes(url.pathname)) {
    throw new Error('must be a host and a port only');
  }
  if (!tls && url.port === '') throw new Error('must name the port: syslog over TCP has no default');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? TLS_PORT : Number(url.port), tls };
});
