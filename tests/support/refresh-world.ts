import { randomBytes } from 'node:crypto';
import type { OwnerNotices } from '../../src/notices/index.ts';
import type { AuditLog } from '../../src/platform/audit/index.ts';
import { keyFromBytes } from '../../src/platform/keyring.ts';
import { networksOf, type RequestSource } from '../../src/platform/request/index.ts';
import {
  GenerationSightings,
  type KeyBinding,
  RefreshRotation,
  RefreshTokens,
  type SessionRecord,
  supersedeTokens,
  type TokenPair,
  type TokenPairs,
} from '../../src/sessions/index.ts';
import { partOf } from './part-of.ts';
import { type AdapterUnderTest, prepareOn } from './session-adapters.ts';

/** The possible places of a request: two networks and two browsers. */
export const PLACES = [
  { clientIp: '192.0.2.1', userAgent: 'Mozilla/5.0 (X11) Gecko/20100101 Firefox/143.0' },
  { clientIp: '198.51.100.1', userAgent: 'Mozilla/5.0 (X11) Gecko/20100101 Firefox/144.0' },
  {
    clientIp: '192.0.2.1',
    userAgent: 'Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36',
  },
  {
    clientIp: '198.51.100.1',
    userAgent: 'Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36',
  },
] as const;
export type PlaceNumber = 0 | 1 | 2 | 3;

/** The part of a reply that a client sees: the session in its tokens, or the error code. */
export type Answer = { kind: 'tokens'; session: SessionRecord } | { kind: 'refused'; code: unknown };

/**
 * The refresh on a real store, without HTTP, signatures and mail. It is fast enough for thousands of
 * histories. `told` and `events` are what the owner and the audit trail would get.
 */
export async function refreshWorld(adapter: AdapterUnderTest) {
  const under = await prepareOn(adapter, { idleTtlSeconds: undefined, maxPerUser: 50 });
  const tokens = new RefreshTokens([keyFromBytes(randomBytes(32))]);
  const told: string[] = [];
  const events: string[] = [];
  const sightings = new GenerationSightings(under.fork, under.store);
  const rotation = new RefreshRotation({
    refreshTokens: tokens,
    store: under.store,
    sightings,
    revocations: under.revocations,
    tokenPairs: partOf<TokenPairs>('TokenPairs', { issue: async (session) => ({ session }) as TokenPair }),
    notices: partOf<OwnerNotices<string>>('OwnerNotices', {
      tell: async (_tx, _user, kind) => void told.push(kind),
    }),
    audit: partOf<AuditLog>('AuditLog', {
      record: async (_em, _origin, { action, details = {} }) =>
        void events.push('circumstance' in details ? `${action}: ${String(details.circumstance)}` : action),
    }),
    rateLimiter: partOf('RateLimiter', { charge: async () => {} }),
    options: { refreshGraceSeconds: 30 },
    keyBinding: partOf<KeyBinding>('KeyBinding', { requireForRefresh: async () => {} }),
  });
  const originOf = (place: PlaceNumber): RequestSource => ({
    requestId: null,
    deviceMark: null,
    networks: networksOf(PLACES[place].clientIp),
    ...PLACES[place],
  });

  /** One session, from its sign-in at place 0 on. */
  async function aSession() {
    const userId = await under.aUser();
    const facts = { userId, amr: ['pwd'], aal: 1, ttlSeconds: 300 * 86_400 };
    const { clientIp: ipAddress, userAgent } = PLACES[0];
    const { session } = await under.change((tx) =>
      under.store.create(tx, { ...facts, ipAddress, userAgent }),
    );
    const sessionId = session.id;
    const reference = { userId, sessionId };
    /** The methods and level in the tokens of each generation. */
    const strengths = new Map<number, Pick<SessionRecord, 'amr' | 'aal'>>([[0, session]]);
    told.length = 0;
    events.length = 0;
    return {
      async present(generation: number, place: PlaceNumber): Promise<Answer> {
        try {
          const token = tokens.issue({ ...reference, generation });
          const pair = await rotation.rotate(under.fork(), token, originOf(place));
          strengths.set(pair.session.generation, pair.session);
          return { kind: 'tokens', session: pair.session };
        } catch (error) {
          const code = (error as { code?: unknown }).code;
          if (code === undefined) throw error;
          return { kind: 'refused', code };
        }
      },
      /** Uses an access token of the generation at the gateway. */
      use: (generation: number) => under.store.markSeen(under.fork(), [{ ...reference, generation }]),
      /**
       * A step-up with a proof, or a credential change without one. Null when the session is stronger. @param
       * generation of the token
       */
      async supersede(generation: number, place: PlaceNumber, proof?: string): Promise<SessionRecord | null> {
        const { clientIp, userAgent: agent } = PLACES[place];
        const here = { ipAddress: clientIp, userAgent: agent };
        const { amr, aal } = strengths.get(generation) ?? session;
        const changed = await supersedeTokens(
          under.store,
          under.fork(),
          // Here the session ages but tokens do not, so only methods and levels are compared.
          { ...reference, generation, amr, aal, authenticatedAt: Number.MAX_SAFE_INTEGER },
          { use: here, proof: proof === undefined ? undefined : { amr: [proof], aal: 2 } },
        );
        if (changed === 'gone') throw new Error('no such session');
        if (changed === 'stronger') return null;
        strengths.set(changed.session.generation, changed.session);
        return changed.session;
      },
      wait: (seconds: number) => under.probe.age(userId, sessionId, seconds),
      generation: () => under.probe.generation(userId, sessionId),
      held: () => under.store.find(under.fork(), userId, sessionId),
      /** @returns a function that restores the current state at any later time. */
      snapshot: () => under.probe.snapshot(userId, sessionId),
    };
  }
  return { aSession, told, events, close: under.close };
}
