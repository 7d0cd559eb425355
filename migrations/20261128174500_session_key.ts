import { Migration } from '@mikro-orm/migrations';

/** The key that a session is bound to (DPoP). The previous release does not read this column, and binds no session. */
export class SessionKey extends Migration {
  override up(): void {
    this.addSql('alter table session add column dpop_jkt text null');
  }

  override down(): void {
    this.addSql('alter table session drop column dpop_jkt');
  }
}
