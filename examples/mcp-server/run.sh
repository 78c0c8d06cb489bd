#!/usr/bin/env bash
# Runs the museum's MCP server behind bearerd. It installs the SDK, creates bearerd's database
# with one person and one client, starts both, and prints what to do. Ctrl-C ends it.
#
# MUSEUM_PORT (8080) is where assistants come; MUSEUM_MCP_PORT (8000) and MUSEUM_OPS_PORT
# (9180) are the others.
set -euo pipefail
cd "$(dirname "$0")"
port=${MUSEUM_PORT:-8080} mcp_port=${MUSEUM_MCP_PORT:-8000} ops_port=${MUSEUM_OPS_PORT:-9180}

cmp -s package-lock.json node_modules/.installed || {
  npm ci --silent --ignore-scripts --no-audit --no-fund
  cp package-lock.json node_modules/.installed
}
mkdir -p run
sed "s|localhost:8080|localhost:$port|; s|127.0.0.1:8000|127.0.0.1:$mcp_port|" bearerd.yaml >run/bearerd.yaml
export BEARERD_CONFIG=run/bearerd.yaml BEARERD_DATABASE=run/bearerd.db BEARERD_MASTER_KEY_FILE=run/master.key
export BEARERD_ISSUER=http://localhost:$port BEARERD_LISTEN=127.0.0.1:$port BEARERD_OPS_LISTEN=127.0.0.1:$ops_port
bearerd apply -f access.yaml

trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
PORT=$mcp_port node server.mjs &
bearerd serve 2>run/bearerd.log &
until curl -sf "http://127.0.0.1:$ops_port/readyz" >/dev/null; do
  kill -0 $! # ends the script when bearerd has ended
  sleep 0.1
done
cat <<END

Connect an assistant, as ada with the password "correct horse":

  node assistant.mjs http://localhost:$port/mcp count_specimens '{"kind": "fish"}'

Disconnect it:  http://localhost:$port/auth/tokens
END
wait -n
