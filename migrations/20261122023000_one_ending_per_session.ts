import { Migration } from '@mikro-orm/migrations';

/** A session ends once: the insert of its revocation ends it, even if a store still holds it. */
export class OneEndingPerSession extends Migration {
  override up(): void {
    this.addSql(`
      delete from ending later using ending first
      where later.session_id = first.session_id and later.id > first.id`);
    this.addSql('alter table ending add constraint ending_session_id_unique unique (session_id)');
    this.addSql('drop index ending_session_id_index');
  }

  override down(): void {
    this.addSql('create index ending_session_id_index on ending (session_id)');
    this.addSql('alter table ending drop constraint ending_session_id_unique');
  }
}
