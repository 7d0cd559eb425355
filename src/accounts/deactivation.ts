import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnerNotices } from '../notices/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { OwnerProof } from '../passwords/index.ts';
import { InvalidCredentials } from '../platform/errors.ts';
import type { Caller, RequestOrigin } from '../platform/request/index.ts';
import type { Endings } from '../sessions/index.ts';
import type { Activation, RemovalGuard } from './activation.ts';
import { lockAccount } from './lock-account.ts';
import { DeactivatedBy } from './user.entity.ts';

/** An owner puts the account to sleep. A password reset wakes it (recovery/account-recovery.ts). */
export class Deactivation {
  constructor(
    private readonly ownerProof: OwnerProof,
    private readonly keepSuperuser: RemovalGuard,
    private readonly activation: Activation,
    private readonly tokens: OneTimeTokens,
    private readonly endings: Endings,
    private readonly notices: OwnerNotices,
  ) {}

  /**
   * @throws {InvalidCredentials} wrong password.
   * @throws {Conflict} the last active superuser.
   */
  async byOwner(
    em: EntityManager,
    caller: Caller,
    password: string | null | undefined,
    origin: RequestOrigin,
  ): Promise<void> {
    const { userId } = caller;
    const proof = await this.ownerProof.prove(em, caller, password, 'account.deactivation', origin);
    await this.endings.transactional(em, async (tx) => {
      await this.keepSuperuser(tx, userId);
      const user = await lockAccount(tx, userId);
      const holds = user && (await this.ownerProof.stillHolds(tx, caller, proof));
      const who = { userId, actorId: userId };
      if (!holds || !(await this.activation.deactivate(tx, who, DeactivatedBy.OWNER, origin))) {
        throw new InvalidCredentials(['password'], 'the account or its password changed meanwhile');
      }
      await this.tokens.void(tx, userId, [TokenPurpose.CHANGE_EMAIL]);
      await this.notices.tell(tx, userId, 'account-deactivated', origin);
    });
  }
}
