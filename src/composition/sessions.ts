import {
  AccessTokens,
  DpopProofs,
  EndingKind,
  Endings,
  expiredSessions,
  GenerationSightings,
  InProcessReplayCache,
  jwksRoutes,
  KeyBinding,
  KeyRotation,
  LostEndings,
  oldEndings,
  PostgresSessionStore,
  RedisReplayCache,
  RedisSessionStore,
  RefreshRotation,
  RefreshTokens,
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
  const lostEndings = new LostEndings(fork, audit, (message, facts) => log.warn(facts, message));
  const revocations = new Revocations(
    fork,
    feed,
    {
      maxStalenessSeconds: session.revocationMaxStalenessSeconds,
      onReplaced: (known) => lostEndings.writeAgain(known),
    },
    warn,
  );
  closing.push(() => revocations.stop());
  const endings = new Endings(feed, revocations, { accessTokenTtlSeconds: accessToken.ttlSeconds });

  const signingKeys = await SigningKeys.load(fork, box, accessToken, warn, endings);
  closing.push(() => signingKeys.stop());
  revocations.onChanged(EndingKind.KEYS, () => signingKeys.reload());

  const requirement = new SecondFactorRequirement(config.secondFactor.requiredFor);
  const accessTokens = new AccessTokens(signingKeys, clock, requirement, accessToken);
  const refreshTokens = new RefreshTokens(secrets.tokenKeys);
  const tokenPairs = new TokenPairs(accessTokens, refreshTokens);
  const store =
    redis && session.store === 'redis'
      ? new RedisSessionStore(redis, endings, session)
      : new PostgresSessionStore(endings, session);
  const sightings = new GenerationSightings(fork, store);
  closing.push(() => sightings.stop());
  const unclaimed = new UnclaimedSessions({ fork, store, endings, audit, warn });
  closing.push(() => unclaimed.stop());
  const signOut = new SignOut({ store, endings, accessTokens, refreshTokens, audit });
  const cookies = new TokenCookies(clock, cookieStyle);
  const keyBinding = new KeyBinding(session.dpop, audit);
  const replays = redis ? new RedisReplayCache(redis) : new InProcessReplayCache();
  const serviceTokens = new ServiceTokens(signingKeys, clock, rateLimiter, accessToken);
  return {
    revocations,
    endings,
    signingKeys,
    keyRotation: new KeyRotation(endings, audit, box, accessToken),
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
      endings,
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
    chores: [expiredSessions, oldEndings],
  } satisfies Part & Record<string, unknown>;
}
