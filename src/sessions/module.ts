import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { SESSION_CHECKS } from './checks.ts';
import { composeSessions } from './compose.ts';
import { refreshes, revocationAge, sessionsRevoked, signingKeyAge } from './metrics.ts';
import { REFRESH_NOTICES } from './notices.ts';
import { REFRESH_RULES } from './refresh-rotation.ts';
import { Revocation } from './revocation.entity.ts';
import { ServiceTokenResolver } from './service-token.resolver.ts';
import { SERVICE_TOKEN_RULES } from './service-tokens.ts';
import { Session } from './session.entity.ts';
import { SessionResolver } from './session.resolver.ts';
import { ACCESS_TOKEN_SETTINGS, SECOND_FACTOR_SETTINGS, SESSION_SETTINGS } from './settings.ts';
import { SigningKey } from './signing-key.entity.ts';

/** Sessions and their tokens. */
export const sessions = {
  name: 'sessions',
  metrics: [refreshes, sessionsRevoked, revocationAge, signingKeyAge],
  tables: {
    session: { entity: Session, rights: ALL_RIGHTS },
    ending: { entity: Revocation, rights: ['select', 'insert'] },
    signing_key: { entity: SigningKey, rights: ['select', 'insert', 'update'] },
  },
  functions: ['delete_old_endings(int)'],
  resolvers: [SessionResolver, ServiceTokenResolver],
  rateLimits: { ...REFRESH_RULES, ...SERVICE_TOKEN_RULES },
  settings: [ACCESS_TOKEN_SETTINGS, SESSION_SETTINGS, SECOND_FACTOR_SETTINGS],
  notices: REFRESH_NOTICES,
  checks: SESSION_CHECKS,
  compose: composeSessions,
} as const satisfies Module;
