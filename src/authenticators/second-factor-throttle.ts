import type { EntityManager } from '@mikro-orm/postgresql';
import { guessRounds, inRound } from '../guesses/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { RateLimited } from '../platform/errors.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import type { BucketRule, Charge, RateLimiter } from '../platform/rate-limit/index.ts';
import type { FactorKind } from './second-factor-input.ts';

/**
 * Guesses at the second factor of one account, from all sources together: ten, then ten an hour, which is 240 a day. At
 * that rate an attacker finds a code of six digits, of which three are valid at a time, in one day out of 1,400.
 */
export const SECOND_FACTOR_RULES = {
  /** Security codes and recovery codes together. */
  'secondFactor.account': {
    burst: 10,
    perSeconds: 3600,
    counts:
      'account: wrong codes and recovery codes together, at every operation. In PostgreSQL, for all processes',
  },
  /**
   * Recovery codes. They are left when the other guesses are used up, so that guessing security codes cannot lock the
   * owner out of them.
   */
  'secondFactor.recovery': {
    burst: 5,
    perSeconds: 3600,
    counts: 'account: wrong recovery codes, likewise; these remain when the limit above is used up',
  },
  /**
   * Both kinds together, when a signed-in caller gives them. The limit is below both others, so that the thief of a
   * session leaves some guesses for the owner's sign-ins.
   */
  'secondFactor.session': {
    burst: 4,
    perSeconds: 3600,
    counts:
      'session: wrong codes of both kinds in its operations; it is below the limits of the account, which leaves some guesses to the sign-ins of the owner',
  },
} as const;

/**
 * Counts guesses in PostgreSQL, so that all processes share the count, with or without Redis. A guess is charged before
 * the code is checked, by one conditional statement in a transaction of its own. So neither a race nor a rollback makes
 * a guess free. A bucket is stored as the time at which it will be full. Each guess moves this time later by the
 * seconds in which one guess is refilled.
 */
export class SecondFactorThrottle {
  constructor(private readonly rateLimiter: RateLimiter<keyof typeof SECOND_FACTOR_RULES>) {}

  /**
   * Charges one guess.
   * @param sessionId of the caller; null at a sign-in
   * @returns false for an account without a second factor.
   * @throws {RateLimited} the account or the session has no guesses left.
   */
  async spend(
    em: EntityManager,
    userId: string,
    kind: FactorKind,
    sessionId: string | null,
  ): Promise<boolean> {
    await this.rateLimiter.charge(...(await ofSession(em, userId, sessionId)));
    return this.spendOfAccount(em, userId, kind);
  }

  private async spendOfAccount(em: EntityManager, userId: string, kind: FactorKind): Promise<boolean> {
    const { all, recovery } = this.rules();
    if (!all || !recovery) return this.hasSecondFactor(em, userId);
    const recoveryCost = kind === 'recovery' ? costOf(recovery) : 0;
    const left =
      kind === 'recovery'
        ? sql<boolean>`g.recovery_full_at <= ${fullAfter(recovery, recovery.burst - 1)}`
        : sql<boolean>`g.full_at <= ${fullAfter(all, all.burst - 1)}`;
    const spent = await statement(
      em,
      sql`
        insert into second_factor_guesses as g (user_id, full_at, recovery_full_at)
        select id, ${after(costOf(all))}, ${after(recoveryCost)}
        from users where id = ${userId} and second_factor_since is not null
        on conflict (user_id) do update
        set full_at = least(greatest(g.full_at, now()) + ${seconds(costOf(all))}, ${fullAfter(all, all.burst)}),
            recovery_full_at = greatest(g.recovery_full_at, now()) + ${seconds(recoveryCost)}
        where ${left}
        returning g.user_id`,
    );
    if (spent.length > 0) return true;
    if (!(await this.hasSecondFactor(em, userId))) return false;
    const wait = await this.wait(em, userId, kind, { all, recovery });
    throw new RateLimited(wait, 'the account has no guesses at its second factor left', {
      subjectId: userId,
    });
  }

  /** Refunds a guess that was right, in the transaction that relies on it. */
  async giveBack(
    tx: EntityManager,
    userId: string,
    kind: FactorKind,
    sessionId: string | null,
  ): Promise<void> {
    await this.rateLimiter.giveBack(...(await ofSession(tx, userId, sessionId)));
    const { all, recovery } = this.rules();
    if (!all || !recovery) return;
    await statement(
      tx,
      sql`update second_factor_guesses
          set full_at = full_at - ${seconds(costOf(all))},
              recovery_full_at = recovery_full_at - ${seconds(kind === 'recovery' ? costOf(recovery) : 0)}
          where user_id = ${userId}`,
    );
  }

  /** Refills all guesses of an account that an administrator unlocks. */
  async refill(tx: EntityManager, userId: string): Promise<void> {
    await statement(tx, sql`delete from second_factor_guesses where user_id = ${userId}`);
  }

  private rules() {
    return {
      all: this.rateLimiter.rule('secondFactor.account'),
      recovery: this.rateLimiter.rule('secondFactor.recovery'),
    };
  }

  private async hasSecondFactor(em: EntityManager, userId: string): Promise<boolean> {
    const rows = await statement(
      em,
      sql`select from users where id = ${userId} and second_factor_since is not null`,
    );
    return rows.length > 0;
  }

  /** Whole seconds until the next guess is allowed. */
  private async wait(
    em: EntityManager,
    userId: string,
    kind: FactorKind,
    { all, recovery }: { all: BucketRule; recovery: BucketRule },
  ): Promise<number> {
    const until =
      kind === 'recovery'
        ? sql`recovery_full_at - ${fullAfter(recovery, recovery.burst - 1)}`
        : sql`full_at - ${fullAfter(all, all.burst - 1)}`;
    const [row] = await statement(
      em,
      sql<{ wait: number }>`
        select greatest(1, ceil(extract(epoch from ${until})))::int as wait
        from second_factor_guesses where user_id = ${userId}`,
    );
    return row?.wait ?? 1;
  }
}

const ofSession = async (
  em: EntityManager,
  userId: string,
  sessionId: string | null,
): Promise<ReadonlyArray<Charge<'secondFactor.session'>>> =>
  sessionId === null ? [] : [['secondFactor.session', inRound(sessionId, await guessRounds.of(em, userId))]];

/** Seconds in which one guess is refilled. */
const costOf = ({ burst, perSeconds }: BucketRule): number => perSeconds / burst;
const seconds = (count: number) => sql`make_interval(secs => ${count})`;
const after = (count: number) => sql`(now() + ${seconds(count)})`;
/** The time at which a bucket will be full, if `spent` guesses are taken from a full one now. */
const fullAfter = (rule: BucketRule, spent: number) => after(costOf(rule) * spent);

/** Removes rows of full buckets, which mean the same as a missing row. */
export const fullAllowances = expiredRows(
  'full second factor allowances',
  'second_factor_guesses',
  sql`full_at < now() and recovery_full_at < now()`,
);
