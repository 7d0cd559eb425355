import { Migration } from '@mikro-orm/migrations';

/**
 * When each signing key begins to sign, stops and is removed, and the ending that makes every process reread them.
 * Keys that are there already sign, as they did. The previous release goes on: it neither reads nor writes the new
 * columns, and passes over an ending of a kind that it does not know.
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

  /** The release before knows no end of a key: one that was removed, or is still to sign, must not come back. */
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
