export type { SessionServices } from './compose.ts';
export { KeyBinding } from './dpop/key-binding.ts';
export { InProcessReplayCache, RedisReplayCache } from './dpop/replay-cache.ts';
export { GenerationSightings } from './generation-sightings.ts';
export { KeyRotation, type RotationMode } from './key-rotation.ts';
export { LostRevocations } from './lost-revocations.ts';
export { expiredSessions, PostgresSessionStore } from './postgres-session-store.ts';
export { RedisSessionStore } from './redis-session-store.ts';
export { RefreshRotation } from './refresh-rotation.ts';
export { RefreshTokens } from './refresh-token.ts';
export { RevocationKind } from './revocation.entity.ts';
export { RevocationCache } from './revocation-cache.ts';
export { isUnrevoked } from './revocation-lookup.ts';
export { type AnnouncedTransaction, oldRevocations, Revocations } from './revocations.ts';
export { SecondFactorRequirement } from './second-factor-requirement.ts';
export { SessionType } from './session.types.ts';
export { type SessionRenewal, SessionRenewals } from './session-renewal.ts';
export type {
  EndedSession,
  SessionProof,
  SessionRecord,
  SessionReference,
  SessionStore,
  SessionStoreOptions,
  Sighting,
} from './session-store.ts';
export { SECOND_FACTOR_SETTINGS, SESSION_SETTINGS } from './settings.ts';
export { SignOut } from './sign-out.ts';
export { type ListedKey, SigningKeys } from './signing-keys.ts';
export { loadSubject, type Subject } from './subject.ts';
export { supersedeTokens, type TokenStrength } from './supersession.ts';
export { TokenCookies } from './token-cookies.ts';
export { type TokenPair, TokenPairs } from './token-pair.ts';
export { UnclaimedSessions } from './unclaimed-sessions.ts';
