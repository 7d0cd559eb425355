import { Migration } from '@mikro-orm/migrations';

/**
 * Pictures are kept as the gateway encoded them, and hashes of the Blockpass protocol are over the bytes that came: the hash
 * of those is kept beside. The release before ignores the column.
 */
export class KycReceivedHash extends Migration {
  override up(): void {
    this.addSql('alter table kyc_item add column sealed_received_hash bytea null');
  }

  override down(): void {
    this.addSql('alter table kyc_item drop column sealed_received_hash');
  }
}
