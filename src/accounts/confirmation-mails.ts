import type { EntityManager } from '@mikro-orm/postgresql';
import type { MailTemplates, RegistrationFacts } from '../mail-templates/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';
import { isSecretOf } from '../platform/one-time-secret.ts';
import { emailKey } from './email-address.ts';
import type { EmailOwnership } from './email-ownership.ts';
import { lockAccountByAddress } from './lock-account.ts';
import { pendingRegistrations } from './pending-registrations.ts';
import { registrationMarks } from './registration-marks.ts';
import { User } from './user.entity.ts';

interface ConfirmationFacts {
  readonly address: string;
  /**
   * Set when the mail belongs to a registration, which has charged `register.recipient` already. Absent when the mail
   * was requested again.
   */
  readonly registers?: true;
  /** The unchecked registration mark of the browser that requested the mail. */
  readonly mark?: string | null;
}

/**
 * Maximum number of registrations in one mail; the newest are listed. A browser that registered always gets its own registration,
 * however many came later.
 */
const MAX_LISTED = 5;

/** An account or a pending registration whose address is not proved yet. */
interface Waiting {
  readonly id: string;
  readonly username: string;
  readonly email: string;
  readonly emailKey: string;
  readonly createdAt: Date;
}

/** Issues the link that confirms a registration, and collects the text for its mail. */
async function withLink(
  tx: EntityManager,
  tokens: OneTimeTokens,
  { id, username, email, emailKey, createdAt }: Waiting,
  client: string | null,
): Promise<RegistrationFacts> {
  const token = await tokens.issue(tx, {
    purpose: TokenPurpose.CONFIRM_EMAIL,
    userId: id,
    address: email,
    addressKey: emailKey,
  });
  return { username, registeredAt: createdAt, client, token };
}

/**
 * Mails confirmation links to an address that is not proved yet. If the requesting browser registered, the mail has
 * only the link of that registration. Otherwise it has one link for each that waits. Only the registrant can use a link
 * (registrant-proof.ts), so links of a stranger's registrations do no harm.
 */
export class ConfirmationMail implements MailWriter<ConfirmationFacts> {
  readonly kind = 'email-confirmation';

  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly mailTemplates: MailTemplates,
    private readonly emailOwnership: EmailOwnership,
  ) {}

  async write(tx: EntityManager, { address, mark = null }: ConfirmationFacts): Promise<Mail | null> {
    const key = emailKey(address);
    const user = await lockAccountByAddress(tx, key);
    if (user?.emailConfirmedAt) return null;
    const pending = await pendingRegistrations.listByAddress(tx, key, MAX_LISTED);
    const taken = await this.emailOwnership.hasOwner(tx, key);
    const waiting = [...(taken ? [] : pending), ...(user ? [waitingAccount(user)] : [])];
    const [newest] = waiting;
    if (!newest) return pending[0] ? this.mailTemplates.addressTaken(pending[0].email) : null;
    const marks = await registrationMarks.of(
      tx,
      waiting.map(({ id }) => id),
    );
    const isOwn = ({ id }: { readonly id: string }): boolean => {
      const kept = marks.get(id);
      return mark !== null && kept !== undefined && isSecretOf(mark, kept.markHash);
    };
    const own = waiting.filter(isOwn);
    const listed = (own.length > 0 ? own : waiting).slice(0, MAX_LISTED);
    const registrations: RegistrationFacts[] = [];
    for (const registration of listed) {
      registrations.push(
        await withLink(tx, this.tokens, registration, marks.get(registration.id)?.client ?? null),
      );
    }
    return this.mailTemplates.confirmEmail(newest.email, registrations);
  }

  limits({ registers }: ConfirmationFacts): readonly RecipientRule[] {
    return registers ? [] : ['resendEmailConfirmation.recipient', 'mail.recipient'];
  }
}

/**
 * Mails the link that turns a pending registration into an account, or says that the address has an account already.
 */
export class RegistrationMail implements MailWriter<{ registrationId: string }> {
  readonly kind = 'registration';

  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly mailTemplates: MailTemplates,
    private readonly emailOwnership: EmailOwnership,
  ) {}

  async write(tx: EntityManager, { registrationId }: { registrationId: string }): Promise<Mail | null> {
    const pending = await pendingRegistrations.find(tx, registrationId);
    if (!pending) return null;
    const { id, email, emailKey } = pending;
    if (await this.emailOwnership.hasOwner(tx, emailKey)) return this.mailTemplates.addressTaken(email);
    const marks = await registrationMarks.of(tx, [id]);
    const registration = await withLink(tx, this.tokens, pending, marks.get(id)?.client ?? null);
    const replacesAccount = (await tx.count(User, { emailKey })) > 0;
    return this.mailTemplates.confirmEmail(email, [registration], { replacesAccount });
  }
}

const waitingAccount = ({ id, username, email, emailKey, createdAt }: User): Waiting => ({
  id,
  username,
  email: email ?? '',
  emailKey: emailKey ?? '',
  createdAt,
});
