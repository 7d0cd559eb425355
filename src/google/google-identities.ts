import type { EntityManager } from '@mikro-orm/postgresql';
import { SignInChallenge } from '../authentication/sign-in-challenge.entity.ts';
import type { ProvidedIdentities, ProvidedIdentity } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';
import { newId } from '../platform/id.ts';
import type { RequestSource } from '../platform/request/index.ts';
import { GoogleIdentity } from './google-identity.entity.ts';
import { GOOGLE, type GOOGLE_NOTICES } from './provider.ts';

/** The key of a Google account. It is a type, not an interface, so that it is a record of texts. */
export type GoogleKey = { readonly issuer: string; readonly subject: string };

/** Links Google accounts to accounts. */
export class GoogleIdentities implements ProvidedIdentities {
  constructor(
    private readonly notices: OwnerNotices<keyof typeof GOOGLE_NOTICES>,
    private readonly audit: AuditLog,
  ) {}

  find(em: EntityManager, { issuer, subject }: GoogleKey): Promise<GoogleIdentity | null> {
    return em.findOne(GoogleIdentity, { issuer, subject });
  }

  /** Locks the link until the transaction ends. @returns false when the link was removed. */
  async stillHolds(tx: EntityManager, { id, userId }: GoogleIdentity): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`select from google_identity where id = ${id} and user_id = ${userId} for share`,
    );
    return rows.length > 0;
  }

  async isLinked(em: EntityManager, userId: string): Promise<boolean> {
    return (await em.count(GoogleIdentity, { userId })) > 0;
  }

  /** Of many accounts, those with a linked Google account. */
  async linkedAmong(em: EntityManager, userIds: readonly string[]): Promise<ReadonlyMap<string, true>> {
    const rows = await em.find(GoogleIdentity, { userId: { $in: [...userIds] } }, { fields: ['userId'] });
    return new Map(rows.map(({ userId }) => [userId, true]));
  }

  /**
   * Links a Google account for an owner who proved the account. A Google account that was linked before is unlinked.
   */
  async link(
    tx: EntityManager,
    userId: string,
    identity: ProvidedIdentity,
    source: RequestSource,
  ): Promise<void> {
    const { issuer = '', subject = '' } = identity;
    const bound = await this.find(tx, { issuer, subject });
    if (bound?.userId === userId) return;
    if (bound) throw googleAccountTaken();
    const replaced = await this.removeFrom(tx, userId);
    const added = await statement(
      tx,
      sql`insert into google_identity (id, user_id, issuer, subject)
          values (${newId()}, ${userId}, ${issuer}, ${subject})
          on conflict (issuer, subject) do nothing returning id`,
    );
    if (added.length === 0) throw googleAccountTaken();
    if (replaced > 0) await this.tellUnlinked(tx, userId, source);
    await this.notices.tell(tx, userId, 'google-linked', source);
    await this.audit.record(tx, source, { action: 'google.linked', actorId: userId, subjectId: userId });
  }

  /** Tells the owner that a Google account was unlinked at their request, and audits it. */
  async tellUnlinked(tx: EntityManager, userId: string, source: RequestSource): Promise<void> {
    await this.notices.tell(tx, userId, 'google-unlinked', source);
    await this.audit.record(tx, source, { action: 'google.unlinked', actorId: userId, subjectId: userId });
  }

  /** Adds a link. It violates a unique constraint if either account has another link already. */
  async add(tx: EntityManager, userId: string, { issuer, subject }: GoogleKey): Promise<GoogleIdentity> {
    const identity = tx.create(GoogleIdentity, { userId, issuer, subject });
    await tx.persist(identity).flush();
    return identity;
  }

  /**
   * Removes the link, and voids sign-ins by it that wait for their second step, because their first step no longer
   * holds.
   */
  async removeFrom(tx: EntityManager, userId: string): Promise<number> {
    const removed = await tx.nativeDelete(GoogleIdentity, { userId });
    if (removed > 0) await tx.nativeDelete(SignInChallenge, { userId, amr: { $contains: [GOOGLE.method] } });
    return removed;
  }
}

/** Does not tell which account it is linked to. */
const googleAccountTaken = (): Conflict => new Conflict('This Google account is linked already.');
