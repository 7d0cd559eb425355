import { Migration } from '@mikro-orm/migrations';

/**
 * Which call a pass answered: written since the first day, and read by nobody. A process of the version before cannot
 * issue a pass from here on, and the app asks again.
 */
export class UploadPassWithoutOrigin extends Migration {
  override up(): void {
    this.addSql('alter table upload_pass drop column origin');
  }

  /** Passes are good for 15 minutes: those that are there are taken for answers to a log-in. */
  override down(): void {
    this.addSql(
      `alter table upload_pass add column origin text not null default 'LOGIN'
       constraint upload_pass_origin_check check (origin in ('LOGIN', 'REGISTER', 'RESUBMIT'))`,
    );
    this.addSql('alter table upload_pass alter column origin drop default');
  }
}
