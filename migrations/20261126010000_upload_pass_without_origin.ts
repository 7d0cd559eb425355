import { Migration } from '@mikro-orm/migrations';

/**
 * Removes the call that a pass answered. It was written from the first day and never read. A process of the previous
 * release can no longer issue a pass, and then the app asks again.
 */
export class UploadPassWithoutOrigin extends Migration {
  override up(): void {
    this.addSql('alter table upload_pass drop column origin');
  }

  /** Passes are valid for 15 minutes. Existing ones count as answers to a log-in. */
  override down(): void {
    this.addSql(
      `alter table upload_pass add column origin text not null default 'LOGIN'
       constraint upload_pass_origin_check check (origin in ('LOGIN', 'REGISTER', 'RESUBMIT'))`,
    );
    this.addSql('alter table upload_pass alter column origin drop default');
  }
}
