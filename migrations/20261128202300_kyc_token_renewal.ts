import { Migration } from '@mikro-orm/migrations';

/**
 * The lease under which one process renews the Blockpass tokens of a record. The previous release renews without a
 * lease.
 */
export class KycTokenRenewal extends Migration {
  override up(): void {
    this.addSql('alter table kyc_record add column renewal_until timestamptz null');
  }

  override down(): void {
    this.addSql('alter table kyc_record drop column renewal_until');
  }
}
