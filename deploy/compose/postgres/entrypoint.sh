#!/bin/sh
# Makes the data folder at the first start, then runs the server. POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB as in
# the official image.
set -eu
data=/var/lib/postgresql/data/pgdata
user=${POSTGRES_USER:-postgres}
if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data"
  printf '%s' "${POSTGRES_PASSWORD:?must be set}" >/tmp/password
  initdb --pgdata="$data" --username="$user" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 \
    --locale=C.UTF-8 --no-instructions
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
  if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$data" postgres >/dev/null
  fi
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories= "$@"
