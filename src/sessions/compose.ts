import type { NoticeServices } from '../notices/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { CookieStyle } from '../platform/request/index.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import { AccessTokens } from './access-token.ts';
import { CallerVerification } from './caller-verification.ts';
import { DpopProofs } from './dpop/dpop-proofs.ts';
import { KeyBinding } from './dpop/key-binding.ts';
import { InProcessReplayCache, RedisReplayCache } from './dpop/replay-cache.ts';
import { GenerationSightings } from './generation-sightings.ts';
import { jwksRoutes } from './jwks.routes.ts';
import { KeyRotation } from './key-rotation.ts';
import { LostRevocations } from './lost-revocations.ts';
import { sessionData } from './personal-data.ts';
import { expiredSessions, PostgresSessionStore } from './postgres-session-store.ts';
import { RedisSessionStore } from './redis-session-store.ts';
import { RefreshRotation } from './refresh-rotation.ts';
import { RefreshTokens } from './refresh-token.ts';
import { RevocationKind } from './revocation.entity.ts';
import { RevocationCache } from './revocation-cache.ts';
import { oldRevocations, Revocations } from './revocations.ts';
import { SecondFactorRequirement } from './second-factor-requirement.ts';
import { ServiceTokenResolver } from './service-token.resolver.ts';
import { ServiceTokens } from './service-tokens.ts';
import { SessionResolver } from './session.resolver.ts';
import { SessionRenewals } from './session-renewal.ts';
import type { ACCESS_TOKEN_SETTINGS, SECOND_FACTOR_SETTINGS, SESSION_SETTINGS } from './settings.ts';
import { SignOut } from './sign-out.ts';
import { SigningKeys } from './signing-keys.ts';
import { TokenCookies } from './token-cookies.ts';
import { TokenPairs } from './token-pair.ts';
import { UnclaimedSessions } from './unclaimed-sessions.ts';

export type SessionServices = ServicesOf<typeof composeSessions>;

/** Tokens and sessions. Every sign-in makes a session, and every request is checked against its session. */
export async function composeSessions({
  config,
  platform,
  notices: { notices },
}: {
  config: ConfigOf<typeof ACCESS_TOKEN_SETTINGS | typeof SESSION_SETTINGS | typeof SECOND_FACTOR_SETTINGS>;
  platform: PlatformServices;
  notices: NoticeServices;
}) {
  const { secrets, clock, log, warn, closing, redis, rateLimiter, fork, feed, audit, box } = platform;
  const { publicUrl, secure } = platform;
  const cookieStyle = new CookieStyle({ secure, domain: config.session.cookieDomain });
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

  const signingKeys = await SigningKeys.load({ fork, box, log: warn }, revocations, accessToken);
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
    services: {
      revocationCache,
      revocations,
      signingKeys,
      keyRotation: new KeyRotation(revocations, audit, box, accessToken),
      requirement,
      tokenPairs,
      store,
      signOut,
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
      callerVerification: new CallerVerification({
        cookies,
        accessTokens,
        revocationCache,
        keyBinding,
        sightings,
      }),
      dpopProofs: session.dpop === 'off' ? undefined : new DpopProofs(clock, replays, { publicUrl }),
      cookies,
      cookieStyle,
    },
    cookieNames: cookies.names,
    resolvers: [
      new SessionResolver(store, signOut, cookies, requirement),
      new ServiceTokenResolver(serviceTokens, cookies),
    ],
    routes: [jwksRoutes(signingKeys)],
    personalData: [sessionData(store)],
    starters: [() => revocationCache.start(), async () => signingKeys.start()],
    chores: [expiredSessions, oldRevocations],
  } satisfies Composed;
}
