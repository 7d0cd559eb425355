#!/bin/bash
# Makes the databases of the profiles "dev" and "test" of docker-compose.yml, where they are missing.
set -euo pipefail

for database in gatehouse_dev gatehouse_test; do
  psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --set database="$database" --dbname postgres <<'SQL'
select format('create database %I owner gatehouse_owner', :'database')
where not exists (select from pg_database where datname = :'database') \gexec
revoke all on database :"database" from public;
grant connect on database :"database" to gatehouse_app;
SQL
done
