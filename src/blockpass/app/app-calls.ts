import type { EntityManager } from '@mikro-orm/postgresql';
import { holdingDeadline } from '../../platform/database/index.ts';
import { BadUserInput, Conflict, NotFound } from '../../platform/errors.ts';
import type { RateLimiter } from '../../platform/rate-limit/index.ts';
import { type RequestSource } from '../../platform/request/index.ts';
import { type BlockpassApi, BlockpassAway, BlockpassRefused, type TokenSet } from '../api/index.ts';
import { isFileField } from '../protocol/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import type { Evidence, FieldEvidence } from '../records/evidence.ts';
import { KycItemKind } from '../records/kyc-item.entity.ts';
import type { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords, Requirements } from '../records/kyc-records.ts';
import type { KycSubmissions, SubmittedItem } from '../records/kyc-submissions.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import { type PersonCalls, PersonMustReturn } from '../records/person-calls.ts';
import type { SpentUploadToken, UploadTokens } from '../records/upload-tokens.ts';
import type { ScannedSignIns } from '../sign-in/scanned-sign-ins.ts';
import type { SignInCompletions } from '../sign-in/sign-in-completions.ts';
import {
  type NextActionAnswer,
  notFound,
  nothingMore,
  type StatusAnswer,
  scanAgain,
  statusOf,
  takesUploads,
  uploadThanks,
} from './answers.ts';
import { CodeNotConfirmed, SignInRefused, UploadTokenNotValid } from './app-errors.ts';
import type { PictureDecoder } from './picture-decoder.ts';
import { MAX_CERTIFICATE, MAX_FILE, MAX_TEXT, type UploadedPart, type UploadPlan } from './upload-form.ts';
import type { UploadAccount } from './upload-memory.ts';
import { CERTIFICATE_PART, type JudgedItem, judgeParts } from './uploaded-items.ts';

export const BLOCKPASS_APP_RULES = {
  /** Phones of one mobile network share addresses. */
  'blockpassApp.ip': { burst: 120, perSeconds: 60 },
  'blockpassApp.person': { burst: 60, perSeconds: 3600 },
} as const;

/** What the app brings to every call but the upload. */
export interface AppRequest {
  readonly code: string;
  /** Of the QR code, where the app came from one. */
  readonly sessionCode: string | null;
}

/** Somebody whom Blockpass has confirmed. */
interface Person {
  readonly blockpassId: string;
  readonly tokens: TokenSet;
  readonly record: KycRecord | null;
}

/** An upload token that was used up: what it was bound to says what is read. */
export interface AdmittedUpload extends UploadPlan {
  /** Null when the upload of this token was stored already: the app lost the answer. Nothing more is kept of it. */
  readonly uploadToken: SpentUploadToken | null;
}

/** What `AppCalls` works with. */
export interface AppCallsDependencies {
  readonly api: BlockpassApi;
  readonly records: KycRecords;
  readonly submissions: KycSubmissions;
  readonly vault: KycVault;
  readonly uploadTokens: UploadTokens;
  readonly person: BlockpassPerson;
  readonly evidence: Evidence;
  readonly signIns: ScannedSignIns;
  readonly completions: SignInCompletions;
  readonly pictures: PictureDecoder;
  readonly rateLimiter: RateLimiter<keyof typeof BLOCKPASS_APP_RULES>;
  readonly requirements: Requirements;
}

/** What the Blockpass app asks of a service: the five calls of the protocol. */
export class AppCalls {
  constructor(private readonly deps: AppCallsDependencies) {}

  /**
   * How the person's record stands. A known person who scanned a QR code is signed in by it, however the record
   * stands: the code has proved who they are, and the status is told apart (the claim `kyc`).
   */
  async status(em: EntityManager, request: AppRequest, source: RequestSource): Promise<StatusAnswer> {
    const person = await this.identify(em, request, source);
    const { record } = person;
    if (!record) return notFound(this.deps.requirements.requiredFields);
    if (request.sessionCode !== null) {
      await this.completeSession(em, person, record, request.sessionCode);
    }
    const message = this.deps.vault.openMessage(record.id, record.sealedMessage);
    return statusOf(record, message, await this.deps.records.standing(em, record.id));
  }

  /** After a QR code was scanned, for somebody who is not known yet or owes something. */
  async login(em: EntityManager, request: AppRequest, source: RequestSource): Promise<NextActionAnswer> {
    const person = await this.identify(em, request, source);
    const next = await this.nextFor(em, person, request.sessionCode);
    if (next.nextAction === 'none' && person.record && request.sessionCode !== null) {
      await this.completeSession(em, person, person.record, request.sessionCode);
    }
    return next;
  }

  /** The same, begun in the app: no website waits. */
  async register(em: EntityManager, { code }: AppRequest, source: RequestSource): Promise<NextActionAnswer> {
    const person = await this.identify(em, { code, sessionCode: null }, source);
    return this.nextFor(em, person, null);
  }

  /**
   * The person wants to send some things again, or an approved person to renew a document.
   * @throws {BadUserInput} a slug that nobody asks for here.
   * @throws {NotFound} there is no record.
   */
  async resubmit(
    em: EntityManager,
    request: AppRequest & { readonly fieldList: readonly string[]; readonly certList: readonly string[] },
    source: RequestSource,
  ): Promise<NextActionAnswer> {
    const { requiredFields, optionalFields, certificates } = this.deps.requirements;
    const known = (list: readonly string[], slugs: readonly string[], field: string) => {
      const isKnown = slugs.every((slug) => list.includes(slug));
      return isKnown ? [] : [{ field, message: 'A slug is not one that this service asks for.' }];
    };
    const problems = [
      ...known([...requiredFields, ...optionalFields], request.fieldList, 'fieldList'),
      ...known(certificates, request.certList, 'certList'),
    ];
    if (problems.length > 0) throw new BadUserInput(problems);
    const person = await this.identify(em, { code: request.code, sessionCode: null }, source);
    if (!person.record) throw new NotFound();
    const asked = { fields: request.fieldList, certificates: request.certList };
    if (!takesUploads(person.record)) return nothingMore;
    return this.upload(em, person, null, asked);
  }

  /** What every call costs whoever makes it; an upload before its first byte is kept. @throws {RateLimited} */
  charge(source: RequestSource): Promise<void> {
    return this.deps.rateLimiter.charge(['blockpassApp.ip', source.networks]);
  }

  /** Uses the upload token up. @throws {UploadTokenNotValid} */
  async admit(em: EntityManager, uploadToken: string): Promise<AdmittedUpload> {
    const binding = await this.deps.uploadTokens.consume(em, uploadToken);
    if (!binding) {
      if (await this.deps.uploadTokens.wasStored(em, uploadToken))
        return { uploadToken: null, limitOf: () => undefined };
      throw new UploadTokenNotValid();
    }
    const fields = new Set(binding.fields);
    const certificates = new Set(binding.certificates.map((slug) => CERTIFICATE_PART + slug));
    return {
      uploadToken: binding,
      limitOf: (name) => {
        if (certificates.has(name)) return MAX_CERTIFICATE;
        if (fields.has(name)) return isFileField(name) ? MAX_FILE : MAX_TEXT;
        return undefined;
      },
    };
  }

  /**
   * The upload could not be stored for a reason that may pass: the app may repeat it with the same upload token. That costs the person
   * as much as asking for another upload token, so that a picture that kills the decoder cannot be sent for ever.
   * @throws {RateLimited} the upload token stays used up.
   */
  async giveBack(em: EntityManager, { uploadToken }: AdmittedUpload): Promise<void> {
    if (!uploadToken) return;
    await this.deps.rateLimiter.charge(['blockpassApp.person', uploadToken.blockpassId]);
    await this.deps.uploadTokens.giveBack(em, uploadToken);
  }

  /**
   * Stores what was uploaded, whole or not at all, and completes the sign-in that waits for it. Once it is stored it is acknowledged,
   * also when Blockpass cannot be told yet that the session of the QR code is over: that happens later by itself.
   * @param parts is emptied: pictures as they came are not kept in memory for longer than needed
   * @param memory what the parts were taken from
   * @throws {BadUserInput} a part is not what it should be, or there is nothing to store.
   * @throws {Conflict} a reviewer has the record in hand.
   * @throws {NotFound} the record was deleted meanwhile.
   * @throws {ServiceUnavailable} pictures cannot be decoded now.
   */
  async receive(
    em: EntityManager,
    { uploadToken }: AdmittedUpload,
    parts: UploadedPart[],
    memory: UploadAccount,
    source: RequestSource,
  ): Promise<NextActionAnswer> {
    if (!uploadToken) return uploadThanks;
    const judged = await judgeParts(parts, this.deps.pictures, memory);
    const person = this.deps.person.ofHandshake(em, uploadToken);
    // Blockpass may be slow: what was uploaded is stored also when it does not answer.
    const { rootHash, items } = await holdingDeadline(() => this.verify(person, judged));
    const { blockpassId, recordId, sessionCode } = uploadToken;
    const { tokens } = person;
    const submission = { blockpassId, recordId, tokens, rootHash, items };
    const stored = await this.deps.submissions.store(em, submission, source, async (tx, id) => {
      await this.deps.uploadTokens.noteStored(tx, uploadToken, id);
      return sessionCode === null
        ? null
        : this.deps.completions.note(tx, sessionCode, { blockpassId, tokens }, id);
    });
    if (!stored) throw new Conflict('A reviewer is looking at this record.');
    const completion = stored.alongside;
    const outcome = completion && (await this.deps.completions.attempt(em, completion));
    return outcome === 'refused' ? scanAgain : uploadThanks;
  }

  /** Certificates are judged when a review begins: by then it is known which values are the person's, of earlier uploads too. */
  private async verify(
    person: PersonCalls,
    judged: readonly JudgedItem[],
  ): Promise<{ rootHash: string | null; items: SubmittedItem[] }> {
    const fields = new Map(
      judged.flatMap(({ kind, slug, receivedHash }) =>
        kind === KycItemKind.IDENTITY ? [[slug, receivedHash] as const] : [],
      ),
    );
    const { rootHash, verdicts } = await this.deps.evidence.ofFields(person, fields).catch(nothingKnown);
    const items = judged.map((item) => {
      const verdict = item.kind === KycItemKind.IDENTITY ? verdicts.get(item.slug) : undefined;
      return { ...item, verified: verdict ?? null };
    });
    return { rootHash, items };
  }

  /** The step that every call but the upload begins with: nothing else in the body says who is there. */
  private async identify(
    em: EntityManager,
    { code, sessionCode }: AppRequest,
    source: RequestSource,
  ): Promise<Person> {
    await this.charge(source);
    try {
      const tokens = await this.deps.api.handshake(code, sessionCode);
      const { id: blockpassId } = await this.deps.api.profile(tokens);
      await this.deps.rateLimiter.charge(['blockpassApp.person', blockpassId]);
      if (sessionCode !== null && !(await this.deps.signIns.take(em, sessionCode, blockpassId))) {
        throw new Conflict('Somebody else has scanned this QR code.');
      }
      const record = await this.deps.records.find(em, blockpassId);
      if (record) await this.deps.records.keepTokens(em, record, tokens);
      return { blockpassId, tokens, record };
    } catch (error) {
      if (error instanceof BlockpassRefused) throw new CodeNotConfirmed(error.message);
      throw error;
    }
  }

  private async nextFor(
    em: EntityManager,
    person: Person,
    sessionCode: string | null,
  ): Promise<NextActionAnswer> {
    const { record } = person;
    const { requiredFields: fields, certificates } = this.deps.requirements;
    if (!record) return this.upload(em, person, sessionCode, { fields, certificates });
    const { due } = await this.deps.records.standing(em, record.id);
    // Certificates are wanted, not owed: for them alone nobody is asked again.
    if (!takesUploads(record) || due.fields.length === 0) return nothingMore;
    return this.upload(em, person, sessionCode, due);
  }

  private async upload(
    em: EntityManager,
    { blockpassId, tokens, record }: Person,
    sessionCode: string | null,
    asked: { readonly fields: readonly string[]; readonly certificates: readonly string[] },
  ): Promise<NextActionAnswer> {
    if (asked.fields.length + asked.certificates.length === 0) return nothingMore;
    const optionalFields = record ? [] : this.deps.requirements.optionalFields;
    const accessToken = await this.deps.uploadTokens.issue(em, {
      blockpassId,
      recordId: record?.id ?? null,
      tokens,
      sessionCode,
      fields: [...asked.fields, ...optionalFields],
      certificates: asked.certificates,
    });
    if (accessToken === null) throw new NotFound();
    return {
      nextAction: 'upload',
      accessToken,
      requiredFields: asked.fields,
      optionalFields,
      certs: asked.certificates,
    };
  }

  /** @throws {SignInRefused} Blockpass does not accept it. Where Blockpass is away, the page goes on a moment later. */
  private async completeSession(
    em: EntityManager,
    { blockpassId, tokens }: Person,
    { id }: KycRecord,
    sessionCode: string,
  ): Promise<void> {
    const completion = await em.transactional((tx) =>
      this.deps.completions.note(tx, sessionCode, { blockpassId, tokens }, id),
    );
    if (completion && (await this.deps.completions.attempt(em, completion)) === 'refused')
      throw new SignInRefused();
  }
}

/** An upload is stored whether or not Blockpass can be asked about it. The review asks again. */
function nothingKnown(error: unknown): FieldEvidence {
  if (error instanceof BlockpassAway || error instanceof PersonMustReturn) {
    return { rootHash: null, verdicts: new Map() };
  }
  throw error;
}
