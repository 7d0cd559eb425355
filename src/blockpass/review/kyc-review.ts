import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../../platform/audit/index.ts';
import { holdingDeadline, sql, statement } from '../../platform/database/index.ts';
import { Conflict, Forbidden, NotFound } from '../../platform/errors.ts';
import { isId } from '../../platform/id.ts';
import { readFields } from '../../platform/input.ts';
import type { Caller, CallerRequest, RequestSource } from '../../platform/request/index.ts';
import type { BlockpassApi } from '../api/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import { KycItem, KycItemStatus } from '../records/kyc-item.entity.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import { assertVouchedFor } from './approvable.ts';
import { claimApproval, isClaim, noApproval, releaseApproval } from './approval-claim.ts';
import type { CertificateIssuer } from './certificate-issuer.ts';
import { type KycDecision, parseDecisions, parseSlugs, parseWords } from './kyc-decision.ts';
import type { OpenEvidence } from './open-evidence.ts';

/** Seconds without activity after which another reviewer can take over a review. */
const REVIEW_ABANDONED = 24 * 3600;

/** The parts that `KycReview` uses. */
export interface KycReviewDependencies {
  readonly api: BlockpassApi;
  readonly person: BlockpassPerson;
  readonly records: KycRecords;
  readonly openEvidence: OpenEvidence;
  readonly vault: KycVault;
  readonly audit: AuditLog;
  /** Undefined when approvals issue no certificates. */
  readonly certificates: CertificateIssuer | undefined;
  readonly warn: (message: string, error: unknown) => void;
}

/** Reviews records. The permission is checked before. */
export class KycReview {
  constructor(private readonly deps: KycReviewDependencies) {}

  find(em: EntityManager, id: string): Promise<KycRecord | null> {
    return isId(id) ? em.findOne(KycRecord, { id }) : Promise.resolve(null);
  }

  /**
   * Starts the review of a waiting record, or takes over a review that was idle for a day. During a review nothing can
   * be uploaded.
   * @throws {Forbidden} it is the reviewer's own record.
   * @throws {Conflict} it does not wait: another reviewer has it, or it is approved.
   */
  async start(request: CallerRequest, id: string): Promise<KycRecord> {
    const { em, caller: reviewer, source } = request;
    const record = await this.recordFor(em, id, reviewer);
    await em.transactional(async (tx) => {
      const taken = await statement(
        tx,
        sql`update kyc_record set status = 'IN_REVIEW', reviewer_id = ${reviewer.userId}, updated_at = now()
            where id = ${id} and (status = 'WAITING' or status = 'IN_REVIEW'
              and updated_at < now() - make_interval(secs => ${REVIEW_ABANDONED}) and ${noApproval})
              and user_id is distinct from ${reviewer.userId} returning id`,
      );
      if (taken.length === 0) throw new Conflict('This record does not wait for a review.');
      await this.record(tx, source, { action: 'kyc.review_started', record, reviewer });
    });
    await this.deps.openEvidence
      .ask(em, await this.reread(em, id))
      .catch((error) => this.deps.warn('KYC evidence could not be asked for', error));
    return this.reread(em, id);
  }

  /**
   * Decides about single items. If one is rejected, the record goes back to the person, who gets a notice on the phone.
   * @throws {BadUserInput} a rejection without a comment.
   * @throws {Conflict} another reviewer has the record, an item was not uploaded, or Blockpass does not vouch for an
   *   approved item.
   */
  async decide(
    request: CallerRequest,
    id: string,
    input: { readonly decisions: readonly KycDecision[]; readonly message?: string | null | undefined },
  ): Promise<KycRecord> {
    const { em, caller: reviewer, source } = request;
    const { decisions, message } = readFields('', {
      decisions: () => parseDecisions(input.decisions),
      message: () => parseWords(input.message),
    });
    const record = await this.recordFor(em, id, reviewer);
    const rejected = decisions.some(({ approve }) => !approve);
    await em.transactional(async (tx) => {
      await this.holdForReviewer(tx, id, reviewer);
      for (const decision of decisions) await this.judge(tx, id, decision);
      const sealedMessage = message === null ? null : this.deps.vault.sealMessage(id, message);
      await statement(
        tx,
        rejected
          ? sql`update kyc_record set status = 'WAITING', reviewer_id = null, sealed_message = ${sealedMessage},
                updated_at = now() where id = ${id}`
          : sql`update kyc_record set sealed_message = coalesce(${sealedMessage}::bytea, sealed_message), updated_at = now()
                where id = ${id}`,
      );
      await this.record(tx, source, {
        action: 'kyc.decided',
        record,
        reviewer,
        details: {
          approved: decisions.filter(({ approve }) => approve).map(({ slug }) => slug),
          rejected: decisions.filter(({ approve }) => !approve).map(({ slug }) => slug),
        },
      });
    });
    if (rejected)
      await this.notify(em, id, 'Action needed', message ?? 'Please send the rejected items again.');
    return this.reread(em, id);
  }

  /**
   * Approves the record and all items without a decision. If certificates are issued, Blockpass must have accepted the
   * certificate before the approval is written.
   * @param input.acceptUnverified certificates to approve although Blockpass refutes them; the audit trail names them
   * @throws {Conflict} another reviewer has the record, a required item is missing or rejected, Blockpass does not
   *   vouch for a value, or it refutes a certificate that is not accepted by name.
   * @throws {ServiceUnavailable} Blockpass cannot be reached.
   * @throws {PersonMustReturn} Blockpass refuses the tokens of the person.
   */
  async approve(
    request: CallerRequest,
    id: string,
    input: {
      readonly message?: string | null | undefined;
      readonly acceptUnverified?: readonly string[] | null | undefined;
    },
  ): Promise<KycRecord> {
    const { em, caller: reviewer, source } = request;
    const { message, acceptUnverified } = readFields('', {
      message: () => parseWords(input.message),
      acceptUnverified: () => parseSlugs(input.acceptUnverified ?? []),
    });
    const record = await this.recordFor(em, id, reviewer);
    if (record.reviewerId !== reviewer.userId) throw notYours();
    // Asked before the claim, because a dozen calls of Blockpass may each take up to five seconds.
    await this.deps.openEvidence.ask(em, record);
    const claim = await claimApproval(em, id, reviewer);
    if (claim === null) throw notYours();
    // From here on the claim is the time limit. If Blockpass has accepted the certificate, the approval must be
    // written, however long it took.
    return holdingDeadline(async () => {
      try {
        const accepted = await this.assertApprovable(em, id, acceptUnverified);
        await this.deps.certificates?.issue(
          em,
          await this.reread(em, id),
          message ?? 'All items were checked.',
        );
        await this.writeApproval(em, source, { record, claim, message, accepted, reviewer });
      } catch (error) {
        // The reviewer must get the first error. If the release fails, the claim still expires.
        await releaseApproval(em, id, claim).catch(() => {});
        throw error;
      }
      await this.notify(em, id, 'Approved', message ?? 'Your data was approved.');
      return this.reread(em, id);
    });
  }

  private writeApproval(
    em: EntityManager,
    source: RequestSource,
    { record, claim, message, accepted, reviewer }: Approval,
  ): Promise<void> {
    return em.transactional(async (tx) => {
      const sealed = message === null ? null : this.deps.vault.sealMessage(record.id, message);
      const approved = await statement(
        tx,
        sql`update kyc_record
            set status = 'APPROVED', approval_until = null, sealed_message = ${sealed},
                updated_at = now()
            where id = ${record.id} and status = 'IN_REVIEW' and reviewer_id = ${reviewer.userId}
              and ${isClaim(claim)} and approval_until > now() returning id`,
      );
      if (approved.length === 0) throw notYours();
      await statement(
        tx,
        sql`update kyc_item set status = 'APPROVED', sealed_comment = null, updated_at = now()
            where record_id = ${record.id} and status = 'RECEIVED'
              and (verified or kind = 'CERTIFICATE' and slug = any(${[...accepted]}))`,
      );
      await this.record(tx, source, {
        action: 'kyc.approved',
        record,
        reviewer,
        details: {
          certificate: this.deps.certificates?.slug ?? null,
          ...(accepted.length > 0 && { acceptedUnverified: accepted }),
        },
      });
    });
  }

  /**
   * Checks that the record may be approved.
   * @returns certificates that are approved although Blockpass refutes them.
   * @throws {Conflict} naming the items that prevent the approval.
   */
  private async assertApprovable(
    em: EntityManager,
    id: string,
    acceptUnverified: readonly string[],
  ): Promise<string[]> {
    const { due } = await this.deps.records.standing(em, id);
    if (due.fields.length > 0) throw new Conflict(`Missing or rejected: ${due.fields.join(', ')}.`);
    return assertVouchedFor(await this.deps.records.items(em, id), acceptUnverified);
  }

  /** Sends a notice to the phone. If it fails, the decision stands: the app asks for the status anyway. */
  private async notify(em: EntityManager, id: string, title: string, message: string): Promise<void> {
    try {
      const record = await this.reread(em, id);
      await this.deps.person.of(em, record).ask((tokens) => this.deps.api.notify(tokens, title, message));
    } catch (error) {
      this.deps.warn('a notice did not reach Blockpass', error);
    }
  }

  private async holdForReviewer(tx: EntityManager, id: string, reviewer: Caller): Promise<void> {
    const held = await statement(
      tx,
      sql`select from kyc_record where id = ${id} and status = 'IN_REVIEW' and reviewer_id = ${reviewer.userId}
            and ${noApproval} for update`,
    );
    if (held.length === 0) throw notYours();
  }

  private async judge(tx: EntityManager, recordId: string, decision: KycDecision): Promise<void> {
    const { kind, slug, approve, comment } = decision;
    const item = await tx.findOne(KycItem, { recordId, kind, slug });
    if (!item) throw new Conflict(`${slug} was not uploaded.`);
    if (approve && item.verified === false) throw notVouchedFor([slug]);
    item.status = approve ? KycItemStatus.APPROVED : KycItemStatus.REJECTED;
    item.sealedComment = comment ? this.deps.vault.sealComment({ recordId, kind, slug }, comment) : null;
    item.updatedAt = new Date();
    await tx.flush();
  }

  /** Finds a record that the reviewer may review. @throws {Forbidden} reviewers cannot review their own record. */
  private async recordFor(em: EntityManager, id: string, reviewer: Caller): Promise<KycRecord> {
    const record = await this.find(em.fork(), id);
    if (!record) throw new NotFound();
    if (record.userId === reviewer.userId) throw new Forbidden('the record belongs to the reviewer');
    return record;
  }

  private reread(em: EntityManager, id: string): Promise<KycRecord> {
    return em.fork().findOneOrFail(KycRecord, { id });
  }

  private record(
    tx: EntityManager,
    source: RequestSource,
    { action, record, reviewer, details = {} }: ReviewEvent,
  ): Promise<void> {
    return this.deps.audit.record(tx, source, {
      action,
      actorId: reviewer.userId,
      subjectId: record.userId,
      details: { recordId: record.id, ...details },
    });
  }
}

/** An act of a reviewer, for the audit trail. */
interface ReviewEvent {
  readonly action: string;
  readonly record: KycRecord;
  readonly reviewer: Caller;
  readonly details?: Record<string, unknown>;
}

/** An approval that is written while its claim is valid. */
interface Approval {
  readonly record: KycRecord;
  readonly claim: string;
  readonly message: string | null;
  /** Certificates that the reviewer accepts although Blockpass does not vouch for them. */
  readonly accepted: readonly string[];
  readonly reviewer: Caller;
}

const notYours = () => new Conflict('You are not reviewing this record, or it is being approved now.');
const notVouchedFor = (slugs: readonly string[]) =>
  new Conflict(`Blockpass does not vouch for: ${slugs.join(', ')}.`);
