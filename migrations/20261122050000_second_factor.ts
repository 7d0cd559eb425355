import { Migration } from '@mikro-orm/migrations';

/**
 * TOTP, recovery codes, guesses at them, and sign-ins that wait for their second step. The previous release goes on,
 * but asks for no second factor. So stop all its processes before an account gets one.
 */
export class SecondFactor extends Migration {
  override up(): void {
    this.addSql('alter table users add column second_factor_since timestamptz null');
    this.addSql(`
      create table totp_authenticator (
        user_id uuid not null primary key,
        sealed_secret bytea not null,
        last_step int not null,
        constraint totp_authenticator_user_id_foreign foreign key (user_id)
          references users (id) on update cascade on delete cascade
      )`);
    this.addSql(`
      create table totp_enrolment (
        user_id uuid not null primary key,
        session_id uuid not null,
        sealed_secret bytea not null,
        expires_at timestamptz not null,
        constraint totp_enrolment_user_id_foreign foreign key (user_id)
          references users (id) on update cascade on delete cascade
      )`);
    this.addSql('create index totp_enrolment_expires_at_index on totp_enrolment (expires_at)');
    this.addSql(`
      create table recovery_code (
        user_id uuid not null,
        code_hash bytea not null,
        primary key (user_id, code_hash),
        constraint recovery_code_user_id_foreign foreign key (user_id) references users (id) on delete cascade
      )`);
    this.addSql(`
      create table second_factor_guesses (
        user_id uuid not null primary key,
        full_at timestamptz not null,
        recovery_full_at timestamptz not null,
        constraint second_factor_guesses_user_id_foreign foreign key (user_id)
          references users (id) on update cascade on delete cascade
      )`);
    this.addSql('create index second_factor_guesses_full_at_index on second_factor_guesses (full_at)');
    this.addSql(`
      create table sign_in_challenge (
        token_hash bytea not null primary key,
        user_id uuid not null,
        amr text[] not null,
        account_state text not null,
        attempts smallint not null default 0,
        expires_at timestamptz not null,
        constraint sign_in_challenge_user_id_foreign foreign key (user_id) references users (id) on delete cascade
      )`);
    this.addSql('create index sign_in_challenge_user_id_index on sign_in_challenge (user_id)');
    this.addSql('create index sign_in_challenge_expires_at_index on sign_in_challenge (expires_at)');
  }

  override down(): void {
    this.addSql(`
      drop table sign_in_challenge, second_factor_guesses, recovery_code, totp_enrolment, totp_authenticator`);
    this.addSql('alter table users drop column second_factor_since');
  }
}
