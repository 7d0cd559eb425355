import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from '../platform/database/index.ts';

/** The content of an access token about its subject, besides the session. */
export interface Subject {
  readonly userId: string;
  readonly epoch: number;
  /** Names, sorted. */
  readonly roles: readonly string[];
  /** Whether the account has a second factor. */
  readonly secondFactor: boolean;
  /** Status of the KYC record; null without one. */
  readonly kyc: string | null;
}

/**
 * Columns of a statement about a user `u`. They come from one snapshot, so that a race cannot combine old roles with a
 * new epoch.
 */
export interface SubjectColumns {
  readonly epoch: number;
  readonly roles: string[];
  readonly second_factor: boolean;
  readonly kyc: string | null;
}

export const subjectColumns = sql`
  u.epoch, u.second_factor_since is not null as second_factor,
  array(select r.name from role_grant g join role r on r.id = g.role_id
                 where g.user_id = u.id order by r.name) as roles,
  (select k.status from kyc_record k where k.user_id = u.id) as kyc`;

/**
 * Condition for issuing tokens to a user `u` in this session. A store that lost a revocation cannot revive the session.
 */
export const mayHaveTokens = (sessionId: string): RawBuilder<boolean> => sql`
  u.deactivated_by is null
  and not exists (select from ending e where e.session_id = ${sessionId} and e.kind = 'SESSION')`;

/** @returns null when the account is gone or deactivated, or the session has ended. */
export async function loadSubject(
  em: EntityManager,
  userId: string,
  sessionId: string,
): Promise<Subject | null> {
  const [row] = await statement(
    em,
    sql<SubjectColumns>`select ${subjectColumns} from users u where u.id = ${userId} and ${mayHaveTokens(sessionId)}`,
  );
  return row ? subjectOf(userId, row) : null;
}

export function subjectOf(
  userId: string,
  { epoch, roles, second_factor: secondFactor, kyc }: SubjectColumns,
): Subject {
  return { userId, epoch, roles, secondFactor, kyc };
}
