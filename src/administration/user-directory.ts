import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { type AccountRow, accountColumns, toAccount, type UserType, usernameKey } from '../accounts/index.ts';
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
import { isRoleName } from '../roles/index.ts';

export interface UserQuery {
  search?: string | null | undefined;
  role?: string | null | undefined;
  isActive?: boolean | null | undefined;
}

type Condition = RawBuilder<unknown>;

/** A walk through users in the order of one index, so that each page reads only its own rows. */
interface Walk {
  /** Names the walk in a cursor. */
  readonly name: string;
  readonly key: RawBuilder<unknown>;
  readonly descending: boolean;
  readonly condition: Condition;
}

/** The page that `walk` reads. */
interface PageToRead {
  readonly walks: readonly Walk[];
  /** The last row seen; null for the first page. */
  readonly cursor: Cursor | null;
  readonly filter: Filter;
  /** Rows. */
  readonly limit: number;
}

interface Cursor {
  /** Index of the walk. */
  readonly walk: number;
  readonly key: string;
}

interface Row extends AccountRow {
  walk: string;
  key: string;
}

const ID = sql`u.id`;
const USERNAME = sql`u.username_key collate "C"`;
const EMAIL = sql`u.email_key collate "C"`;
const EVERY_USER = sql`true`;
const NO_USER = sql`false`;

/**
 * Lists users page by page. A cursor names the last row seen in the order of an index (keyset). So every page costs as
 * much as the first, and rows that come and go do not move the others.
 *
 * Without a search, the newest come first. With a search, accounts whose username begins with the text come first, by
 * username. Then come accounts of which only the address begins with it, by address. These are two walks, because a
 * common order would have to be sorted for each page.
 */
export class UserDirectory {
  /** @throws {BadUserInput} */
  async page(
    em: EntityManager,
    { first, after }: PageArguments,
    query: UserQuery,
  ): Promise<Connection<UserType>> {
    const { walks, after: cursor } = readFields('', {
      first: () => parseFirst(first),
      walks: () => walksFor(query),
      after: () => readCursor(after, walksFor(query)),
    });
    const rows = await this.walk(em, {
      walks,
      cursor,
      filter: await filterOf(em, query),
      limit: first + 1,
    });
    return pageOf(
      rows,
      { first, after },
      { node: toAccount, cursor: ({ walk, key }) => encodeCursor(walk, key) },
    );
  }

  async count(em: EntityManager, query: UserQuery): Promise<number> {
    const matching = walksFor(query).map(({ condition }) => condition);
    const conditions = conditionsOf(await filterOf(em, query), null);
    const [row] = await statement(
      em,
      sql<{ count: number }>`
        select count(*)::int as count from users u
        where (${sql.join(matching, sql` or `)}) and ${sql.join(conditions, sql` and `)}`,
    );
    return row?.count ?? 0;
  }

  /** Reads any page by one statement. A walk begins only if the walks before it did not fill the page. */
  private walk(em: EntityManager, { walks, cursor, filter, limit }: PageToRead): Promise<Row[]> {
    const begun = walks.slice(cursor?.walk ?? 0);
    const parts = begun.map(({ name, key, descending, condition }, index) => {
      const beyond = cursor && index === 0 ? sql`${descending ? sql`<` : sql`>`} ${cursor.key}` : null;
      const before = begun.slice(0, index).map((walk) => sql`(select count(*) from ${sql.id(walk.name)})`);
      const room = before.length === 0 ? EVERY_USER : sql`${sql.join(before, sql` + `)} < ${limit}`;
      return sql`
        ${sql.id(name)} as materialized (
          select ${name} as walk, (${key})::text as key, ${accountColumns} from users u
          where ${sql.join([condition, beyond ? sql`${key} ${beyond}` : EVERY_USER, room, ...conditionsOf(filter, key === ID ? beyond : null)], sql` and `)}
          order by ${key} ${descending ? sql`desc` : sql`asc`} limit ${limit})`;
    });
    const all = begun.map(
      ({ name }, index) => sql`select ${index}::int as walk_order, * from ${sql.id(name)}`,
    );
    const [only] = begun;
    const order = begun.length === 1 && only?.descending ? sql`key desc` : sql`walk_order, key collate "C"`;
    return statement(
      em,
      sql<Row>`with ${sql.join(parts)} select * from (${sql.join(all, sql` union all `)}) found order by ${order} limit ${limit}`,
    );
  }
}

function walksFor({ search }: UserQuery): Walk[] {
  const text = (search ?? '').trim();
  if (text === '') return [{ name: 'newest', key: ID, descending: true, condition: EVERY_USER }];
  const email = begins(EMAIL, text.toLowerCase());
  // A username never contains an @.
  if (text.includes('@')) return [{ name: 'email', key: EMAIL, descending: false, condition: email }];
  const prefix = usernameKey(text);
  const username = prefix === '' ? NO_USER : begins(USERNAME, prefix);
  // The first walk finds accounts whose local part is the username. This condition leaves them out. It costs nothing,
  // and without it this walk would have to skip all of them.
  const other = sql`${email} and split_part(u.email_key, '@', 1) <> u.username_key and not (${username})`;
  return [
    { name: 'username', key: USERNAME, descending: false, condition: username },
    { name: 'address', key: EMAIL, descending: false, condition: other },
  ];
}

const begins = (key: RawBuilder<unknown>, prefix: string): Condition =>
  prefix.includes('\0') ? NO_USER : sql`${key} like ${`${prefix.replace(/[\\%_]/g, '\\$&')}%`}`;

/** @throws {InvalidValue} for a cursor of another list. */
function readCursor(after: string | null | undefined, walks: readonly Walk[]): Cursor | null {
  if (after == null) return null;
  const {
    order,
    key: [key, ...more],
  } = decodeCursor(after);
  const walk = walks.findIndex(({ name }) => name === order);
  const usable = key !== undefined && more.length === 0 && !key.includes('\0');
  if (walk === -1 || !usable || (order === 'newest' && !isId(key))) {
    throw new InvalidValue('This is not a cursor of this list.');
  }
  return { walk, key };
}

/** The conditions besides the search. */
interface Filter {
  readonly isActive: boolean | null;
  /** Undefined: any role or none. Null: a role that does not exist. */
  readonly roleId: string | null | undefined;
}

async function filterOf(em: EntityManager, { role, isActive = null }: UserQuery): Promise<Filter> {
  if (role == null) return { isActive, roleId: undefined };
  if (!isRoleName(role)) return { isActive, roleId: null };
  // Read in a statement of its own: from the id, the planner knows how many users have the role.
  const [found] = await statement(em, sql<{ id: string }>`select id from role where name = ${role}`);
  return { isActive, roleId: found?.id ?? null };
}

/**
 * @param beyond the comparison with the user id at which a walk by ids begins. Applied to grants too, it saves reading
 *   them
 */
function conditionsOf({ isActive, roleId }: Filter, beyond: Condition | null): Condition[] {
  const conditions: Condition[] = [EVERY_USER];
  if (isActive !== null) {
    conditions.push(isActive ? sql`u.deactivated_by is null` : sql`u.deactivated_by is not null`);
  }
  if (roleId === null) conditions.push(NO_USER);
  else if (roleId !== undefined) {
    const further = beyond ? sql`g.user_id ${beyond}` : EVERY_USER;
    conditions.push(
      sql`u.id in (select g.user_id from role_grant g where g.role_id = ${roleId} and ${further})`,
    );
  }
  return conditions;
}
