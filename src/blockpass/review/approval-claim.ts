import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { Caller } from '../../platform/request/index.ts';

/** Seconds for which a running approval keeps others out: longer than the calls that issue a certificate. */
const APPROVAL_CLAIM = 60;

/** True when no approval of the record has a valid claim. */
export const noApproval = sql`(approval_until is null or approval_until < now())`;

/** True when the record has this claim. */
export const isClaim = (claim: string) => sql`approval_until = ${claim}::timestamptz`;

/**
 * Claims the approval of a record, because two concurrent approvals would issue two certificates.
 * @returns a value that proves the claim; null when the caller does not review the record, or another approval has the
 *   claim. An approval that took too long no longer matches the claim, and is not written.
 */
export async function claimApproval(em: EntityManager, id: string, reviewer: Caller): Promise<string | null> {
  const [claimed] = await statement(
    em,
    sql<{ claim: string }>`
      update kyc_record set approval_until = now() + make_interval(secs => ${APPROVAL_CLAIM})
      where id = ${id} and status = 'IN_REVIEW' and reviewer_id = ${reviewer.userId} and ${noApproval}
      returning approval_until::text as claim`,
  );
  return claimed?.claim ?? null;
}

/** Ends a claim before it expires. */
export async function releaseApproval(em: EntityManager, id: string, claim: string): Promise<void> {
  await statement(
    em,
    sql`update kyc_record set approval_until = null where id = ${id} and ${isClaim(claim)}`,
  );
}
