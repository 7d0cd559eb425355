import { Migration } from '@mikro-orm/migrations';

/**
 * The times when a signing key starts to sign, stops and is removed, and the kind of revocation that makes every
 * process reread the keys. Existing keys sign as before. The previous release goes on: it neither reads nor writes the
 * new columns, and skips revocations of an unknown kind.
 */
export class KeyRotation extends Migration {
  override up(): void {
    this.addSql(`
      alter table signing_key
        add column signs_from timestamptz not null default now(),
        add column retires_at timestamptz null,
        add column removed_after timestamptz null,
        alter column sealed_private_key drop not null`);
    this.addSql('update signing_key set signs_from = created_at');
    this.addSql(`
      alter table ending
        drop constraint ending_kind_check,
        add constraint ending_kind_check check (kind in ('SESSION', 'EPOCH', 'ROLES', 'KEYS'))`);
  }

  /**
   * The previous release does not know the end of a key. So this deletes keys that were removed, or do not sign yet.
   */
  override down(): void {
    this.addSql(`delete from signing_key where removed_after <= now() or signs_from > now()`);
    this.addSql(`delete from ending where kind = 'KEYS'`);
    this.addSql(`
      alter table ending
        drop constraint ending_kind_check,
        add constraint ending_kind_check check (kind in ('SESSION', 'EPOCH', 'ROLES'))`);
    this.addSql(`
      alter table signing_key
        drop column signs_from,
        drop column retires_at,
        drop column removed_after,
        alter column sealed_private_key set not null`);
  }
}
