import { Migration } from '@mikro-orm/migrations';

/** Who scanned a QR code first. Of those that are under way it is not known: they run out within 15 minutes. */
export class BlockpassTakenBy extends Migration {
  override up(): void {
    this.addSql('alter table blockpass_sign_in add column taken_by text null');
  }

  override down(): void {
    this.addSql('alter table blockpass_sign_in drop column taken_by');
  }
}
