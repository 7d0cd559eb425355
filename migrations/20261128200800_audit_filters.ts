import { Migration } from '@mikro-orm/migrations';

/**
 * Indexes for auditEvents by IP address and by outcome. Most events are successes, so only the others are indexed by
 * outcome. The previous release goes on: it reads neither.
 */
export class AuditFilters extends Migration {
  override up(): void {
    this.addSql('create index audit_event_ip_address_index on audit_event (ip_address, at, id)');
    this.addSql(`
      create index audit_event_unsuccessful_index on audit_event (outcome, at, id) where outcome <> 'SUCCESS'`);
  }

  override down(): void {
    this.addSql('drop index audit_event_ip_address_index, audit_event_unsuccessful_index');
  }
}
