import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { NotFound } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import { type RateLimiter, SCARCE } from '../platform/rate-limit/index.ts';
import { networksOf, type RequestOrigin } from '../platform/request/index.ts';
import { parseDisplayName } from './display-name.ts';
import { lockAccount } from './lock-account.ts';
import { asConflict } from './taken.ts';
import { User } from './user.entity.ts';
import { parseUsername, usernameKey } from './username.ts';
import { reserveUsername } from './username-reservation.ts';

export interface ProfileChange {
  /** Left as it is when absent. */
  username?: string | null | undefined;
  /** Left as it is when absent; removed when null or empty. */
  displayName?: string | null | undefined;
}

export const PROFILE_RULES = {
  /** Generous, since people look at many; a document may ask for twenty. */
  'publicProfile.address': { burst: 120, perSeconds: 120, wider: SCARCE },
  'updateProfile.account': { burst: 30, perSeconds: 3600 },
} as const;

/** What people show of themselves. */
export class Profiles {
  constructor(
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /** Anybody may ask, so it is bounded by their address. @returns null for an unknown or deactivated account. */
  async findPublic(em: EntityManager, username: string, origin: RequestOrigin): Promise<User | null> {
    await this.rateLimiter.charge({ 'publicProfile.address': networksOf(origin.clientAddress ?? '') });
    return em.findOne(User, { usernameKey: usernameKey(username), deactivatedBy: null });
  }

  /**
   * @throws {BadUserInput} a field breaks its rule.
   * @throws {Conflict} the username is taken.
   */
  async update(
    em: EntityManager,
    userId: string,
    change: ProfileChange,
    origin: RequestOrigin,
  ): Promise<User> {
    await this.rateLimiter.charge({ 'updateProfile.account': userId });
    const { username, displayName } = readFields('input', {
      username: () => (change.username == null ? undefined : parseUsername(change.username)),
      displayName: () =>
        change.displayName === undefined ? undefined : parseDisplayName(change.displayName),
    });
    try {
      return await em.transactional(async (tx) => {
        const user = await lockAccount(tx, userId);
        if (!user) throw new NotFound();
        if (username && username.key !== user.usernameKey) await reserveUsername(tx, username.key);
        if (username) tx.assign(user, { username: username.username, usernameKey: username.key });
        if (displayName !== undefined) user.displayName = displayName;
        user.updatedAt = new Date();
        await tx.flush();
        await this.audit.record(tx, origin, {
          action: 'account.profile_changed',
          actorId: userId,
          subjectId: userId,
          details: { username: username !== undefined, displayName: displayName !== undefined },
        });
        return user;
      });
    } catch (error) {
      throw asConflict(error);
    }
  }
}
