#!/bin/sh
# Starts Redis for docker-compose.yml. It evicts nothing: an evicted key would be an account signed out everywhere.
# With sessions in it, a write reaches the disk before it is acknowledged. Otherwise a second may be lost: rate limits.
set -eu

case "${SESSION_STORE:-}" in
  redis) fsync=always ;;
  *) fsync=everysec ;;
esac
set -- redis-server --appendonly yes --appendfsync "$fsync" --save '' --maxmemory-policy noeviction
# The official image gives up root there.
if command -v docker-entrypoint.sh >/dev/null; then exec docker-entrypoint.sh "$@"; fi
exec "$@"
