import { Migration } from '@mikro-orm/migrations';

/**
 * The person who scanned a QR code first. It is unknown for sign-ins that are under way; they expire within 15 minutes.
 */
export class BlockpassTakenBy extends Migration {
  override up(): void {
    this.addSql('alter table blockpass_sign_in add column taken_by text null');
  }

  override down(): void {
    this.addSql('alter table blockpass_sign_in drop column taken_by');
  }
}
