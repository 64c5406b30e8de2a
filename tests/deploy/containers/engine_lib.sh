# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests on a Docker engine share; they source it, having set root to the checkout.  The engine
# is scripts/with-container-engine's, so its network namespace is ours to write rules and make links
# in.

# shellcheck source=tests/deploy/verdict.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../verdict.sh"

require_engine() {
  [[ -n ${DOCKER_HOST:-} ]] || skip "no container engine; ./check --containers brings one"
  docker version >/dev/null 2>&1 || fail "there is no engine at $DOCKER_HOST"
}

# Runs a command until it succeeds.  On a machine under load, what takes SECONDS may take many times as
# long; only something that hangs uses it all up.
await() {  # SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + 6 * $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited in vain for $what"
    sleep 0.1
  done
}

# Compose with a project of the test's own, whatever a .env of the checkout says: the test's may be
# named in $env_file.  COMPOSE_PROFILES chooses; unset, it is all of them.
project=test-$$
: "${root:?}"
compose() {
  COMPOSE_PROFILES=${COMPOSE_PROFILES-*} docker compose --project-name "$project" \
    --project-directory "$root" --env-file "${env_file:-/dev/null}" --file "$root/docker-compose.yml" "$@"
}

# The value of a metric, the sum over its labels: metric PORT NAME.  Nothing when nobody answers.
metric() {
  curl -fsS --max-time 60 "http://127.0.0.1:$1/metrics" 2>/dev/null |
    awk -v name="$2" '$1 == name || index($1, name "{") == 1 { sum += $2; seen = 1 }
                      END { if (seen) printf "%.0f\n", sum }'
}

# A client and a server, each in a network namespace, that reach each other through this one; what
# they send each other is logged in FORWARD to the NFLOG group, if one is given.
readonly client_ip=192.0.2.2 server_ip=198.51.100.2
make_gateway() {  # [GROUP]
  local side address
  for side in client server; do
    address=$client_ip
    [[ $side == client ]] || address=$server_ip
    ip netns add "$project-$side" &&
      ip link add "gw-$side" type veth peer name eth0 netns "$project-$side" &&
      ip addr add "${address%.*}.1/24" dev "gw-$side" &&
      ip link set "gw-$side" up &&
      ip -n "$project-$side" link set lo up &&
      ip -n "$project-$side" addr add "$address/24" dev eth0 &&
      ip -n "$project-$side" link set eth0 up &&
      ip -n "$project-$side" route add default via "${address%.*}.1" || return
  done
  # The engine drops what is forwarded and not its own.
  iptables -I DOCKER-USER -i 'gw-+' -j ACCEPT || return
  (($# == 0)) ||
    nft -f - <<RULES
table inet test_gateway {
  chain forward {
    type filter hook forward priority 0
    iifname "gw-*" counter log group $1
  }
}
RULES
}

remove_gateway() {
  nft delete table inet test_gateway 2>/dev/null
  iptables -D DOCKER-USER -i 'gw-+' -j ACCEPT 2>/dev/null
  # With a namespace goes its end of the link, and so the other one.
  ip netns del "$project-client" 2>/dev/null
  ip netns del "$project-server" 2>/dev/null
}

in_client() {
  ip netns exec "$project-client" "$@"
}

# In the background, with its process in $! (a function's would be that of a shell in between).
start_in_client() {
  ip netns exec "$project-client" "$@" &
}

start_in_server() {
  ip netns exec "$project-server" "$@" &
}

in_server() {
  ip netns exec "$project-server" "$@"
}

# Where Suricata's records of our project are on this machine.
eve_file() {
  printf '%s/eve.json\n' \
    "$(docker volume inspect --format '{{.Mountpoint}}' "${project}_suricata-log")"
}
