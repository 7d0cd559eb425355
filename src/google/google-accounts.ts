import type { EntityManager } from '@mikro-orm/postgresql';
import {
  type EmailAddress,
  type EmailOwnership,
  emailKey,
  lockAccount,
  pendingRegistrations,
  registerFederated,
} from '../accounts/index.ts';
import type { IssuedLinkChallenge, LinkChallenges } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { violatedUniqueConstraint } from '../platform/database/index.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { AccountClaim } from '../recovery/index.ts';
import type { AnnouncedTransaction, Revocations } from '../sessions/index.ts';
import { type GoogleClaims, isAuthoritative } from './google-claims.ts';
import type { GoogleIdentities } from './google-identities.ts';
import type { GoogleIdentity } from './google-identity.entity.ts';
import { GOOGLE, type GOOGLE_NOTICES } from './provider.ts';

/** Attempts for a decision when concurrent requests change what it depends on. */
const ATTEMPTS = 4;

/** Unique constraints whose violation means that the decision must be made again. */
const OVERTAKEN = new Set([
  'google_identity_issuer_subject_unique',
  'google_identity_user_id_unique',
  'users_email_key_unique',
  'users_username_key_unique',
]);

export type AccountDecision =
  | { readonly kind: 'account'; readonly identity: GoogleIdentity }
  | { readonly kind: 'linkRequired'; readonly challenge: IssuedLinkChallenge }
  | { readonly kind: 'refused'; readonly userId: string };

/** The parts that `GoogleAccounts` uses. */
export interface GoogleAccountsDependencies {
  readonly identities: GoogleIdentities;
  readonly linkChallenges: LinkChallenges;
  readonly emailOwnership: EmailOwnership;
  readonly claim: AccountClaim;
  readonly revocations: Revocations;
  readonly notices: OwnerNotices<keyof typeof GOOGLE_NOTICES>;
  readonly audit: AuditLog;
}

/** Decides which account a Google account belongs to. It does not sign in. */
export class GoogleAccounts {
  constructor(private readonly deps: GoogleAccountsDependencies) {}

  /** Finds the account, creates it, or links one that certainly belongs to the same person. */
  async decide(em: EntityManager, claims: GoogleClaims, source: RequestSource): Promise<AccountDecision> {
    for (let attempt = 1; ; attempt += 1) {
      const known = await this.deps.identities.find(em.fork(), claims);
      if (known) return { kind: 'account', identity: known };
      try {
        return await this.deps.revocations.transactional(em.fork(), (tx) =>
          this.decideNew(tx, claims, source),
        );
      } catch (error) {
        const constraint = violatedUniqueConstraint(error);
        if (attempt === ATTEMPTS || constraint === undefined || !OVERTAKEN.has(constraint)) throw error;
      }
    }
  }

  private async decideNew(
    tx: AnnouncedTransaction,
    claims: GoogleClaims,
    source: RequestSource,
  ): Promise<AccountDecision> {
    const address = addressOf(claims);
    if (address) await this.deps.emailOwnership.reserve(tx, address.key);
    const holder = address && (await this.deps.emailOwnership.holderOf(tx, address.key));
    return address && holder
      ? this.join(tx, claims, { address, userId: holder }, source)
      : this.create(tx, claims, address, source);
  }

  /** Creates an account. An address that Google did not verify is not proved, so the account then has none. */
  private async create(
    tx: EntityManager,
    claims: GoogleClaims,
    address: EmailAddress | null,
    source: RequestSource,
  ): Promise<AccountDecision> {
    const verified = claims.emailVerified ? address : null;
    const { id: userId } = await registerFederated(tx, verified);
    if (verified) await pendingRegistrations.dropOthers(tx, verified.key);
    const identity = await this.deps.identities.add(tx, userId, claims);
    await this.deps.audit.record(tx, source, {
      action: 'account.registered',
      actorId: userId,
      subjectId: userId,
      details: { provider: GOOGLE.name },
    });
    return { kind: 'account', identity };
  }

  /**
   * Handles an address that has an account already. Both belong to the same person if Google itself issues the address,
   * and the account either proved the address or is claimed with it. In every other case the owner must prove the
   * account first.
   */
  private async join(
    tx: AnnouncedTransaction,
    claims: GoogleClaims,
    { address, userId }: { address: EmailAddress; userId: string },
    source: RequestSource,
  ): Promise<AccountDecision> {
    const user = await lockAccount(tx, userId);
    // The account was deleted while this transaction waited.
    if (!user) return this.create(tx, claims, address, source);
    // A concurrent sign-in of the same person was faster.
    const known = await this.deps.identities.find(tx, claims);
    if (known) return { kind: 'account', identity: known };
    const isTheirs = user.emailKey === address.key && isAuthoritative(claims);
    if (!isTheirs) return this.requireProof(tx, userId, claims);
    if (user.deactivatedBy) return { kind: 'refused', userId };
    if (user.emailConfirmedAt === null) {
      if (!(await this.deps.claim.isOpen(tx, userId))) return this.requireProof(tx, userId, claims);
      await this.deps.claim.apply(tx, user, { addressKey: address.key, by: GOOGLE.name }, source);
    } else if (await this.deps.identities.isLinked(tx, userId)) {
      // Another Google account with this address is linked. A mailbox that changed hands would look the same.
      return this.requireProof(tx, userId, claims);
    }
    const identity = await this.deps.identities.add(tx, userId, claims);
    await this.deps.notices.tell(tx, userId, 'google-linked', source);
    await this.deps.audit.record(tx, source, { action: 'google.linked', actorId: userId, subjectId: userId });
    return { kind: 'account', identity };
  }

  private async requireProof(
    tx: EntityManager,
    userId: string,
    { issuer, subject }: GoogleClaims,
  ): Promise<AccountDecision> {
    const identity = { issuer, subject };
    const challenge = await this.deps.linkChallenges.issue(tx, userId, GOOGLE, identity);
    return { kind: 'linkRequired', challenge };
  }
}

/** The address in the claims; null if mail to it is impossible. */
function addressOf({ email }: GoogleClaims): EmailAddress | null {
  const key = emailKey(email ?? '');
  return email === null || key === '' ? null : { email, key };
}
