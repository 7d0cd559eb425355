import type { EntityManager } from '@mikro-orm/postgresql';
import { BadUserInput, Conflict, NotFound } from '../../platform/errors.ts';
import type { RateLimiter } from '../../platform/rate-limit/index.ts';
import { networksOf, type RequestOrigin } from '../../platform/request/index.ts';
import { type BlockpassApi, BlockpassAway, BlockpassRefused, type TokenSet } from '../api/index.ts';
import { isFileField } from '../protocol/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import type { Evidence, FieldEvidence } from '../records/evidence.ts';
import { KycItemKind } from '../records/kyc-item.entity.ts';
import type { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords, Requirements, SubmittedItem } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import { type PersonCalls, PersonMustReturn } from '../records/person-calls.ts';
import type { PassBinding, UploadPasses } from '../records/upload-passes.ts';
import type { ScannedSignIns } from '../sign-in/scanned-sign-ins.ts';
import {
  type NextActionAnswer,
  notFound,
  nothingMore,
  type StatusAnswer,
  statusOf,
  takesUploads,
} from './answers.ts';
import { CodeNotConfirmed, PassNotValid } from './app-errors.ts';
import type { PictureDecoder } from './picture-decoder.ts';
import { MAX_CERTIFICATE, MAX_FILE, MAX_TEXT, type UploadedPart, type UploadPlan } from './upload-form.ts';
import type { UploadAccount } from './upload-memory.ts';
import { CERTIFICATE_PART, type JudgedItem, judgeParts } from './uploaded-items.ts';

export const BLOCKPASS_APP_RULES = {
  /** Phones of one mobile network share addresses. */
  'blockpassApp.address': { burst: 120, perSeconds: 60 },
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

/** A pass that was used up: what it was bound to says what is read. */
export interface AdmittedUpload extends UploadPlan {
  readonly pass: PassBinding;
}

/** What the Blockpass app asks of a service: the five calls of the protocol. */
export class AppCalls {
  constructor(
    private readonly api: BlockpassApi,
    private readonly records: KycRecords,
    private readonly vault: KycVault,
    private readonly passes: UploadPasses,
    private readonly person: BlockpassPerson,
    private readonly evidence: Evidence,
    private readonly signIns: ScannedSignIns,
    private readonly pictures: PictureDecoder,
    private readonly rateLimiter: RateLimiter,
    private readonly requirements: Requirements,
  ) {}

  /**
   * How the person's record stands. A known person who scanned a QR code is signed in by it, however the record
   * stands: the code has proved who they are, and the status is told apart (the claim `kyc`).
   */
  async status(em: EntityManager, request: AppRequest, origin: RequestOrigin): Promise<StatusAnswer> {
    const person = await this.identify(em, request, origin);
    const { record } = person;
    if (!record) return notFound(this.requirements.requiredFields);
    if (request.sessionCode !== null) {
      await this.completeSession(em, this.person.ofHandshake(em, person), request.sessionCode, record);
    }
    const message = this.vault.openMessage(record.id, record.sealedMessage);
    return statusOf(record, message, await this.records.standing(em, record.id));
  }

  /** After a QR code was scanned, for somebody who is not known yet or owes something. */
  async login(em: EntityManager, request: AppRequest, origin: RequestOrigin): Promise<NextActionAnswer> {
    const person = await this.identify(em, request, origin);
    const next = await this.nextFor(em, person, request.sessionCode);
    if (next.nextAction === 'none' && person.record && request.sessionCode !== null) {
      await this.completeSession(em, this.person.ofHandshake(em, person), request.sessionCode, person.record);
    }
    return next;
  }

  /** The same, begun in the app: no website waits. */
  async register(em: EntityManager, { code }: AppRequest, origin: RequestOrigin): Promise<NextActionAnswer> {
    const person = await this.identify(em, { code, sessionCode: null }, origin);
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
    origin: RequestOrigin,
  ): Promise<NextActionAnswer> {
    const { requiredFields, optionalFields, certificates } = this.requirements;
    const known = (list: readonly string[], slugs: readonly string[], field: string) => {
      const isKnown = slugs.every((slug) => list.includes(slug));
      return isKnown ? [] : [{ field, message: 'A slug is not one that this service asks for.' }];
    };
    const problems = [
      ...known([...requiredFields, ...optionalFields], request.fieldList, 'fieldList'),
      ...known(certificates, request.certList, 'certList'),
    ];
    if (problems.length > 0) throw new BadUserInput(problems);
    const person = await this.identify(em, { code: request.code, sessionCode: null }, origin);
    if (!person.record) throw new NotFound();
    const asked = { fields: request.fieldList, certificates: request.certList };
    if (!takesUploads(person.record)) return nothingMore;
    return this.upload(em, person, null, asked);
  }

  /** What every call costs whoever makes it; an upload before its first byte is kept. @throws {RateLimited} */
  charge(origin: RequestOrigin): Promise<void> {
    return this.rateLimiter.charge({ 'blockpassApp.address': networksOf(origin.clientAddress ?? '') });
  }

  /** Uses the pass up. @throws {PassNotValid} */
  async admit(em: EntityManager, pass: string): Promise<AdmittedUpload> {
    const binding = await this.passes.consume(em, pass);
    if (!binding) throw new PassNotValid();
    const fields = new Set(binding.fields);
    const certificates = new Set(binding.certificates.map((slug) => CERTIFICATE_PART + slug));
    return {
      pass: binding,
      limitOf: (name) => {
        if (certificates.has(name)) return MAX_CERTIFICATE;
        if (fields.has(name)) return isFileField(name) ? MAX_FILE : MAX_TEXT;
        return undefined;
      },
    };
  }

  /**
   * Stores what was uploaded, whole or not at all, and signs in whoever waits for it.
   * @param parts is emptied: pictures as they came are not kept in memory for longer than needed
   * @param memory what the parts were taken from
   * @throws {BadUserInput} a part is not what it should be, or there is nothing to store.
   * @throws {Conflict} a reviewer has the record in hand.
   * @throws {NotFound} the record was deleted meanwhile.
   * @throws {ServiceUnavailable} pictures cannot be decoded now.
   */
  async receive(
    em: EntityManager,
    { pass }: AdmittedUpload,
    parts: UploadedPart[],
    memory: UploadAccount,
    origin: RequestOrigin,
  ): Promise<NextActionAnswer> {
    const judged = await judgeParts(parts, this.pictures, memory);
    const person = this.person.ofHandshake(em, pass);
    const { rootHash, items } = await this.verify(person, judged);
    const { blockpassId, recordId } = pass;
    const submission = { blockpassId, recordId, tokens: person.tokens, rootHash, items };
    const record = await this.records.submit(em, submission, origin);
    if (!record) throw new Conflict('A reviewer is looking at this record.');
    if (pass.sessionCode !== null) await this.completeSession(em, person, pass.sessionCode, record);
    return { nextAction: 'none', message: 'Thank you.' };
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
    const { rootHash, verdicts } = await this.evidence.ofFields(person, fields).catch(nothingKnown);
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
    origin: RequestOrigin,
  ): Promise<Person> {
    await this.charge(origin);
    try {
      const tokens = await this.api.handshake(code, sessionCode);
      const { id: blockpassId } = await this.api.profile(tokens);
      await this.rateLimiter.charge({ 'blockpassApp.person': blockpassId });
      if (sessionCode !== null && !(await this.signIns.take(em, sessionCode, blockpassId))) {
        throw new Conflict('Somebody else has scanned this QR code.');
      }
      const record = await this.records.find(em, blockpassId);
      if (record) await this.records.keepTokens(em, record, tokens);
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
    const { requiredFields: fields, certificates } = this.requirements;
    if (!record) return this.upload(em, person, sessionCode, { fields, certificates });
    const { due } = await this.records.standing(em, record.id);
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
    const optionalFields = record ? [] : this.requirements.optionalFields;
    const accessToken = await this.passes.issue(em, {
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

  /** Tells Blockpass, looks at the answer, and only then lets the page go on. */
  private async completeSession(
    em: EntityManager,
    person: PersonCalls,
    sessionCode: string,
    { id, blockpassId }: KycRecord,
  ): Promise<void> {
    if (!(await this.signIns.beginEnd(em, sessionCode, blockpassId, id))) return;
    try {
      await person.ask((tokens) => this.api.completeSession(tokens, sessionCode));
    } catch (error) {
      await this.signIns.fail(em, sessionCode, blockpassId);
      if (error instanceof BlockpassRefused) throw new CodeNotConfirmed(error.message);
      throw error;
    }
    await this.signIns.succeed(em, sessionCode, blockpassId);
  }
}

/** An upload is stored whether or not Blockpass can be asked about it. The review asks again. */
function nothingKnown(error: unknown): FieldEvidence {
  if (error instanceof BlockpassAway || error instanceof PersonMustReturn) {
    return { rootHash: null, verdicts: new Map() };
  }
  throw error;
}
