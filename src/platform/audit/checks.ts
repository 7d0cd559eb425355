import { type Check, fail, ok } from '../doctor/check.ts';
import { networkReason } from '../doctor/reach.ts';
import type { ConfigOf } from '../setting-declaration.ts';
import type { AUDIT_SETTINGS } from './settings.ts';
import { SyslogReceiver } from './syslog-receiver.ts';

/** Milliseconds for the receiver to accept a connection and close it. */
const PATIENCE = 4_000;

const stream: Check<ConfigOf<typeof AUDIT_SETTINGS>> = {
  name: 'audit.stream',
  async run({ config: { auditStream } }) {
    if (typeof auditStream === 'string') return null;
    try {
      await new SyslogReceiver(auditStream, PATIENCE).send([]);
      return ok('The receiver of the audit stream accepts connections.');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return fail(
        `AUDIT_STREAM: the receiver cannot be used: ${code === undefined ? message : networkReason(error)}.`,
        'Start it, and see that host, port and TLS in AUDIT_STREAM are right. Events wait in the database meanwhile.',
      );
    }
  },
};

export const AUDIT_CHECKS = [stream] as const;
