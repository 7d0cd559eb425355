import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnerNotices } from '../notices/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { Chore } from '../platform/housekeeping/housekeeping.ts';
import { hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import type { RequestSource } from '../platform/request/index.ts';
import { DEVICE_MEMORY } from './device-cookie.ts';

const MARK = /^[\w-]{43}$/;
/** Devices of one account. Each has an allowance of its own, so their number bounds what all of them may guess. */
const MAX_DEVICES = 20;

/** Remembers from which devices an account was signed in to, and tells its owner of a new one. */
export class KnownDevices {
  constructor(private readonly notices: OwnerNotices) {}

  /**
   * Whether somebody signed in to this account from the device that the request comes from. Asks for an unknown
   * account (null) too, so that its time does not tell it apart.
   */
  async isKnown(em: EntityManager, userId: string | null, { deviceMark }: RequestSource): Promise<boolean> {
    if (!isMark(deviceMark)) return false;
    const rows = await statement(
      em,
      sql`select from known_device where user_id = ${userId} and mark_hash = ${hashOfSecret(deviceMark)}`,
    );
    return rows.length > 0;
  }

  /**
   * Call it in the transaction of a sign-in, which holds the account's lock. The owner is told unless the account
   * knows the mark: a user agent proves nothing, because a thief can send the owner's. At the first sign-in there is
   * nothing to compare with.
   * @returns the mark that the device is to keep. One that it already has stays: other accounts know it too.
   */
  async remember(tx: EntityManager, userId: string, source: RequestSource): Promise<string> {
    const { mark, isNew } = await this.keep(tx, userId, source);
    if (isNew) await this.notices.tell(tx, userId, 'new-device', source);
    return mark;
  }

  /**
   * For the device on which the password was changed or a mailed link was used, in the transaction of that: the login that
   * follows from there is counted for the device alone, however many strangers guess meanwhile. What was done is told by a
   * notice of its own.
   * @returns as remember() does.
   */
  async expect(tx: EntityManager, userId: string, source: RequestSource): Promise<string> {
    return (await this.keep(tx, userId, source)).mark;
  }

  private async keep(
    tx: EntityManager,
    userId: string,
    source: RequestSource,
  ): Promise<{ mark: string; isNew: boolean }> {
    const mark = isMark(source.deviceMark) ? source.deviceMark : newSecret();
    const hash = hashOfSecret(mark);
    const agent = (source.userAgent ?? '').replace(/\d+/g, '');
    const [known] = await statement(
      tx,
      sql<{ devices: number; seen: boolean | null }>`
        select count(*)::int as devices, bool_or(mark_hash = ${hash}) as seen
        from known_device where user_id = ${userId}`,
    );
    await statement(
      tx,
      sql`insert into known_device (user_id, mark_hash, agent) values (${userId}, ${hash}, ${agent})
          on conflict (user_id, mark_hash) do update set agent = excluded.agent, last_seen_at = now()`,
    );
    if (known && known.devices >= MAX_DEVICES) await forgetOne(tx, userId, hash);
    return { mark, isNew: known?.seen === false };
  }

  /** For an account that changes hands, or is taken back: its former devices are strangers. */
  async forgetAll(tx: EntityManager, userId: string): Promise<void> {
    await statement(tx, sql`delete from known_device where user_id = ${userId}`);
  }
}

/** What a known device is counted under, in place of the mark itself. */
export const deviceKey = ({ deviceMark }: RequestSource): string =>
  hashOfSecret(deviceMark ?? '').toString('base64url');

const isMark = (text: string | null): text is string => text !== null && MARK.test(text);

/**
 * A client that keeps no cookies leaves a mark at each sign-in that never comes back; those shall not push a browser out. So
 * they go before every mark that did come back, and of them those of the user agent that has most: the mark of a browser
 * that signed in once stays while a script signs in daily. The device that is there now stays in any case: an account
 * that has twenty others would never know a new one.
 */
const forgetOne = (tx: EntityManager, userId: string, present: Buffer) =>
  statement(
    tx,
    sql`delete from known_device where user_id = ${userId} and mark_hash in (
          select mark_hash from known_device where user_id = ${userId} and mark_hash <> ${present}
          order by last_seen_at > first_seen_at desc,
                   row_number() over (partition by last_seen_at > first_seen_at, agent order by last_seen_at desc),
                   last_seen_at desc, first_seen_at desc
          offset ${MAX_DEVICES - 1})`,
  );

/** The last device of an account stays: without any, the next sign-in would count as the first and nobody be told. */
export const forgottenDevices: Chore = {
  name: 'devices not seen for 400 days',
  async sweep(em, limit) {
    const rows = await statement(
      em,
      sql`delete from known_device where (user_id, mark_hash) in (
            select old.user_id, old.mark_hash from known_device old
            where old.last_seen_at < now() - make_interval(secs => ${DEVICE_MEMORY})
              and exists (select from known_device newer
                          where newer.user_id = old.user_id
                            and (newer.last_seen_at, newer.mark_hash) > (old.last_seen_at, old.mark_hash))
            limit ${limit}
          ) returning user_id`,
    );
    return rows.length;
  },
};
