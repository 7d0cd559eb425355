import type { EntityManager } from '@mikro-orm/postgresql';
import type { Passwords, StoredPassword } from '../passwords/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { networkOf, type RequestSource } from '../platform/request/index.ts';
import { PendingRegistration } from './pending-registration.entity.ts';
import type { ParsedRegistration } from './pending-registrations.ts';
import { User } from './user.entity.ts';

/** Seconds after a registration in which its client may repeat it. */
const REPEATABLE_FOR = 600;

/** A recent registration from this network with the username of the new one. */
export interface EarlierRegistration {
  readonly account: User | PendingRegistration;
  /** Null when username, address or display name differ: then no password makes it a repetition. */
  readonly password: StoredPassword | null;
}

/**
 * Finds the registration that a client repeats because it does not know the outcome: the reply was lost or said so.
 *
 * Only the username decides whether a password is compared, and `register` tells anyone that a username is taken. If
 * the address does not match, the comparison costs the same and fails. So its time does not tell that username and
 * address belong together.
 */
export class RepeatedRegistrations {
  constructor(
    private readonly passwords: Passwords,
    private readonly options: { readonly emailConfirmation: 'optional' | 'required' },
  ) {}

  /** @returns null when the network of the request did not register this username in the last ten minutes. */
  async find(
    em: EntityManager,
    registration: ParsedRegistration,
    { clientIp, networks }: RequestSource,
  ): Promise<EarlierRegistration | null> {
    if (clientIp === null) return null;
    const { key } = registration.username;
    const earlier =
      this.options.emailConfirmation === 'required'
        ? await this.findPending(em, key)
        : await this.findAccount(em, key);
    if (!earlier || !(await registeredFrom(em, earlier.account, networks[0]))) return null;
    return isSame(earlier.account, registration) ? earlier : { ...earlier, password: null };
  }

  private async findPending(em: EntityManager, usernameKey: string): Promise<EarlierRegistration | null> {
    const account = await em.findOne(
      PendingRegistration,
      { usernameKey, expiresAt: { $gt: new Date() } },
      { disableIdentityMap: true },
    );
    return account && { account, password: account };
  }

  /** Leaves out accounts with a second factor, because a password alone does not open them. */
  private async findAccount(em: EntityManager, usernameKey: string): Promise<EarlierRegistration | null> {
    const account = await em.findOne(
      User,
      { usernameKey, deactivatedBy: null, secondFactorSince: null },
      { disableIdentityMap: true },
    );
    if (!account) return null;
    const known = await this.passwords.find(em, account.id);
    return { account, password: known?.stored ?? null };
  }
}

function isSame(
  account: User | PendingRegistration,
  { username, email, displayName }: ParsedRegistration,
): boolean {
  return (
    account.username === username.username &&
    account.email === email.email &&
    account.displayName === displayName
  );
}

/**
 * Whether this network registered the account. Only the audit trail knows. An account made by an operator has another
 * actor.
 */
async function registeredFrom(
  em: EntityManager,
  account: User | PendingRegistration,
  network: string,
): Promise<boolean> {
  const [action, actorId] =
    account instanceof User ? ['account.registered', account.id] : ['account.registration_requested', null];
  const rows = await statement(
    em,
    sql<{ ip_address: string | null }>`
      select ip_address from audit_event
      where subject_id = ${account.id} and action = ${action} and actor_id is not distinct from ${actorId}::uuid
        and at > now() - make_interval(secs => ${REPEATABLE_FOR})`,
  );
  return rows.some(({ ip_address }) => ip_address !== null && networkOf(ip_address) === network);
}
