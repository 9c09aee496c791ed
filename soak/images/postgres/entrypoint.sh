#!/bin/sh
# Creates the cluster and the database at the first start, as the official image does; then becomes the server.
set -eu
PGDATA=/var/lib/postgresql/18/docker
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA" && chmod 700 "$PGDATA"
  # shellcheck disable=SC2086 (several options)
  initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --locale=C.UTF-8 --encoding=UTF8 \
    ${POSTGRES_INITDB_ARGS:-}
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses= -c unix_socket_directories=/tmp" start
  PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql -h /tmp -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE $POSTGRES_DB"
  pg_ctl -D "$PGDATA" -w stop
fi
shift
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
