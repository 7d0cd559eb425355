import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import { expiredRows } from '../../platform/housekeeping/expired-rows.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../../platform/one-time-secret.ts';
import type { TokenSet } from '../api/index.ts';
import type { KycVault } from './kyc-vault.ts';

/** Seconds in which the person looks at what is asked for, takes the pictures and agrees. */
const LIFETIME = 15 * 60;

/** What an upload token is bound to. It stays here: the app gets random characters. */
export interface PassBinding {
  readonly blockpassId: string;
  /** Of the person, where there is one: what is uploaded after its deletion must not begin another. */
  readonly recordId: string | null;
  readonly sessionCode: string | null;
  readonly fields: readonly string[];
  readonly certificates: readonly string[];
  readonly tokens: TokenSet;
}

/** An upload token that was used up. */
export interface SpentUploadToken extends PassBinding {
  readonly hash: Buffer;
  readonly expiresAt: string;
}

/** The one-time password of an upload: random, kept as a hash, bound, expiring by the database's clock, good once. */
export class UploadTokens {
  constructor(private readonly vault: KycVault) {}

  /** @returns null when the record is gone. One that is just being deleted is waited for, and then takes no upload token with it. */
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
   * Uses an upload token up, by one conditional statement, before anything of the upload is read: a body that is refused later
   * costs its sender the upload token, not the gateway its memory. The app asks for another one by the same call.
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

  /** Gives an upload token back whose upload could not be stored now, so that the app can repeat it. */
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

  /** In the transaction that stores the upload. */
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

  /** Whether the upload of an upload token was stored: until the upload token expires, its app may ask because it lost the answer. */
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
