#!/bin/bash
# Makes the two logins of Gatehouse and its database. The official PostgreSQL image runs this once, on an empty volume.
# gatehouse_owner owns the tables and migrates. gatehouse_app serves, with the rights that "gatehouse migrate up"
# grants.
set -euo pipefail

: "${GATEHOUSE_OWNER_PASSWORD:?}" "${GATEHOUSE_APP_PASSWORD:?}"

# \getenv instead of -v, since other users can read the arguments of a process.
psql --set ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv owner_password GATEHOUSE_OWNER_PASSWORD
\getenv app_password GATEHOUSE_APP_PASSWORD
create role gatehouse_owner login password :'owner_password';
create role gatehouse_app login password :'app_password';
-- Failing statements and error details quote values and whole rows, so keep them out of the server's log.
alter role gatehouse_app set log_min_error_statement = panic;
alter role gatehouse_app set log_error_verbosity = terse;
create database gatehouse owner gatehouse_owner;
revoke all on database gatehouse from public;
grant connect on database gatehouse to gatehouse_app;
SQL
