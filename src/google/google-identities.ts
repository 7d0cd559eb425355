import type { EntityManager } from '@mikro-orm/postgresql';
import { SignInChallenge } from '../authentication/sign-in-challenge.entity.ts';
import type { IdentityProvider, ProvidedIdentity } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';
import { newId } from '../platform/id.ts';
import type { RequestSource } from '../platform/request/index.ts';
import { GoogleIdentity } from './google-identity.entity.ts';

/** How sessions and pending sign-ins name a sign-in by Google (`amr`). */
export const GOOGLE_METHOD = 'google';

/** The key of a Google account. A type, not an interface, so that it is a record of texts. */
export type GoogleKey = { readonly issuer: string; readonly subject: string };

/** Which Google accounts sign in to which accounts. */
export class GoogleIdentities implements IdentityProvider {
  readonly name = 'google';

  constructor(
    readonly isOn: boolean,
    private readonly notices: OwnerNotices,
    private readonly audit: AuditLog,
  ) {}

  find(em: EntityManager, { issuer, subject }: GoogleKey): Promise<GoogleIdentity | null> {
    return em.findOne(GoogleIdentity, { issuer, subject });
  }

  /** Keeps the link until the transaction ends. @returns false when it is gone. */
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

  /** Those of the accounts that one signs in to. */
  async linkedAmong(em: EntityManager, userIds: readonly string[]): Promise<ReadonlyMap<string, true>> {
    const rows = await em.find(GoogleIdentity, { userId: { $in: [...userIds] } }, { fields: ['userId'] });
    return new Map(rows.map(({ userId }) => [userId, true]));
  }

  /** For the owner, who proved the account. The Google account that was linked before no longer signs in. */
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

  /** Of what removeFrom took away at the owner's wish. */
  async tellUnlinked(tx: EntityManager, userId: string, source: RequestSource): Promise<void> {
    await this.notices.tell(tx, userId, 'google-unlinked', source);
    await this.audit.record(tx, source, { action: 'google.unlinked', actorId: userId, subjectId: userId });
  }

  /** Runs into a unique constraint when the Google account, or the account, has another counterpart. */
  async add(tx: EntityManager, userId: string, { issuer, subject }: GoogleKey): Promise<GoogleIdentity> {
    const identity = tx.create(GoogleIdentity, { userId, issuer, subject });
    await tx.persist(identity).flush();
    return identity;
  }

  /** A sign-in by it that waits for its second step is void too: what its first step rests on is gone. */
  async removeFrom(tx: EntityManager, userId: string): Promise<number> {
    const removed = await tx.nativeDelete(GoogleIdentity, { userId });
    if (removed > 0) await tx.nativeDelete(SignInChallenge, { userId, amr: { $contains: [GOOGLE_METHOD] } });
    return removed;
  }
}

/** Says nothing of where it is linked. */
const googleAccountTaken = (): Conflict => new Conflict('This Google account is linked already.');
