import { Migration } from '@mikro-orm/migrations';

/** Accounts with passwords and roles, sessions and their revocations, signing keys, the audit trail. */
export class AccountsAndSessions extends Migration {
  override up(): void {
    this.addSql(`
      create table users (
        id uuid not null primary key,
        username text not null,
        username_key text not null,
        email text null,
        email_key text null,
        email_confirmed_at timestamptz null,
        display_name text null,
        epoch int not null default 0,
        deactivated_by text null,
        created_at timestamptz not null default now(),
        updated_at timestamptz null,
        constraint users_username_key_unique unique (username_key),
        constraint users_email_key_unique unique (email_key),
        constraint users_deactivated_by_check check (deactivated_by in ('OWNER', 'ADMIN'))
      )`);

    this.addSql(`
      create table password_credential (
        user_id uuid not null primary key,
        hash text not null,
        pepper_id text null,
        changed_at timestamptz not null default now(),
        constraint password_credential_user_id_foreign foreign key (user_id)
          references users (id) on update cascade on delete cascade
      )`);

    this.addSql(`
      create table role (
        id uuid not null primary key,
        name text not null,
        description text null,
        permissions text[] not null,
        created_at timestamptz not null default now(),
        constraint role_name_unique unique (name)
      )`);
    this.addSql(`
      create table role_grant (
        user_id uuid not null,
        role_id uuid not null,
        granted_at timestamptz not null default now(),
        primary key (user_id, role_id),
        constraint role_grant_user_id_foreign foreign key (user_id)
          references users (id) on update cascade on delete cascade,
        constraint role_grant_role_id_foreign foreign key (role_id)
          references role (id) on update cascade on delete cascade
      )`);
    this.addSql('create index role_grant_role_id_index on role_grant (role_id)');

    this.addSql(`
      create table session (
        id uuid not null primary key,
        user_id uuid not null,
        generation int not null default 0,
        rotated_at timestamptz not null default now(),
        authenticated_at timestamptz not null default now(),
        amr text[] not null,
        aal smallint not null,
        user_agent text null,
        ip_address text null,
        created_at timestamptz not null default now(),
        last_used_at timestamptz not null default now(),
        expires_at timestamptz not null,
        constraint session_user_id_foreign foreign key (user_id) references users (id) on delete cascade
      )`);
    this.addSql('create index session_user_id_index on session (user_id)');

    this.addSql(`
      create table ending (
        id bigserial primary key,
        kind text not null,
        session_id uuid null,
        user_id uuid null,
        epoch int null,
        matters_until timestamptz not null,
        kept_until timestamptz not null,
        written_by xid8 not null default pg_current_xact_id(),
        constraint ending_kind_check check (kind in ('SESSION', 'EPOCH', 'ROLES'))
      )`);
    this.addSql('create index ending_session_id_index on ending (session_id)');
    this.addSql('create index ending_written_by_index on ending (written_by)');

    this.addSql(`
      create table signing_key (
        kid text not null primary key,
        algorithm text not null,
        public_key jsonb not null,
        sealed_private_key bytea not null,
        created_at timestamptz not null default now()
      )`);

    this.addSql(`
      create table key_check (
        setting text not null,
        key_id text not null,
        proof bytea not null,
        primary key (setting, key_id)
      )`);

    this.addSql(`
      create table audit_event (
        id uuid not null primary key,
        at timestamptz not null default now(),
        action text not null,
        actor_id uuid null,
        subject_id uuid null,
        outcome text not null,
        ip_address text null,
        user_agent text null,
        request_id text null,
        details jsonb null,
        constraint audit_event_outcome_check check (outcome in ('SUCCESS', 'FAILURE', 'DENIED'))
      )`);
    this.addSql('create index audit_event_subject_index on audit_event (subject_id, id)');
    this.addSql('create index audit_event_actor_index on audit_event (actor_id, id)');
  }

  override down(): void {
    this.addSql(`
      drop table audit_event, key_check, signing_key, ending, session, role_grant, role, password_credential, users`);
  }
}
