import {
  AccessTokens,
  DpopProofs,
  expiredSessions,
  GenerationSightings,
  InProcessReplayCache,
  jwksRoutes,
  KeyBinding,
  KeyRotation,
  LostRevocations,
  oldRevocations,
  PostgresSessionStore,
  RedisReplayCache,
  RedisSessionStore,
  RefreshRotation,
  RefreshTokens,
  RevocationCache,
  RevocationKind,
  Revocations,
  SecondFactorRequirement,
  ServiceTokenResolver,
  ServiceTokens,
  SessionRenewals,
  SessionResolver,
  SigningKeys,
  SignOut,
  sessionData,
  TokenCookies,
  TokenPairs,
  UnclaimedSessions,
} from '../sessions/index.ts';
import type { Part } from './part.ts';
import type { Platform } from './platform.ts';

export type Sessions = Awaited<ReturnType<typeof composeSessions>>;

/** Tokens and sessions: what a sign-in ends in, and what every request is checked against. */
export async function composeSessions({
  config,
  secrets,
  clock,
  log,
  warn,
  closing,
  redis,
  rateLimiter,
  fork,
  feed,
  audit,
  box,
  notices,
  cookieStyle,
  publicUrl,
}: Platform) {
  const { accessToken, session } = config;
  const lostRevocations = new LostRevocations(fork, audit, (message, facts) => log.warn(facts, message));
  const revocationCache = new RevocationCache(
    fork,
    feed,
    {
      maxStalenessSeconds: session.revocationMaxStalenessSeconds,
      onReplaced: (known) => lostRevocations.writeAgain(known),
    },
    warn,
  );
  closing.push(() => revocationCache.stop());
  const revocations = new Revocations(feed, revocationCache, {
    accessTokenTtlSeconds: accessToken.ttlSeconds,
  });

  const signingKeys = await SigningKeys.load(fork, box, accessToken, warn, revocations);
  closing.push(() => signingKeys.stop());
  revocationCache.onChanged(RevocationKind.KEYS, () => signingKeys.reload());

  const requirement = new SecondFactorRequirement(config.secondFactor.requiredFor);
  const accessTokens = new AccessTokens(signingKeys, clock, requirement, accessToken);
  const refreshTokens = new RefreshTokens(secrets.tokenKeys);
  const tokenPairs = new TokenPairs(accessTokens, refreshTokens);
  const store =
    redis && session.store === 'redis'
      ? new RedisSessionStore(redis, revocations, session)
      : new PostgresSessionStore(revocations, session);
  const sightings = new GenerationSightings(fork, store);
  closing.push(() => sightings.stop());
  const unclaimed = new UnclaimedSessions({ fork, store, revocations, audit, warn });
  closing.push(() => unclaimed.stop());
  const signOut = new SignOut({ store, revocations, accessTokens, refreshTokens, audit });
  const cookies = new TokenCookies(clock, cookieStyle);
  const keyBinding = new KeyBinding(session.dpop, audit);
  const replays = redis ? new RedisReplayCache(redis) : new InProcessReplayCache();
  const serviceTokens = new ServiceTokens(signingKeys, clock, rateLimiter, accessToken);
  return {
    revocationCache,
    revocations,
    signingKeys,
    keyRotation: new KeyRotation(revocations, audit, box, accessToken),
    requirement,
    accessTokens,
    tokenPairs,
    store,
    signOut,
    sightings,
    unclaimed,
    renewals: new SessionRenewals(store, tokenPairs, cookies, {
      deliversCookies: session.tokenDelivery !== 'body',
    }),
    refreshRotation: new RefreshRotation({
      refreshTokens,
      store,
      sightings,
      revocations,
      tokenPairs,
      notices,
      audit,
      rateLimiter,
      options: session,
      keyBinding,
    }),
    keyBinding,
    dpopProofs: session.dpop === 'off' ? undefined : new DpopProofs(clock, replays, { publicUrl }),
    cookies,
    cookieNames: cookies.names,
    resolvers: [
      new SessionResolver(store, signOut, cookies, requirement),
      new ServiceTokenResolver(serviceTokens, cookies),
    ],
    routes: [jwksRoutes(signingKeys)],
    personalData: [sessionData(store)],
    chores: [expiredSessions, oldRevocations],
  } satisfies Part & Record<string, unknown>;
}
