import type { EntityManager } from '@mikro-orm/postgresql';
import { type EmailOwnership, reserveUsernames, User } from '../accounts/index.ts';
import type { Passwords } from '../passwords/index.ts';
import { PasswordCredential } from '../passwords/password-credential.entity.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement, violatedUniqueConstraint } from '../platform/database/index.ts';
import { newId } from '../platform/id.ts';
import { COMMAND_LINE } from '../platform/request/index.ts';
import { MAX_ROLES_OF_USER, SUPERUSER } from '../roles/index.ts';
import { RoleGrant } from '../roles/role-grant.entity.ts';
import {
  addOwners,
  type Candidate,
  keep,
  NOT_AN_ACCOUNT,
  noOwners,
  type Owner,
  type Owners,
  register,
  sortOut,
} from './import-conflicts.ts';
import { BadRecord, type ParsedRecord, parseRecord } from './user-record.ts';

/**
 * Accounts in one transaction. Its statements stay far below the 65,535 parameters of the protocol. Its locks on names
 * (at most two names an account, with three locks each) stay below the 6,400 that a server has by default.
 */
const BATCH = 500;
/** Attempts for a batch when a concurrent registration takes one of its usernames or addresses. */
const MAX_ATTEMPTS = 5;

/** An account of the file as it was read, or the reason why it could not be read. `number` is its line. */
export type InputRecord = { readonly number: number } & (
  | { readonly record: Readonly<Record<string, unknown>> }
  | { readonly problem: string }
);

export interface ImportReport {
  /** The last line that was read. */
  lines: number;
  imported: number;
  /**
   * Accounts that exist with the same username and address. So a repeated import goes on where the earlier one stopped.
   */
  present: number;
  refused: number;
}

export interface ImportOptions {
  /** Otherwise a line with the role superuser is refused: a file must not create a superuser unnoticed. */
  readonly withSuperusers: boolean;
  /** Checks everything, against the database too, and changes nothing. */
  readonly dryRun: boolean;
  /** Called for each refused account, once for each of its problems. */
  readonly onRefused: (line: number, problem: string) => void;
  /** Called after each batch. @returns false to stop there. */
  readonly onProgress: (report: Readonly<ImportReport>) => boolean;
}

/** Imports accounts from another system, or from another gateway, with the hashes of their passwords. */
export class UserImport {
  constructor(
    private readonly passwords: Passwords,
    private readonly emailOwnership: EmailOwnership,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Imports batch by batch, each in a transaction of its own. Imported accounts stay, and a repeated import finds them
   * present. A refused line does not stop the rest. Existing accounts stay as they are.
   */
  async run(
    fork: () => EntityManager,
    records: AsyncIterable<InputRecord>,
    options: ImportOptions,
  ): Promise<ImportReport> {
    const report: ImportReport = { lines: 0, imported: 0, present: 0, refused: 0 };
    const refuse = (line: number, problems: readonly string[]): void => {
      report.refused += 1;
      for (const problem of problems) options.onRefused(line, problem);
    };
    // The names of earlier batches, which a dry run does not write to the database.
    const planned = options.dryRun ? noOwners() : null;
    const roles = await rolesByName(fork());
    let batch: Candidate[] = [];
    const flush = async (): Promise<boolean> => {
      const { imported, present, refused } = await this.importBatch(fork, batch, roles, planned);
      report.imported += imported;
      report.present += present;
      for (const { line, reason } of refused) refuse(line, [reason]);
      batch = [];
      return options.onProgress(report);
    };

    let unflushed = 0;
    for await (const read of records) {
      const { number: line } = read;
      report.lines = line;
      unflushed += 1;
      try {
        if ('problem' in read) throw new BadRecord([read.problem]);
        batch.push({ line, record: this.parse(read.record, roles, options) });
      } catch (error) {
        if (!(error instanceof BadRecord)) throw error;
        refuse(line, error.problems);
      }
      if (unflushed < BATCH) continue;
      unflushed = 0;
      if (!(await flush())) return report;
    }
    await flush();
    return report;
  }

  private parse(
    given: Readonly<Record<string, unknown>>,
    roles: ReadonlyMap<string, string>,
    { withSuperusers }: ImportOptions,
  ): ParsedRecord {
    const record = parseRecord(given, (hash, pepperId) => this.passwords.parseStored(hash, pepperId));
    if (!record.roles.every((name) => roles.has(name)))
      throw new BadRecord(['roles: there is no such role.']);
    if (record.roles.length > MAX_ROLES_OF_USER)
      throw new BadRecord([`roles: at most ${MAX_ROLES_OF_USER}.`]);
    if (record.roles.includes(SUPERUSER) && !withSuperusers) {
      throw new BadRecord(['roles: superuser is imported only with --with-superusers.']);
    }
    return record;
  }

  private async importBatch(
    fork: () => EntityManager,
    candidates: readonly Candidate[],
    roles: ReadonlyMap<string, string>,
    planned: Owners | null,
  ) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await fork().transactional(async (tx) => {
          const owners = await this.ownersOfKeys(tx, candidates);
          if (planned) addOwners(owners, planned);
          const sorted = sortOut(candidates, owners);
          if (!planned) await this.insert(tx, sorted.fresh, roles);
          else for (const { record } of sorted.fresh) keep(planned, record);
          return { imported: sorted.fresh.length, present: sorted.present, refused: sorted.refused };
        });
      } catch (error) {
        if (violatedUniqueConstraint(error) === undefined || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  private async insert(
    tx: EntityManager,
    fresh: readonly Candidate[],
    roles: ReadonlyMap<string, string>,
  ): Promise<void> {
    if (fresh.length === 0) return;
    const accounts = fresh.map(({ record }) => ({ id: record.id ?? newId(), record }));
    await tx.insertMany(
      User,
      accounts.map(({ id, record }) => ({
        id,
        username: record.username.username,
        usernameKey: record.username.key,
        usernameSkeletons: record.username.skeletons,
        email: record.email?.email ?? null,
        emailKey: record.email?.key ?? null,
        emailConfirmedAt: record.email && record.emailConfirmed ? new Date() : null,
        displayName: record.displayName,
        deactivatedBy: record.deactivatedBy,
        createdAt: record.createdAt ?? new Date(),
      })),
    );
    const credentials = accounts.flatMap(({ id, record: { password } }) =>
      password ? [{ userId: id, hash: password.hash, pepperId: password.pepperId }] : [],
    );
    if (credentials.length > 0) await tx.insertMany(PasswordCredential, credentials);
    const grants = accounts.flatMap(({ id, record }) =>
      record.roles.map((name) => ({ userId: id, role: roles.get(name) ?? '' })),
    );
    if (grants.length > 0) await tx.insertMany(RoleGrant, grants);
    await this.audit.recordAll(
      tx,
      COMMAND_LINE,
      accounts.map(({ id, record }) => ({
        action: 'account.imported',
        actorId: null,
        subjectId: id,
        ...(record.roles.length > 0 && { details: { roles: record.roles } }),
      })),
    );
  }

  private async ownersOfKeys(tx: EntityManager, candidates: readonly Candidate[]): Promise<Owners> {
    const records = candidates.map(({ record }) => record);
    const names = records.flatMap(({ username, otherUsername }) => [
      username,
      ...(otherUsername ? [otherUsername] : []),
    ]);
    const usernames = names.map(({ key }) => key);
    const emails = records.flatMap(({ email }) => (email ? [email.key] : []));
    const ids = records.flatMap(({ id }) => (id === undefined ? [] : [id]));
    const taken = await reserveUsernames(tx, names);
    const kept = await this.emailOwnership.keptAmong(tx, emails);
    const rows = await statement(
      tx,
      sql<Owner & { id: string }>`
        select id, username_key, email_key from users where username_key = any(${usernames}::text[])
        union
        select id, username_key, email_key from users where email_key = any(${emails}::text[])
        union
        select id, username_key, email_key from users where id = any(${ids}::uuid[])`,
    );
    const owners: Owners = { ...noOwners(), skeletons: new Set(taken.skeletons) };
    for (const key of taken.keys) owners.byUsername.set(key, NOT_AN_ACCOUNT);
    for (const key of kept) owners.byEmail.set(key, NOT_AN_ACCOUNT);
    for (const { id, ...owner } of rows) register(owners, id, owner);
    return owners;
  }
}

async function rolesByName(em: EntityManager): Promise<ReadonlyMap<string, string>> {
  const rows = await statement(em, sql<{ id: string; name: string }>`select id, name from role`);
  return new Map(rows.map(({ id, name }) => [name, id]));
}
