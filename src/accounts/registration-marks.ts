import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import type { PersonalData } from '../platform/personal-data.ts';
import { describeUserAgent, type RequestSource } from '../platform/request/index.ts';
import { RegistrationMark } from './registration-mark.entity.ts';

/** Seconds; the lifetime of the mailed link. */
export const REGISTRATION_MARK_TTL = 24 * 3600;

/** Records which browser made which registration, by a random mark in its cookie that is stored as a hash. */
export const registrationMarks = {
  /** Adds a mark in the transaction of the registration. @returns the mark for the cookie. */
  async add(tx: EntityManager, registrationId: string, { userAgent }: RequestSource): Promise<string> {
    const mark = newSecret();
    await statement(
      tx,
      sql`insert into registration_mark (registration_id, mark_hash, client, expires_at)
          values (${registrationId}, ${hashOfSecret(mark)}, ${describeUserAgent(userAgent)},
                  now() + make_interval(secs => ${REGISTRATION_MARK_TTL}))`,
    );
    return mark;
  },

  /** Replaces a mark. @returns the new mark; null when the registration has none any more. */
  async replace(tx: EntityManager, registrationId: string, source: RequestSource): Promise<string | null> {
    const removed = await tx.nativeDelete(RegistrationMark, { registrationId });
    return removed > 0 ? this.add(tx, registrationId, source) : null;
  },

  /** Whether this mark belongs to the browser that made this registration. */
  async matches(em: EntityManager, registrationId: string, mark: string | null): Promise<boolean> {
    if (mark === null) return false;
    const rows = await statement(
      em,
      sql`select from registration_mark
          where registration_id = ${registrationId} and mark_hash = ${hashOfSecret(mark)} and expires_at > now()`,
    );
    return rows.length > 0;
  },

  /** Returns the marks of these registrations, by registration. A registration may have lost its mark. */
  async of(em: EntityManager, registrationIds: readonly string[]): Promise<Map<string, RegistrationMark>> {
    const marks = await em.find(
      RegistrationMark,
      { registrationId: { $in: [...registrationIds] } },
      { disableIdentityMap: true },
    );
    return new Map(marks.map((mark) => [mark.registrationId, mark]));
  },

  async remove(tx: EntityManager, registrationId: string): Promise<void> {
    await tx.nativeDelete(RegistrationMark, { registrationId });
  },
};

export const expiredRegistrationMarks = expiredRows(
  'expired marks of registrations',
  'registration_mark',
  sql`expires_at < now()`,
);

/** For exportMyData: the browser that registered the account, while its address is unconfirmed. */
export const registrationMarkData: PersonalData = {
  section: 'registration',
  collect: async (em, userId) => {
    const mark = (await registrationMarks.of(em, [userId])).get(userId);
    return mark ? { client: mark.client, registeredAt: mark.createdAt } : null;
  },
  erase: (tx, userId) => registrationMarks.remove(tx, userId),
};
