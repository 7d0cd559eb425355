import type { EntityManager } from '@mikro-orm/postgresql';
import { emailKey, type Registration, User, usernameFrom, usernameKey } from '../accounts/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';
import { newId } from '../platform/id.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { Revocations } from '../sessions/index.ts';
import { SUPERUSER } from './last-superuser.ts';
import { EVERY_PERMISSION } from './permissions.ts';

export interface SuperuserInput {
  email: string;
  /** The username of a new account. If the account exists already, it must have this username. */
  username: string | undefined;
  /**
   * Asks for the password; called only when the account does not exist.
   * @param problemOf returns the reason why a text cannot be the password, as a sentence for people; null when it can
   */
  password: (problemOf: (password: string) => string | null) => Promise<string>;
}

/** Makes superusers on the command line, which is the only way to make the first one. */
export class Superusers {
  constructor(
    private readonly registration: Registration,
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Makes a superuser. Repeated or concurrent calls change nothing more.
   * @returns the account, and what was created or granted.
   * @throws {Conflict} the account with the address may belong to another person, or is deactivated.
   */
  async create(
    em: EntityManager,
    input: SuperuserInput,
    source: RequestSource,
  ): Promise<{ user: User; accountCreated: boolean; roleGranted: boolean }> {
    const known = await this.findExisting(em, input);
    const { user, accountCreated } = known
      ? { user: known, accountCreated: false }
      : await this.makeAccount(em, input, source);
    return { user, accountCreated, roleGranted: await this.grant(em, user.id, source) };
  }

  /**
   * Finds the account with the address. Anyone can register an address that is not theirs, so for an unconfirmed
   * address the operator must name the account.
   */
  private async findExisting(em: EntityManager, { email, username }: SuperuserInput): Promise<User | null> {
    const user = await em.fork().findOne(User, { emailKey: emailKey(email) });
    if (!user) return null;
    if (user.deactivatedBy !== null)
      throw new Conflict(
        `The account ${user.username} with this e-mail address is deactivated. Activate it first.`,
      );
    if (username !== undefined && user.usernameKey !== usernameKey(username)) {
      throw new Conflict(`The account with this e-mail address is called ${user.username}, not ${username}.`);
    }
    if (username === undefined && user.emailConfirmedAt === null) {
      throw new Conflict(
        `The account ${user.username} has this e-mail address but never confirmed it, so anyone may have registered it. ` +
          `If you are sure that it is the right account, name it with --username ${user.username}.`,
      );
    }
    return user;
  }

  private async makeAccount(
    em: EntityManager,
    input: SuperuserInput,
    source: RequestSource,
  ): Promise<{ user: User; accountCreated: boolean }> {
    const { email, username = usernameFrom(email) } = input;
    try {
      const password = await input.password((claimed) =>
        this.registration.problemOfPassword(claimed, { email, username }),
      );
      const user = await this.registration.createByOperator(em, { email, username, password }, source);
      return { user, accountCreated: true };
    } catch (error) {
      // A concurrent run of the same command was faster.
      const known = error instanceof Conflict ? await this.findExisting(em, input) : null;
      if (known) return { user: known, accountCreated: false };
      throw error;
    }
  }

  private grant(em: EntityManager, userId: string, source: RequestSource): Promise<boolean> {
    return this.revocations.transactional(em, async (tx) => {
      const made = await statement(
        tx,
        sql`insert into role (id, name, description, permissions)
            values (${newId()}, ${SUPERUSER}, 'Holds every permission.', ${[EVERY_PERMISSION]})
            on conflict (name) do nothing returning id`,
      );
      if (made.length > 0) await this.revocations.rolesChanged(tx);
      const granted = await statement(
        tx,
        sql`insert into role_grant (user_id, role_id) select ${userId}, id from role where name = ${SUPERUSER}
            on conflict do nothing returning role_id`,
      );
      if (granted.length === 0) return false;
      await this.revocations.raiseEpoch(tx, userId);
      await this.audit.record(tx, source, {
        action: 'role.granted',
        actorId: null,
        subjectId: userId,
        details: { role: SUPERUSER },
      });
      return true;
    });
  }
}
