import type { OwnerNotices } from '../notices/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { CurrentPasswordCheck } from '../passwords/index.ts';
import { InvalidCredentials } from '../platform/errors.ts';
import type { CallerRequest } from '../platform/request/index.ts';
import type { Revocations } from '../sessions/index.ts';
import type { Activation, RemovalGuard } from './activation.ts';
import { lockAccount } from './lock-account.ts';
import type { ACCOUNT_NOTICES } from './notices.ts';
import { DeactivatedBy } from './user.entity.ts';

/** The parts that `Deactivation` uses. */
export interface DeactivationDependencies {
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly removalGuard: RemovalGuard;
  readonly activation: Activation;
  readonly tokens: OneTimeTokens;
  readonly revocations: Revocations;
  readonly notices: OwnerNotices<keyof typeof ACCOUNT_NOTICES>;
}

/** Deactivates an account for its owner. A password reset activates it again (recovery/account-recovery.ts). */
export class Deactivation {
  constructor(private readonly deps: DeactivationDependencies) {}

  /**
   * @throws {InvalidCredentials} wrong password.
   * @throws {Conflict} the last active superuser.
   */
  async byOwner(request: CallerRequest, password: string | null | undefined): Promise<void> {
    const { em, caller, source } = request;
    const { userId } = caller;
    const proof = await this.deps.currentPasswordCheck.prove(request, password, 'account.deactivation');
    await this.deps.revocations.transactional(em, async (tx) => {
      await this.deps.removalGuard(tx, userId);
      const user = await lockAccount(tx, userId);
      const holds = user && (await this.deps.currentPasswordCheck.stillHolds(tx, caller, proof));
      const change = { userId, actorId: userId };
      if (!holds || !(await this.deps.activation.deactivate(tx, change, DeactivatedBy.OWNER, source))) {
        throw new InvalidCredentials(['password'], 'the account or its password changed meanwhile');
      }
      await this.deps.tokens.void(tx, userId, [TokenPurpose.CHANGE_EMAIL]);
      await this.deps.notices.tell(tx, userId, 'account-deactivated', source);
    });
  }
}
