import { AuditCounter } from '../platform/audit/index.ts';
import { Counter, Gauge } from '../platform/telemetry/index.ts';

export const refreshes = new Counter({
  name: 'gatehouse_refreshes_total',
  help: 'Refreshes by the outcome of the refresh token: rotated, repeated (within the grace), reused (ends the session), superseded, refused, unknown.',
  labels: ['outcome'],
});

export const sessionsRevoked = new AuditCounter(
  {
    name: 'gatehouse_sessions_revoked_total',
    help: 'Sessions that ended before their time: ended (log-out, or with a change of credentials), displaced (too many sessions), reused (a copied refresh token).',
    labels: ['reason'],
  },
  {
    'session.ended': () => ({ reason: 'ended' }),
    'session.displaced': () => ({ reason: 'displaced' }),
    'session.refresh_reused': () => ({ reason: 'reused' }),
  },
);

export const revocationAge = new Gauge({
  name: 'gatehouse_revocation_age_seconds',
  help: 'Time since this process last read the revocations. Beyond REVOCATION_MAX_STALENESS_SECONDS each request asks the database.',
  across: 'max',
});

export const signingKeyAge = new Gauge({
  name: 'gatehouse_signing_key_age_seconds',
  help: 'Age of the key that signs access tokens. Absent for a key of JWT_PRIVATE_KEY_FILE.',
  across: 'max',
});
