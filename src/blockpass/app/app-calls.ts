import type { EntityManager } from '@mikro-orm/postgresql';
import { holdingDeadline } from '../../platform/database/index.ts';
import { BadUserInput, Conflict, NotFound } from '../../platform/errors.ts';
import type { RateLimiter } from '../../platform/rate-limit/index.ts';
import { type RequestSource } from '../../platform/request/index.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';
import { isFileField } from '../protocol/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import type { Evidence } from '../records/evidence.ts';
import type { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords, Requirements } from '../records/kyc-records.ts';
import type { KycSubmissions } from '../records/kyc-submissions.ts';
import type { KycVault } from '../records/kyc-vault.ts';
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
import { withVerdicts } from './uploaded-evidence.ts';
import { CERTIFICATE_PART, judgeParts } from './uploaded-items.ts';

export const BLOCKPASS_APP_RULES = {
  /** Generous, because phones in one mobile network share an IP. */
  'blockpassApp.ip': {
    burst: 120,
    perSeconds: 60,
    counts: 'IP, for every call of the Blockpass app; phones of one network share it',
  },
  'blockpassApp.person': { burst: 60, perSeconds: 3600, counts: 'Blockpass id' },
} as const;

/** The input of every call of the app, except the upload. */
export interface AppRequest {
  readonly code: string;
  /** The session code of the QR code, if the app scanned one. */
  readonly sessionCode: string | null;
}

/** A person whom Blockpass has confirmed. */
interface Person {
  readonly blockpassId: string;
  readonly tokens: TokenSet;
  readonly record: KycRecord | null;
}

/** A used upload token. Its binding decides which parts are read. */
export interface AdmittedUpload extends UploadPlan {
  /**
   * Null when the upload of this token was stored already, because the app lost the answer. Then nothing more is
   * stored.
   */
  readonly uploadToken: SpentUploadToken | null;
}

/** An upload that was read to its end. */
export interface ReceivedUpload {
  readonly admitted: AdmittedUpload;
  /** `receive` empties it, so that pictures as received stay in memory only as long as needed. */
  readonly parts: UploadedPart[];
  /** The account from which the memory of the parts was taken. */
  readonly memory: UploadAccount;
}

/** The parts that `AppCalls` uses. */
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

/** Answers the five calls of the Blockpass app to a service. */
export class AppCalls {
  constructor(private readonly deps: AppCallsDependencies) {}

  /**
   * Returns the status of the person's record. A known person who scanned a QR code is also signed in, whatever the
   * status is. The authorization code proves who they are, and the claim `kyc` tells the status.
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

  /** Called after a QR code was scanned, when the person is not known yet or must upload something. */
  async login(em: EntityManager, request: AppRequest, source: RequestSource): Promise<NextActionAnswer> {
    const person = await this.identify(em, request, source);
    const next = await this.nextFor(em, person, request.sessionCode);
    if (next.nextAction === 'none' && person.record && request.sessionCode !== null) {
      await this.completeSession(em, person, person.record, request.sessionCode);
    }
    return next;
  }

  /** Like `login`, for a person who starts inside the app, where no website waits. */
  async register(em: EntityManager, { code }: AppRequest, source: RequestSource): Promise<NextActionAnswer> {
    const person = await this.identify(em, { code, sessionCode: null }, source);
    return this.nextFor(em, person, null);
  }

  /**
   * Lets the person upload some items again, for example to renew a document after approval.
   * @throws {BadUserInput} a slug that this service does not request.
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
      return isKnown ? [] : [{ field, message: 'This service does not ask for one of these slugs.' }];
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

  /** The charge for every call; an upload is charged before its first byte is kept. @throws {RateLimited} */
  charge(source: RequestSource): Promise<void> {
    return this.deps.rateLimiter.charge(['blockpassApp.ip', source.networks]);
  }

  /** Consumes the upload token. @throws {UploadTokenNotValid} */
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
   * Restores an upload token whose upload failed for a temporary reason, so that the app may repeat it with the same
   * token. This is charged like the request for another token. Otherwise a picture that crashes the decoder could be
   * sent without end.
   * @throws {RateLimited} the upload token stays used.
   */
  async giveBack(em: EntityManager, { uploadToken }: AdmittedUpload): Promise<void> {
    if (!uploadToken) return;
    await this.deps.rateLimiter.charge(['blockpassApp.person', uploadToken.blockpassId]);
    await this.deps.uploadTokens.giveBack(em, uploadToken);
  }

  /**
   * Stores an upload, all of it or nothing, and completes the sign-in that waits for it. A stored upload is
   * acknowledged even if Blockpass cannot be told yet that the session of the QR code is complete. The worker tells it
   * later.
   * @throws {BadUserInput} a part is not valid, or there is nothing to store.
   * @throws {Conflict} a reviewer is reviewing the record.
   * @throws {NotFound} the record was deleted meanwhile.
   * @throws {ServiceUnavailable} pictures cannot be decoded now.
   */
  async receive(
    em: EntityManager,
    { admitted: { uploadToken }, parts, memory }: ReceivedUpload,
    source: RequestSource,
  ): Promise<NextActionAnswer> {
    if (!uploadToken) return uploadThanks;
    const judged = await judgeParts(parts, this.deps.pictures, memory);
    const person = this.deps.person.ofHandshake(em, uploadToken);
    // Blockpass may be slow. The upload is stored even if it does not answer.
    const { rootHash, items } = await holdingDeadline(() => withVerdicts(this.deps.evidence, person, judged));
    const { blockpassId, recordId, sessionCode } = uploadToken;
    const { tokens } = person;
    const submission = { blockpassId, recordId, tokens, rootHash, items };
    const stored = await this.deps.submissions.store(em, submission, source, async (tx, id) => {
      await this.deps.uploadTokens.noteStored(tx, uploadToken, id);
      return sessionCode === null
        ? null
        : this.deps.completions.note(tx, sessionCode, { blockpassId, tokens }, id);
    });
    if (!stored) throw new Conflict('A reviewer is looking at this record. Try again after the review.');
    const completion = stored.alongside;
    const outcome = completion && (await this.deps.completions.attempt(em, completion));
    return outcome === 'refused' ? scanAgain : uploadThanks;
  }

  /** The first step of every call except the upload: only the authorization code tells who the person is. */
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
        throw new Conflict('Another person has scanned this QR code. Scan a new one.');
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
    // Certificates are optional, so a person is not asked again for certificates alone.
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

  /**
   * Completes the session of a QR code. If Blockpass is unavailable, the worker completes it later.
   * @throws {SignInRefused} Blockpass refuses.
   */
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
