import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import { expiredRows } from '../../platform/housekeeping/expired-rows.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../../platform/one-time-secret.ts';
import type { TokenSet } from '../api/index.ts';
import type { KycVault } from './kyc-vault.ts';

/** Seconds, enough to read the list, take the pictures and agree. */
const LIFETIME = 15 * 60;

/** The binding of an upload token. It stays in the database; the app gets only random characters. */
export interface PassBinding {
  readonly blockpassId: string;
  /** The record of the person, if there is one. After its deletion, an upload must not begin another record. */
  readonly recordId: string | null;
  readonly sessionCode: string | null;
  readonly fields: readonly string[];
  readonly certificates: readonly string[];
  readonly tokens: TokenSet;
}

/** An upload token that was used. */
export interface SpentUploadToken extends PassBinding {
  readonly hash: Buffer;
  readonly expiresAt: string;
}

/**
 * Issues and consumes upload tokens. They are random, stored as a hash, bound to a person, work once, and expire by the
 * clock of the database.
 */
export class UploadTokens {
  constructor(private readonly vault: KycVault) {}

  /**
   * @returns null when the record was deleted. If it is being deleted right now, this waits for the deletion, and
   *   issues no token.
   */
  async issue(em: EntityManager, binding: PassBinding): Promise<string | null> {
    const { blockpassId, recordId, sessionCode, fields, certificates, tokens } = binding;
    const uploadToken = newSecret();
    const issued = await statement(
      em,
      sql`insert into upload_pass
            (hash, blockpass_id, session_code, fields, certificates, sealed_tokens, expires_at)
          select ${hashOfSecret(uploadToken)}::bytea, ${blockpassId}::text, ${sessionCode}::text,
                 ${[...fields]}::text[], ${[...certificates]}::text[],
                 ${this.vault.sealTokens(blockpassId, tokens)}::bytea, now() + make_interval(secs => ${LIFETIME})
          where ${recordId}::uuid is null or exists (select from kyc_record where id = ${recordId} for key share)
          returning hash`,
    );
    return issued.length > 0 ? uploadToken : null;
  }

  /**
   * Consumes an upload token by one conditional statement, before the rest of the upload is read. So a body that is
   * refused later costs its sender the token, and the gateway no memory. The app gets another token by repeating its
   * call.
   */
  async consume(em: EntityManager, uploadToken: string): Promise<SpentUploadToken | null> {
    const hash = hashOfSecret(uploadToken);
    const row = await consumeSecret<PassRow>(
      em,
      {
        table: 'upload_pass',
        column: 'hash',
        hash,
        condition: sql`not exists (select from upload_receipt where hash = ${hash})`,
      },
      sql`blockpass_id, session_code, fields, certificates, sealed_tokens, expires_at::text,
          (select id from kyc_record r where r.blockpass_id = upload_pass.blockpass_id) as record_id`,
    );
    if (!row) return null;
    return {
      hash,
      expiresAt: row.expires_at,
      blockpassId: row.blockpass_id,
      recordId: row.record_id,
      sessionCode: row.session_code,
      fields: row.fields,
      certificates: row.certificates,
      tokens: this.vault.openTokens(row.blockpass_id, row.sealed_tokens),
    };
  }

  /** Restores an upload token whose upload could not be stored now, so that the app can repeat it. */
  async giveBack(em: EntityManager, uploadToken: SpentUploadToken): Promise<void> {
    const { hash, blockpassId, sessionCode, fields, certificates, tokens, expiresAt } = uploadToken;
    await statement(
      em,
      sql`insert into upload_pass
            (hash, blockpass_id, session_code, fields, certificates, sealed_tokens, expires_at)
          values (${hash}, ${blockpassId}, ${sessionCode}, ${[...fields]}, ${[...certificates]},
                  ${this.vault.sealTokens(blockpassId, tokens)}, ${expiresAt}::timestamptz)
          on conflict do nothing`,
    );
  }

  /** Notes that the upload was stored, in the transaction that stores it. */
  async noteStored(
    tx: EntityManager,
    { hash, expiresAt }: SpentUploadToken,
    recordId: string,
  ): Promise<void> {
    await statement(
      tx,
      sql`insert into upload_receipt (hash, record_id, expires_at)
          values (${hash}, ${recordId}, ${expiresAt}::timestamptz)`,
    );
  }

  /** Whether the upload of a token was stored. The app may ask until the token expires, because it lost the answer. */
  async wasStored(em: EntityManager, uploadToken: string): Promise<boolean> {
    const receipts = await statement(
      em,
      sql`select from upload_receipt where hash = ${hashOfSecret(uploadToken)} and expires_at > now()`,
    );
    return receipts.length > 0;
  }
}

interface PassRow {
  blockpass_id: string;
  record_id: string | null;
  session_code: string | null;
  fields: string[];
  certificates: string[];
  sealed_tokens: Buffer;
  expires_at: string;
}

export const expiredUploadTokens = expiredRows(
  'expired upload tokens',
  'upload_pass',
  sql`expires_at < now()`,
);

export const expiredReceipts = expiredRows(
  'expired upload receipts',
  'upload_receipt',
  sql`expires_at < now()`,
);
