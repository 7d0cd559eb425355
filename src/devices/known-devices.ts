import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnerNotices } from '../notices/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { Chore } from '../platform/housekeeping/housekeeping.ts';
import { hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import type { RequestSource } from '../platform/request/index.ts';
import { DEVICE_MEMORY } from './device-cookie.ts';
import type { DEVICE_NOTICES } from './notices.ts';

const MARK = /^[\w-]{43}$/;
/**
 * Maximum number of devices of one account. Each has a rate limit of its own, so their number limits the guesses from all of them
 * together.
 */
const MAX_DEVICES = 20;

/** Remembers the devices that sign in to an account, and tells its owner about new ones. */
export class KnownDevices {
  constructor(private readonly notices: OwnerNotices<keyof typeof DEVICE_NOTICES>) {}

  /**
   * Whether a person has signed in to this account from the device of the request. It also queries for an unknown
   * account (null), so that the time does not tell whether the account exists.
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
   * Remembers the device in the transaction of a sign-in, which holds the lock on the account. It tells the owner if
   * the account does not know the mark. A user agent proves nothing, because a thief can send the owner's. The first
   * sign-in has no earlier device to compare with, so it causes no notice.
   * @returns the mark for the cookie of the device. An existing mark stays, because other accounts know it too.
   */
  async remember(tx: EntityManager, userId: string, source: RequestSource): Promise<string> {
    const { mark, isNew } = await this.keep(tx, userId, source);
    if (isNew) await this.notices.tell(tx, userId, 'new-device', source);
    return mark;
  }

  /**
   * Remembers the device that changed the password or used a mailed link, in the transaction of that act. So the next
   * login from it is counted for the device only, and guesses of strangers do not delay it. The act has a notice of its
   * own.
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

  /**
   * Forgets all devices of an account that gets another owner or returns to its owner. They are strangers from then on.
   */
  async forgetAll(tx: EntityManager, userId: string): Promise<void> {
    await statement(tx, sql`delete from known_device where user_id = ${userId}`);
  }
}

/** The key under which a known device is counted, instead of the mark itself. */
export const deviceKey = ({ deviceMark }: RequestSource): string =>
  hashOfSecret(deviceMark ?? '').toString('base64url');

const isMark = (text: string | null): text is string => text !== null && MARK.test(text);

/**
 * Forgets one device of an account that has too many. A client without cookies leaves a new mark at each sign-in, which
 * never comes back. Such marks must not displace browsers, so they go before every mark that did come back. Among them,
 * marks of the user agent with the most marks go first. So a script that signs in daily displaces its own marks, and
 * not the mark of a browser that signed in once. The present device always stays: otherwise an account with twenty
 * others could never know a new one.
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

/**
 * Forgets old devices, but keeps the last one of each account. Without it, the next sign-in would count as the first
 * and cause no notice.
 */
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
