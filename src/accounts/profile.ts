import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { NotFound } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import { type RateLimiter, SCARCE } from '../platform/rate-limit/index.ts';
import type { Actor, RequestSource } from '../platform/request/index.ts';
import { parseDisplayName } from './display-name.ts';
import { lockAccount } from './lock-account.ts';
import { asConflict } from './unique-conflicts.ts';
import { User } from './user.entity.ts';
import { parseUsername, type Username, usernameKey } from './username.ts';
import { reserveUsername } from './username-reservation.ts';

export interface ProfileChange {
  /** Unchanged when absent. */
  username?: string | null | undefined;
  /** Unchanged when absent; removed when null or empty. */
  displayName?: string | null | undefined;
}

export const PROFILE_RULES = {
  /** Large, because people look at many profiles and one document may request twenty. */
  'publicProfile.ip': {
    burst: 120,
    perSeconds: 120,
    wider: SCARCE,
    counts: 'IP, for each profile that is looked up',
  },
  'updateProfile.account': { burst: 30, perSeconds: 3600, counts: 'account' },
} as const;

/** Reads public profiles, and changes profiles. */
export class Profiles {
  constructor(
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter<keyof typeof PROFILE_RULES>,
  ) {}

  /**
   * Finds an active account by its username. Anyone may ask, so the rate limit counts by IP.
   * @returns null for an unknown or deactivated account.
   */
  async findPublic(em: EntityManager, username: string, source: RequestSource): Promise<User | null> {
    await this.rateLimiter.charge(['publicProfile.ip', source.networks]);
    return em.findOne(User, { usernameKey: usernameKey(username), deactivatedBy: null });
  }

  /**
   * Changes the profile of the owner.
   * @throws {BadUserInput} a field breaks its rule.
   * @throws {Conflict} the username is taken.
   */
  async update(
    em: EntityManager,
    userId: string,
    change: ProfileChange,
    source: RequestSource,
  ): Promise<User> {
    await this.rateLimiter.charge(['updateProfile.account', userId]);
    try {
      return await em.transactional(async (tx) => {
        const user = await lockAccount(tx, userId);
        if (!user) throw new NotFound();
        const { username, displayName } = readFields('input', {
          username: () => readUsername(change.username, user),
          displayName: () =>
            change.displayName === undefined ? undefined : parseDisplayName(change.displayName),
        });
        await this.changeIn(tx, user, { username, displayName }, { actorId: userId, source });
        return user;
      });
    } catch (error) {
      throw asConflict(error);
    }
  }

  /**
   * Changes a profile in the transaction of the caller, who has locked the account and checked the permission.
   * @param change undefined fields stay as they are
   * @throws {Conflict} the username is taken.
   */
  async changeIn(
    tx: EntityManager,
    user: User,
    { username, displayName }: { username: Username | undefined; displayName: string | null | undefined },
    { actorId, source }: Actor,
  ): Promise<void> {
    if (username) {
      await reserveUsername(tx, username, { except: user.id });
      tx.assign(user, {
        username: username.username,
        usernameKey: username.key,
        usernameSkeletons: username.skeletons,
      });
    }
    if (displayName !== undefined) user.displayName = displayName;
    user.updatedAt = new Date();
    await tx.flush();
    await this.audit.record(tx, source, {
      action: 'account.profile_changed',
      actorId,
      subjectId: user.id,
      details: { username: username !== undefined, displayName: displayName !== undefined },
    });
  }
}

/**
 * Parses a new username. The present username does not count as a change: it may be older than a rule, and clients send
 * the whole form.
 * @param options.reserved whether a reserved username is allowed
 * @throws {InvalidValue} a new username breaks a rule.
 */
export function readUsername(
  text: string | null | undefined,
  { username }: User,
  options: { readonly reserved: boolean } = { reserved: false },
): Username | undefined {
  return text == null || text === username ? undefined : parseUsername(text, options);
}
