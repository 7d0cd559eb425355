import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../../platform/audit/index.ts';
import type { Clock } from '../../platform/clock.ts';
import { sql, statement } from '../../platform/database/index.ts';
import { Conflict, NotFound, ServiceUnavailable } from '../../platform/errors.ts';
import { isId } from '../../platform/id.ts';
import { InvalidValue, readFields } from '../../platform/input.ts';
import type { Caller, RequestOrigin } from '../../platform/request/index.ts';
import type { Endings } from '../../sessions/index.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';
import { type BitcoinKey, issueCertificate } from '../protocol/index.ts';
import type { Evidence } from '../records/evidence.ts';
import { KycItem, KycItemKind, KycItemStatus } from '../records/kyc-item.entity.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import type { BlockpassPerson } from './blockpass-person.ts';

export interface KycDecision {
  readonly kind: KycItemKind;
  readonly slug: string;
  readonly approve: boolean;
  readonly comment?: string | null | undefined;
}

/** How certificates are issued. */
export interface CertificateIssuing {
  readonly key: BitcoinKey;
  readonly slug: string;
  readonly baseUrl: string;
  readonly organization: { readonly identifier: string } & Readonly<Record<string, string>>;
}

/** Characters of a comment and of a message: they are read on a phone. */
const MAX_WORDS = 500;
const MAX_DECISIONS = 64;
/** Seconds for which an approval under way keeps others out: longer than all its calls together. */
const APPROVAL_CLAIM = 60;

/** What reviewers do with records. Who may is asked before. */
export class KycReview {
  constructor(
    private readonly api: BlockpassApi,
    private readonly person: BlockpassPerson,
    private readonly records: KycRecords,
    private readonly evidence: Evidence,
    private readonly vault: KycVault,
    private readonly endings: Endings,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    private readonly issuing: CertificateIssuing | undefined,
    private readonly warn: (message: string, error: unknown) => void,
  ) {}

  find(em: EntityManager, id: string): Promise<KycRecord | null> {
    return isId(id) ? em.findOne(KycRecord, { id }) : Promise.resolve(null);
  }

  /**
   * Takes a waiting record in hand, so that nothing is uploaded while it is looked at.
   * @throws {Conflict} it does not wait: somebody else has it, or it is approved.
   */
  async start(em: EntityManager, id: string, reviewer: Caller, origin: RequestOrigin): Promise<KycRecord> {
    const record = await this.existing(em, id);
    await this.endings.transactional(em, async (tx) => {
      const taken = await statement(
        tx,
        sql`update kyc_record set status = 'IN_REVIEW', reviewer_id = ${reviewer.userId}, updated_at = now()
            where id = ${id} and status = 'WAITING' returning id`,
      );
      if (taken.length === 0) throw new Conflict('This record does not wait for a review.');
      await this.record(tx, 'kyc.review_started', record, reviewer, origin);
    });
    // What could not be asked at the upload: Blockpass was away, or still writing the person's tree.
    await this.verifyRest(em, record).catch((error) =>
      this.warn('KYC evidence could not be asked for', error),
    );
    return this.reread(em, id);
  }

  /**
   * Decides about single items. When one is rejected the record goes back to the person, who is told on the phone.
   * @throws {BadUserInput} a rejection without a comment.
   * @throws {Conflict} another reviewer has it, an item was not uploaded, or Blockpass does not vouch for one.
   */
  async decide(
    em: EntityManager,
    id: string,
    input: { readonly decisions: readonly KycDecision[]; readonly message?: string | null | undefined },
    reviewer: Caller,
    origin: RequestOrigin,
  ): Promise<KycRecord> {
    const { decisions, message } = readFields('', {
      decisions: () => parseDecisions(input.decisions),
      message: () => parseWords(input.message),
    });
    const record = await this.existing(em, id);
    const rejected = decisions.some(({ approve }) => !approve);
    await this.endings.transactional(em, async (tx) => {
      await this.holdForReviewer(tx, id, reviewer);
      for (const decision of decisions) await this.judge(tx, id, decision);
      const sealedMessage = message === null ? null : this.vault.sealMessage(id, message);
      await statement(
        tx,
        rejected
          ? sql`update kyc_record set status = 'WAITING', reviewer_id = null, sealed_message = ${sealedMessage},
                updated_at = now() where id = ${id}`
          : sql`update kyc_record set sealed_message = coalesce(${sealedMessage}::bytea, sealed_message), updated_at = now()
                where id = ${id}`,
      );
      await this.record(tx, 'kyc.decided', record, reviewer, origin, {
        approved: decisions.filter(({ approve }) => approve).map(({ slug }) => slug),
        rejected: decisions.filter(({ approve }) => !approve).map(({ slug }) => slug),
      });
    });
    if (rejected)
      await this.notify(em, id, 'Action needed', message ?? 'Please look at what was asked for again.');
    return this.reread(em, id);
  }

  /**
   * Approves the record, and with it what was not decided one by one. Where certificates are issued, Blockpass must
   * have taken it before the approval is written.
   * @throws {Conflict} another reviewer has it, something required is missing or rejected, or Blockpass does not vouch
   *   for a value.
   * @throws {ServiceUnavailable} Blockpass cannot be asked.
   */
  async approve(
    em: EntityManager,
    id: string,
    input: { readonly message?: string | null | undefined },
    reviewer: Caller,
    origin: RequestOrigin,
  ): Promise<KycRecord> {
    const { message } = readFields('', { message: () => parseWords(input.message) });
    const record = await this.existing(em, id);
    await this.claimApproval(em, id, reviewer);
    try {
      await this.verifyRest(em, record);
      await this.assertApprovable(em, id);
      if (this.issuing) await this.issue(em, record, this.issuing, message ?? 'All items were checked.');
      await this.writeApproval(em, record, message, reviewer, origin);
    } catch (error) {
      // At the latest it lapses; what went wrong first is what the reviewer must read.
      await statement(em, sql`update kyc_record set approval_until = null where id = ${id}`).catch(() => {});
      throw error;
    }
    await this.notify(em, id, 'Approved', message ?? 'Your data was approved.');
    return this.reread(em, id);
  }

  /** One approval at a time: two would issue two certificates. */
  private async claimApproval(em: EntityManager, id: string, reviewer: Caller): Promise<void> {
    const claimed = await statement(
      em,
      sql`update kyc_record set approval_until = now() + make_interval(secs => ${APPROVAL_CLAIM})
          where id = ${id} and status = 'IN_REVIEW' and reviewer_id = ${reviewer.userId}
            and (approval_until is null or approval_until < now()) returning id`,
    );
    if (claimed.length === 0) throw notYours();
  }

  private writeApproval(
    em: EntityManager,
    record: KycRecord,
    message: string | null,
    reviewer: Caller,
    origin: RequestOrigin,
  ): Promise<void> {
    return this.endings.transactional(em, async (tx) => {
      const sealed = message === null ? null : this.vault.sealMessage(record.id, message);
      const approved = await statement(
        tx,
        sql`update kyc_record
            set status = 'APPROVED', reviewer_id = null, approval_until = null, sealed_message = ${sealed},
                updated_at = now()
            where id = ${record.id} and status = 'IN_REVIEW' and reviewer_id = ${reviewer.userId} returning id`,
      );
      if (approved.length === 0) throw notYours();
      await statement(
        tx,
        sql`update kyc_item set status = 'APPROVED', sealed_comment = null, updated_at = now()
            where record_id = ${record.id} and status = 'RECEIVED' and verified`,
      );
      await this.record(tx, 'kyc.approved', record, reviewer, origin, {
        certificate: this.issuing?.slug ?? null,
      });
    });
  }

  /** @throws {Conflict} naming what stands in the way. */
  private async assertApprovable(em: EntityManager, id: string): Promise<void> {
    const { due } = await this.records.standing(em, id);
    if (due.fields.length > 0) throw new Conflict(`Missing or rejected: ${due.fields.join(', ')}.`);
    const items = await this.records.items(em.fork(), id);
    const doubtful = items.filter(({ kind, verified }) => kind === KycItemKind.IDENTITY && verified !== true);
    if (doubtful.length > 0) throw notVouchedFor(doubtful.map(({ slug }) => slug));
  }

  /** Asks for the evidence that is not there yet. */
  private async verifyRest(em: EntityManager, record: KycRecord): Promise<void> {
    const items = await this.records.items(em.fork(), record.id);
    const open = items.filter(({ verified }) => verified === null);
    if (open.length === 0) return;
    const tokens = await this.person.tokens(em, record);
    const fields = await this.records.contents(em.fork(), record.id, KycItemKind.IDENTITY);
    await this.verifyFields(em, record, tokens, fields, open);
    const certificates = await this.records.contents(em.fork(), record.id, KycItemKind.CERTIFICATE);
    for (const { kind, slug } of open) {
      const content = kind === KycItemKind.CERTIFICATE && certificates.get(slug);
      if (!content) continue;
      const verified = await this.evidence.ofCertificate(slug, content.toString('utf8'), fields);
      await em.nativeUpdate(KycItem, { recordId: record.id, kind, slug }, { verified });
    }
  }

  private async verifyFields(
    em: EntityManager,
    { id }: KycRecord,
    tokens: TokenSet,
    fields: ReadonlyMap<string, Buffer>,
    open: readonly KycItem[],
  ): Promise<void> {
    const asked = new Map(
      open.flatMap(({ kind, slug }) => {
        const raw = kind === KycItemKind.IDENTITY && fields.get(slug);
        return raw ? [[slug, raw] as const] : [];
      }),
    );
    if (asked.size === 0) return;
    const { rootHash, verdicts } = await this.evidence.ofFields(tokens, asked);
    if (rootHash !== null) {
      await em.nativeUpdate(KycRecord, { id }, { sealedRootHash: this.vault.sealRootHash(id, rootHash) });
    }
    for (const [slug, verified] of verdicts) {
      await em.nativeUpdate(KycItem, { recordId: id, kind: KycItemKind.IDENTITY, slug }, { verified });
    }
  }

  private async issue(
    em: EntityManager,
    { id }: KycRecord,
    issuing: CertificateIssuing,
    summary: string,
  ): Promise<void> {
    const record = await this.reread(em, id);
    const rootHash = this.vault.openRootHash(id, record.sealedRootHash);
    if (rootHash === null)
      throw new ServiceUnavailable({ detail: "the root of the person's tree is not known" });
    const certificate = await issueCertificate(
      {
        slug: issuing.slug,
        baseUrl: issuing.baseUrl,
        fields: await this.records.contents(em.fork(), id, KycItemKind.IDENTITY),
        rootHash,
        organization: issuing.organization,
        review: { summary, details: 'reviewed' },
      },
      issuing.key,
      await this.api.schema(issuing.slug),
      new Date(this.clock.now()),
    );
    try {
      await this.api.putCertificate(await this.person.tokens(em, record), certificate);
    } catch (error) {
      if (error instanceof BlockpassRefused) {
        throw new ServiceUnavailable({ detail: 'Blockpass does not take the certificate', cause: error });
      }
      throw error;
    }
  }

  /** The decision stands whether or not the phone hears of it: the app asks for the status anyway. */
  private async notify(em: EntityManager, id: string, title: string, message: string): Promise<void> {
    try {
      const record = await this.reread(em, id);
      await this.api.notify(await this.person.tokens(em, record), title, message);
    } catch (error) {
      this.warn('a notice did not reach Blockpass', error);
    }
  }

  private async holdForReviewer(tx: EntityManager, id: string, reviewer: Caller): Promise<void> {
    const held = await statement(
      tx,
      sql`select from kyc_record where id = ${id} and status = 'IN_REVIEW' and reviewer_id = ${reviewer.userId}
            and (approval_until is null or approval_until < now()) for update`,
    );
    if (held.length === 0) throw notYours();
  }

  private async judge(tx: EntityManager, recordId: string, decision: KycDecision): Promise<void> {
    const { kind, slug, approve, comment } = decision;
    const item = await tx.findOne(KycItem, { recordId, kind, slug });
    if (!item) throw new Conflict(`${slug} was not uploaded.`);
    if (approve && item.verified === false) throw notVouchedFor([slug]);
    item.status = approve ? KycItemStatus.APPROVED : KycItemStatus.REJECTED;
    item.sealedComment = comment ? this.vault.sealComment({ recordId, kind, slug }, comment) : null;
    item.updatedAt = new Date();
    await tx.flush();
  }

  private async existing(em: EntityManager, id: string): Promise<KycRecord> {
    const record = await this.find(em, id);
    if (!record) throw new NotFound();
    return record;
  }

  private reread(em: EntityManager, id: string): Promise<KycRecord> {
    return em.fork().findOneOrFail(KycRecord, { id });
  }

  private record(
    tx: EntityManager,
    action: string,
    record: KycRecord,
    reviewer: Caller,
    origin: RequestOrigin,
    details: Record<string, unknown> = {},
  ): Promise<void> {
    return this.audit.record(tx, origin, {
      action,
      actorId: reviewer.userId,
      subjectId: record.userId,
      details: { recordId: record.id, ...details },
    });
  }
}

const notYours = () => new Conflict('This record is not in your review, or is being approved.');
const notVouchedFor = (slugs: readonly string[]) =>
  new Conflict(`Blockpass does not vouch for: ${slugs.join(', ')}.`);

function parseDecisions(decisions: readonly KycDecision[]): KycDecision[] {
  if (decisions.length === 0 || decisions.length > MAX_DECISIONS) {
    throw new InvalidValue(`There must be 1 to ${MAX_DECISIONS} decisions.`);
  }
  const places = decisions.map(({ kind, slug }) => `${kind} ${slug}`);
  if (new Set(places).size < places.length) throw new InvalidValue('An item is decided about twice.');
  return decisions.map((decision) => {
    const comment = parseWords(decision.comment);
    if (!decision.approve && comment === null) throw new InvalidValue('A rejection needs a comment.');
    return { ...decision, comment };
  });
}

function parseWords(text: string | null | undefined): string | null {
  const words = (text ?? '').trim();
  if (words.length > MAX_WORDS) throw new InvalidValue(`At most ${MAX_WORDS} characters.`);
  if (/[\p{Cc}\p{Cs}]/u.test(words.replace(/\n/g, ''))) throw new InvalidValue('No control characters.');
  return words === '' ? null : words;
}
