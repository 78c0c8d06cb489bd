#!/usr/bin/env bash
# Runs the museum behind bearerd, in one of the three ways of the documentation:
#
#   ./run.sh proxy    bearerd is the proxy
#   ./run.sh nginx    nginx asks bearerd, with the files of docs/deploy-nginx.md
#   ./run.sh caddy    Caddy asks bearerd, with the file of docs/deploy-caddy.md
#
# It creates what is missing (Django's database with sample data, bearerd's database with
# the same users, the two secrets that they share), starts everything, and prints commands to paste. Ctrl-C ends it.
#
# MUSEUM_PORT (8080) is where clients come, MUSEUM_BEARERD_PORT (8081) bearerd's own port
# beside nginx and Caddy, MUSEUM_DJANGO_PORT (8000) and MUSEUM_OPS_PORT (9180) the others.
# MUSEUM_ASSERTION=museum makes the application believe signed assertions alone.
set -euo pipefail

mode=${1:-}
case $mode in proxy | nginx | caddy) ;; *)
  echo "usage: $0 proxy|nginx|caddy" >&2
  exit 2
  ;;
esac

cd "$(dirname "$0")"
docs=../../docs
port=${MUSEUM_PORT:-8080} django_port=${MUSEUM_DJANGO_PORT:-8000} ops_port=${MUSEUM_OPS_PORT:-9180}
bearerd_port=$port config=bearerd.yaml
if [ "$mode" != proxy ]; then
  bearerd_port=${MUSEUM_BEARERD_PORT:-8081} config=bearerd-beside.yaml
fi

export MUSEUM_ASSERTION=${MUSEUM_ASSERTION:-} BEARERD_ISSUER=http://localhost:$port PYTHONDONTWRITEBYTECODE=1
export BEARERD_CONFIG=$config
export BEARERD_LISTEN=127.0.0.1:$bearerd_port BEARERD_OPS_LISTEN=127.0.0.1:$ops_port
export BEARERD_UPSTREAM_ASSERTION_AUDIENCE=$MUSEUM_ASSERTION
export BEARERD_SIGN_IN_SOURCES="[{name: museum, type: app, title: Museum, url: '$BEARERD_ISSUER/bearerd-sign-in',
  secret_file: museum.secret, password_url: 'http://127.0.0.1:$django_port/bearerd-check-password'}]"
if [ "$mode" = proxy ]; then export BEARERD_UPSTREAM_URL=http://127.0.0.1:$django_port; fi

# documented SERVER writes the files that the server's page shows into run/SERVER.
documented() {
  mkdir -p "run/$1/conf.d"
  awk -v server="$1" '
    $0 == "```" server { getline; file = ""; if (sub("^# /etc/" server "/", "")) { file = "run/" server "/" $0; printf "" > file }; next }
    /^```/ { file = "" }
    file { print >> file }' "$docs/deploy-$1.md"
}

# What the museum changes of the documented files: ports.
nginx_files() {
  documented nginx
  cd run/nginx
  rm -f conf.d/api.conf conf.d/report-only.conf # the page's other sites
  sed -i "s|server 127.0.0.1:8080;|server 127.0.0.1:$bearerd_port;|; s|server 127.0.0.1:8000;|server 127.0.0.1:$django_port;|
    s|listen 80;|listen 127.0.0.1:$port;|" conf.d/application.conf
  cat >nginx.conf <<'END'
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  include conf.d/*.conf;
}
END
  cd ../..
}

caddy_files() {
  documented caddy
  local site=collections.example.org
  # The page's other site goes: an API without a login.
  awk -v site="$site {" '/^[a-z.]+ \{$/ { other = $0 != site } !other { print } /^}$/ { other = 0 }' \
    run/caddy/Caddyfile >run/caddy/one && mv run/caddy/one run/caddy/Caddyfile
  sed -i "s|127.0.0.1:8080|127.0.0.1:$bearerd_port|; s|127.0.0.1:8000|127.0.0.1:$django_port|
    s|^$site {|http://:$port {\n\tbind 127.0.0.1|" run/caddy/Caddyfile
  if [ -n "$MUSEUM_ASSERTION" ]; then
    sed -i 's|copy_headers Remote-User|copy_headers Bearerd-Assertion Remote-User|' run/caddy/Caddyfile
  fi
  sed -i '1i {\n\tadmin off\n\tauto_https off\n}' run/caddy/Caddyfile
}

# await URL waits until it is answered, whatever the answer is.
await() {
  for _ in $(seq 600); do
    if curl -s -o /dev/null --max-time 2 "$1"; then return; fi
    for pid in $(jobs -p); do
      kill -0 "$pid" 2>/dev/null || { echo "a program ended; see the files in run" >&2; exit 1; }
    done
    sleep 0.1
  done
  echo "$1 doesn't answer" >&2
  exit 1
}

stop() {
  trap - EXIT INT TERM
  kill $(jobs -p) 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 0' INT TERM

rm -rf run
mkdir run
[ -e museum.secret ] || (umask 077 && head -c 32 /dev/urandom | base64 >museum.secret)
if [ ! -e museum.sqlite3 ]; then
  python3 manage.py migrate --verbosity 0
  python3 manage.py loaddata --verbosity 0 museum
fi
python3 manage.py bearerd_access >access.json
bearerd apply -f access.json --source museum --prune 2>run/apply.log
[ -e sync.secret ] ||
  (umask 077 && bearerd client create museum-sync --grant client_credentials --scope source:museum >sync.secret)

python3 manage.py runserver --noreload --insecure "127.0.0.1:$django_port" >run/django.log 2>&1 &
bearerd serve 2>run/bearerd.log &
case $mode in
nginx)
  nginx_files
  PATH=$PATH:/usr/sbin nginx -p "$PWD/run/nginx" -c nginx.conf -e stderr 2>run/nginx.log &
  ;;
caddy)
  caddy_files
  XDG_CONFIG_HOME=$PWD/run/caddy XDG_DATA_HOME=$PWD/run/caddy \
    caddy run --config run/caddy/Caddyfile --adapter caddyfile 2>run/caddy.log &
  ;;
esac
await "http://127.0.0.1:$django_port/"
await "http://127.0.0.1:$ops_port/readyz"
await "http://127.0.0.1:$port/"

cat <<END
The museum is at $BEARERD_ISSUER/, its users' tokens are at $BEARERD_ISSUER/auth/tokens.
Its users are ada and Müller (password test#password), and admin (admin#password).
Paste this into another shell; press Ctrl-C here to stop everything.

cd $PWD
export BEARERD_CONFIG=$config BEARERD_ISSUER=$BEARERD_ISSUER
API=$BEARERD_ISSUER/api

echo '== 1. A token with the scope read, for collection 4, reads that collection.'
READ=\$(bearerd token create ada --name reader --scope read --collection 4)
curl -sw '\n' -H "Authorization: Bearer \$READ" \$API/collections/4/specimens/

echo '== 2. It writes nothing.'
curl -siw '\n' -H "Authorization: Bearer \$READ" -H 'Content-Type: application/json' \\
  -d '{"catalog_number": "KU 4711", "name": "Perca flavescens"}' \$API/collections/4/specimens/

echo '== 3. It reads no other collection, although ada curates that one, too.'
curl -siw '\n' -H "Authorization: Bearer \$READ" \$API/collections/32768/specimens/

echo '== 4. A token with the scope write writes.'
WRITE=\$(bearerd token create ada --name writer --scope 'read write')
curl -sw '\n' -H "Authorization: Bearer \$WRITE" -H 'Content-Type: application/json' \\
  -d '{"catalog_number": "KU 4711", "name": "Perca flavescens"}' \$API/collections/4/specimens/

echo '== 5. When a token is revoked, it is refused at once.'
printf '%s\n%s\n' "\$READ" "\$WRITE" | bearerd token revoke
curl -siw '\n' -H "Authorization: Bearer \$READ" \$API/collections/4/specimens/
END
wait -n
