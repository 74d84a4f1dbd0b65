# The start of the image postgres:18, as far as compose.yaml uses it.
set -eu
data=/var/lib/postgresql/18/docker
as_postgres="setpriv --reuid postgres --regid postgres --clear-groups --"
if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    chown -R postgres:postgres /var/lib/postgresql
    chmod 700 "$data"
    password=$(mktemp)
    printf '%s' "$POSTGRES_PASSWORD" > "$password"
    chown postgres "$password"
    # Several arguments in one variable.
    # shellcheck disable=SC2086
    $as_postgres initdb --pgdata="$data" --username="$POSTGRES_USER" --pwfile="$password" \
        --auth-local=trust --auth-host=scram-sha-256 $POSTGRES_INITDB_ARGS
    rm "$password"
    echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\";" | $as_postgres postgres --single -D "$data" postgres
fi
program=$1
shift
exec $as_postgres "$program" -D "$data" -c listen_addresses='*' "$@"
