import type { EntityManager } from '@mikro-orm/postgresql';
import type { Passwords } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { violatedUniqueConstraint } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { networkOf, type RequestOrigin } from '../platform/request/index.ts';
import { parseDisplayName } from './display-name.ts';
import { emailKey, parseEmailAddress } from './email-address.ts';
import { User } from './user.entity.ts';
import { parseUsername } from './username.ts';

/** A registration spends one from each. */
export const REGISTRATION_RULES = {
  'register.address': { burst: 20, perSeconds: 3600 },
  'register.email': { burst: 5, perSeconds: 3600 },
} as const;

export interface RegistrationInput {
  username: string;
  email: string;
  password: string;
  displayName?: string | null | undefined;
}

/** Makes accounts. */
export class Registration {
  constructor(
    private readonly passwords: Passwords,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /**
   * A person registers. The account can sign in at once; its address stays unconfirmed.
   * @throws {BadUserInput} naming every field that was refused.
   * @throws {Conflict} the username or the address is taken, without regard to case or Unicode form.
   */
  async register(em: EntityManager, input: RegistrationInput, origin: RequestOrigin): Promise<User> {
    await this.rateLimiter.charge({
      'register.address': networkOf(origin.clientAddress ?? ''),
      'register.email': emailKey(input.email),
    });
    return this.create(em, input, origin, { byOperator: false });
  }

  /** An operator makes an account: vouches for its address, and may give it a reserved name. */
  createByOperator(em: EntityManager, input: RegistrationInput, origin: RequestOrigin): Promise<User> {
    return this.create(em, input, origin, { byOperator: true });
  }

  private async create(
    em: EntityManager,
    input: RegistrationInput,
    origin: RequestOrigin,
    { byOperator }: { byOperator: boolean },
  ): Promise<User> {
    const { username, email, displayName, password } = readFields('input', {
      username: () => parseUsername(input.username, { reserved: byOperator }),
      email: () => parseEmailAddress(input.email),
      displayName: () => parseDisplayName(input.displayName),
      password: () =>
        this.passwords.parseNew(input.password, { username: input.username, email: input.email }),
    });
    const credential = await this.passwords.hash(password);
    try {
      return await em.transactional(async (tx) => {
        const user = tx.create(User, {
          username: username.username,
          usernameKey: username.key,
          email: email.email,
          emailKey: email.key,
          emailConfirmedAt: byOperator ? new Date() : null,
          displayName,
        });
        await tx.persist(user).flush();
        await this.passwords.store(tx, user.id, credential);
        await this.audit.record(tx, origin, {
          action: 'account.registered',
          actorId: byOperator ? null : user.id,
          subjectId: user.id,
        });
        return user;
      });
    } catch (error) {
      throw asConflict(error);
    }
  }
}

/** Turns a clash with one of the unique keys into what the client may know; passes on everything else. */
export function asConflict(error: unknown): unknown {
  switch (violatedUniqueConstraint(error)) {
    case 'users_username_key_unique':
      return new Conflict('This username is taken.', [
        { field: 'input.username', message: 'This username is taken.' },
      ]);
    case 'users_email_key_unique':
      return new Conflict('This e-mail address has an account already.', [
        { field: 'input.email', message: 'This e-mail address has an account already.' },
      ]);
    default:
      return error;
  }
}
