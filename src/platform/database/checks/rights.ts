import { fail, failIn, ok, type Result, warn } from '../../doctor/check.ts';
import { MIGRATIONS_TABLE } from '../migrations.ts';
import { sql, statement } from '../statement.ts';
import { ADVICE, CONNECTION, type DatabaseCheck } from './on-connection.ts';

interface Privilege {
  name: string;
  verb: string;
  granted: boolean;
  owned: boolean;
}

const privileges = (tables: readonly string[]) => sql<Privilege>`
  select c.relname as name, verb, has_table_privilege(c.oid, verb) as granted,
    pg_has_role(c.relowner, 'usage') as owned
  from pg_class c cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as verb
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname = any(${tables})
  order by 1, 2`;

const GRANT =
  'Run "gatehouse migrate up" with DATABASE_MIGRATION_URL, which grants the rights of this release again.';

/** The serving login has what the gateway needs. */
export const rights: DatabaseCheck = {
  name: 'database.rights',
  after: CONNECTION,
  async run({ fork, declared: { rights } }) {
    const em = fork();
    const tables: Readonly<Record<string, readonly string[]>> = {
      ...rights.tables,
      [MIGRATIONS_TABLE]: ['select'],
    };
    const found = await statement(em, privileges(Object.keys(tables)));
    const functions = await statement(
      em,
      sql<{ name: string }>`select name from unnest(${rights.functions}::text[]) as name
        where to_regprocedure(name) is not null and not has_function_privilege(to_regprocedure(name), 'execute')`,
    );
    const missing = [
      ...found
        .filter(({ name, verb, granted }) => !granted && tables[name]?.includes(verb))
        .map(describeRight),
      ...functions.map(({ name }) => `execute ${name}`),
    ];
    return missing.length === 0
      ? ok('The serving login has every right that it needs.')
      : fail(`The serving login lacks rights: ${listed(missing)}.`, GRANT);
  },
};

interface Role {
  name: string;
  superuser: boolean;
  createrole: boolean;
  createdb: boolean;
  bypassrls: boolean;
}

/** The serving login can do nothing else. An attacker who takes it over then cannot either. */
export const excess: DatabaseCheck = {
  name: 'database.excess-rights',
  after: CONNECTION,
  async run({ config, fork, declared: { rights } }) {
    const em = fork();
    const problem = failIn(config.production);
    const [role] = await statement(
      em,
      sql<Role>`select rolname as name, rolsuper as superuser, rolcreaterole as createrole, rolcreatedb as createdb,
        rolbypassrls as bypassrls from pg_roles where rolname = current_user`,
    );
    if (!role) return fail('The serving login is not in pg_roles.', ADVICE);
    if (role.superuser)
      return problem(
        `The serving login ${role.name} is a superuser, and can read and change everything.`,
        'Let DATABASE_URL name a login that is neither superuser nor owner of the tables.',
      );
    const results: Result[] = [];
    const attributes = (['createrole', 'createdb', 'bypassrls'] as const).filter((name) => role[name]);
    if (attributes.length > 0)
      results.push(
        warn(
          `The serving login ${role.name} has ${attributes.join(', ').toUpperCase()}, which it does not need.`,
          `Run: alter role "${role.name}" ${attributes.map((name) => `no${name}`).join(' ')}`,
        ),
      );
    const found = await statement(em, privileges(Object.keys(rights.tables)));
    if (found.some(({ owned }) => owned)) {
      results.push(
        warn(
          `The serving login ${role.name} also owns tables, so an attacker who takes it over can change the audit trail.`,
          'Give DATABASE_MIGRATION_URL a login of its own that owns the tables, and run "gatehouse migrate up" with it.',
        ),
      );
      return results;
    }
    const more = found.filter(
      ({ name, verb, granted }) => granted && !(rights.tables[name] as readonly string[]).includes(verb),
    );
    const [audit, others] = [more.filter(isAudit), more.filter((row) => !isAudit(row))];
    if (audit.length > 0)
      results.push(
        problem(`The serving login may change the audit trail: ${listed(audit.map(describeRight))}.`, GRANT),
      );
    if (others.length > 0)
      results.push(
        warn(
          `The serving login has rights that it does not need: ${listed(others.map(describeRight))}.`,
          GRANT,
        ),
      );
    return results.length > 0 ? results : ok('The serving login has no right that it does not need.');
  },
};

const isAudit = ({ name }: Privilege): boolean => name === 'audit_event';
const describeRight = ({ verb, name }: Privilege): string => `${verb} on ${name}`;

const MOST_NAMED = 5;
const listed = (names: readonly string[]): string =>
  names.length <= MOST_NAMED
    ? names.join(', ')
    : `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`;
