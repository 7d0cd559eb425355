import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { findByName } from '../accounts/index.ts';
import { AuditOutcome } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { isId } from '../platform/id.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import {
  type Connection,
  decodeCursor,
  encodeCursor,
  type PageArguments,
  pageOf,
  parseFirst,
} from '../platform/pagination/index.ts';
import { bareAddress } from '../platform/request/index.ts';
import { AuditEventType } from './audit.types.ts';

export interface AuditQuery {
  userId?: string | null | undefined;
  /** Username or e-mail address. */
  user?: string | null | undefined;
  action?: string | null | undefined;
  outcome?: AuditOutcome | null | undefined;
  ipAddress?: string | null | undefined;
  since?: Date | null | undefined;
  until?: Date | null | undefined;
}

type Condition = RawBuilder<unknown>;

/** Events that one scan of an index finds, newest first. */
interface Walk {
  readonly conditions: readonly Condition[];
  /**
   * Makes one walk for each action with this prefix. A single walk in order of time could pass a million events before
   * a rare action.
   */
  readonly actionPrefix?: string;
}

interface Row {
  id: string;
  at: string;
  /** Microseconds since the epoch, because a cursor must not round. */
  at_us: string;
  action: string;
  actor_id: string | null;
  actor_name: string | null;
  subject_id: string | null;
  subject_name: string | null;
  outcome: AuditOutcome;
  ip_address: string | null;
  user_agent: string | null;
  request_id: string | null;
  details: Record<string, unknown> | null;
}

const ORDER = 'at';
const NOT_A_CURSOR = 'This is not a cursor of this list.';

/** Reads the audit trail page by page in the order of an index, newest first. */
export class AuditTrail {
  /** Reads events of all accounts, for callers with the permission. @throws {BadUserInput} */
  async page(em: EntityManager, page: PageArguments, query: AuditQuery): Promise<Connection<AuditEventType>> {
    const { action, outcome, since, until } = query;
    const { ipAddress } = readFields('filter', { ipAddress: () => readIpAddress(query.ipAddress) });
    const userId = await partyOf(em, query);
    if (userId === null) return this.read(em, page, [{ conditions: [sql`false`] }], toEvent);
    const conditions: Condition[] = [];
    if (since != null) conditions.push(sql`e.at >= ${timestamp(since)}`);
    if (until != null) conditions.push(sql`e.at < ${timestamp(until)}`);
    if (outcome != null) conditions.push(outcomeIs(outcome));
    if (ipAddress !== undefined) conditions.push(sql`e.ip_address = ${ipAddress}`);
    if (userId === undefined && ipAddress === undefined && action?.endsWith('.*')) {
      return this.read(em, page, [{ conditions, actionPrefix: action.slice(0, -1) }], toEvent);
    }
    if (action != null) conditions.push(actionIs(action));
    // Subject and actor have an index each. The newest events of both together are among the newest of each.
    const parties =
      userId === undefined ? [[]] : [[sql`e.subject_id = ${userId}`], [sql`e.actor_id = ${userId}`]];
    return this.read(
      em,
      page,
      parties.map((party) => ({ conditions: [...party, ...conditions] })),
      toEvent,
    );
  }

  /** Reads events about one account, for its owner. @throws {BadUserInput} */
  ownPage(em: EntityManager, page: PageArguments, userId: string): Promise<Connection<AuditEventType>> {
    const own = { conditions: [sql`e.subject_id = ${userId}`] };
    return this.read(em, page, [own], (row) => toOwnEvent(row, userId));
  }

  /** @param walks the scans that find candidates: each event of the list is among the newest of one walk */
  private async read(
    em: EntityManager,
    { first, after }: PageArguments,
    walks: readonly Walk[],
    node: (row: Row) => AuditEventType,
  ): Promise<Connection<AuditEventType>> {
    const { after: cursor } = readFields('', {
      first: () => parseFirst(first),
      after: () => readCursor(after),
    });
    const found = walks.map(({ conditions, actionPrefix }) =>
      actionPrefix === undefined
        ? walk([...conditions, cursor], first + 1)
        : sql`
          (select newest.id, newest.at from (${actionsWith(actionPrefix)}) named
           cross join lateral ${walk([sql`e.action = named.action`, ...conditions, cursor], first + 1)} newest)`,
    );
    const rows = await statement(
      em,
      sql<Row>`
        select e.*, (extract(epoch from e.at) * 1000000)::bigint::text as at_us,
               actor.username as actor_name, subject.username as subject_name
        from (select id, at from (${sql.join(found, sql` union `)}) either
              order by at desc, id desc limit ${first + 1}) page
        join audit_event e on e.id = page.id
        left join users actor on actor.id = e.actor_id
        left join users subject on subject.id = e.subject_id
        order by e.at desc, e.id desc`,
    );
    return pageOf(
      rows,
      { first, after },
      { node, cursor: ({ at_us, id }) => encodeCursor(ORDER, at_us, id) },
    );
  }
}

const walk = (conditions: readonly Condition[], limit: number) => sql`
  (select e.id, e.at from audit_event e
   where ${sql.join([sql`true`, ...conditions], sql` and `)}
   order by e.at desc, e.id desc limit ${limit})`;

/** Finds all recorded actions, some hundred at most, by one index lookup for each. */
function actionsWith(prefix: string): Condition {
  if (prefix.includes('\0')) return sql`select null::text as action where false`;
  return sql`
    with recursive known (action) as (
      (select action from audit_event order by action limit 1)
      union all
      select (select e.action from audit_event e where e.action > known.action order by e.action limit 1)
      from known where known.action is not null
    )
    select action from known where starts_with(action, ${prefix})`;
}

/** Passed as a number, because PostgreSQL cannot read the years 0 and 10,000 as text, which ISO 8601 can write. */
const timestamp = (time: Date) => sql`to_timestamp(${time.getTime() / 1000}::float8)`;

function actionIs(action: string): Condition {
  if (action.includes('\0')) return sql`false`;
  return action.endsWith('.*')
    ? sql`starts_with(e.action, ${action.slice(0, -1)})`
    : sql`e.action = ${action}`;
}

/** Written as a literal: the planner uses a partial index only when it can compare the values. */
const outcomeIs = (outcome: AuditOutcome): Condition => sql`e.outcome = ${sql.lit(outcome)}`;

/**
 * Finds the account whose events the query asks for.
 * @returns undefined when the query names no account; null when it does not exist, or when id and name disagree.
 */
async function partyOf(em: EntityManager, { userId, user }: AuditQuery): Promise<string | null | undefined> {
  if (userId != null && !isId(userId)) return null;
  if (user == null) return userId ?? undefined;
  const found = await findByName(em, user);
  return userId != null && found !== userId ? null : found;
}

/** @throws {InvalidValue} the text is not an IP address. */
function readIpAddress(text: string | null | undefined): string | undefined {
  if (text == null) return undefined;
  const ip = bareAddress(text.trim());
  if (ip === null) throw new InvalidValue('Write one IPv4 or IPv6 address.');
  return ip;
}

/** @throws {InvalidValue} for a cursor of another list. */
function readCursor(after: string | null | undefined): Condition {
  if (after == null) return sql`true`;
  const {
    order,
    key: [microseconds = '', id = '', ...more],
  } = decodeCursor(after);
  if (order !== ORDER || !/^\d{1,17}$/.test(microseconds) || !isId(id) || more.length > 0) {
    throw new InvalidValue(NOT_A_CURSOR);
  }
  return sql`(e.at, e.id) < (timestamptz 'epoch' + ${microseconds}::bigint * interval '1 microsecond', ${id}::uuid)`;
}

const toEvent = (row: Row): AuditEventType =>
  Object.assign(new AuditEventType(), {
    id: row.id,
    at: new Date(row.at),
    action: row.action,
    actor: row.actor_id === null ? null : { id: row.actor_id, username: row.actor_name },
    subject: row.subject_id === null ? null : { id: row.subject_id, username: row.subject_name },
    outcome: row.outcome,
    ipAddress: row.ip_address,
    userAgent: row.user_agent,
    requestId: row.request_id,
    details: row.details,
  });

/** Maps an event for the owner of an account. For acts of other people it hides who they are and their IP. */
const toOwnEvent = (row: Row, userId: string): AuditEventType =>
  row.actor_id === null || row.actor_id === userId
    ? toEvent(row)
    : Object.assign(toEvent(row), { actor: null, ipAddress: null, userAgent: null, requestId: null });
