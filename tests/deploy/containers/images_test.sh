#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the images promise, for each builder that made them: names, versions, sizes, own libraries only,
# hardened programs, and that they run confined, become healthy and end as asked.
# Usage: images_test.sh ROOT
set -uo pipefail
root=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
# shellcheck source=tests/deploy/hardening_lib.sh
. "$here/../hardening_lib.sh"
require_engine
readonly largest=25000000
base=${BASE_IMAGE:-debian:trixie-slim}
version=$(sed -n 's/^ *VERSION \([0-9.]*\)$/\1/p' "$root/CMakeLists.txt" | head -n 1)

cleanup() {
  docker rm --force --volumes "$project-sender" "$project-receiver" >/dev/null 2>&1
  docker volume rm "$project-fifo" >/dev/null 2>&1
}
trap cleanup EXIT
trap 'exit 130' INT TERM

image_says() {  # IMAGE FORMAT
  docker image inspect --format "$2" "$1"
}

want() {  # WHAT EXPECTED FOUND
  [[ $3 == "$2" ]] || fail "$1: expected \"$2\", found \"$3\""
}

label() {  # IMAGE KEY
  image_says "$1" "{{index .Config.Labels \"org.opencontainers.image.$2\"}}"
}

check_labels() {  # IMAGE
  local key
  for key in title description licenses revision; do
    [[ -n $(label "$1" "$key") ]] || fail "$1 has no label \"$key\""
  done
  want "$1's version" "$version" "$(label "$1" version)"
}

check_program_labels() {  # IMAGE PROGRAM
  check_labels "$1"
  want "$1's licence" MIT "$(label "$1" licenses)"
  want "$1 --version" "$2 $version (revision $(label "$1" revision))" \
    "$(docker run --rm "$1" --version)"
}

# As `docker compose build` makes them when nobody has said anything: labels all the same.
check_argumentless() {
  local name
  for name in suricata demo; do
    check_labels "pcap-zmq-pipe/$name:latest"
    want "$name's revision" unknown "$(label "pcap-zmq-pipe/$name:latest" revision)"
  done
  # Snort's cannot be built everywhere: what the files say.
  for name in "$root"/docker/Dockerfile "$root"/docker/*/Dockerfile; do
    want "the version in $name" "ARG VERSION=$version" "$(grep '^ARG VERSION=' "$name")"
    want "the labels in $name" "$(grep -c '^LABEL' "$name")" \
      "$(grep -c 'image\.revision="${REVISION:-unknown}"' "$name")"
    want "the labels in $name" "$(grep -c '^LABEL' "$name")" \
      "$(grep -c 'image\.version="${VERSION}"' "$name")"
  done
}

# Its tests ran when it was built; ctest's log is in the image.
check_test_stage() {
  local image=pcap-zmq-pipe/test:latest passed skipped
  if [[ ${CONTAINER_TEST_STAGE:-} != 1 ]]; then
    echo "SKIPPED: the stage \"test\": CONTAINER_TEST_STAGE=1 builds it"
    return
  fi
  passed=$(test_log "$image" -c '^Test Passed\.') || fail "no test ran in $image"
  skipped=$(test_log "$image" -cE '^SKIPPED: |^[^ ]+:[0-9]+: Skipped$')
  echo "$image: $passed tests passed while it was built; skipped: $skipped"
  ((passed - skipped >= 300)) || fail "only $passed tests passed, with $skipped skipped"
}
test_log() {  # IMAGE GREP-ARGUMENT...
  local image=$1
  shift
  docker run --rm --entrypoint grep "$image" "$@" \
    /source/build/dev/Testing/Temporary/LastTest.log
}

check_config() {  # IMAGE PROGRAM USER
  want "$1's entrypoint" "[\"$2\"]" "$(image_says "$1" '{{json .Config.Entrypoint}}')"
  want "$1's health check" "[\"CMD\",\"$2\",\"--healthcheck\"]" \
    "$(image_says "$1" '{{json .Config.Healthcheck.Test}}')"
  # On the host's network: nobody else's business unless somebody says so.
  [[ $2 != pcap-zmq-send ]] || want "$1's metrics" PCAP_ZMQ_METRICS=127.0.0.1:9477 \
    "$(image_says "$1" '{{json .Config.Env}}' | grep -o 'PCAP_ZMQ_METRICS=[^"]*')"
  want "$1's user" "$3" "$(image_says "$1" '{{.Config.User}}')"
}

check_size() {  # IMAGE
  local size
  size=$(($(image_says "$1" '{{.Size}}') - $(image_says "$base" '{{.Size}}')))
  echo "$1: $((size / 100000 / 10)).$((size / 100000 % 10)) MB over $base"
  ((size > 0 && size <= largest)) || fail "$1 is $size bytes over $base; at most $largest"
}

# All that a program needs is there, and nothing that only the other one uses.
check_libraries() {  # IMAGE PROGRAM [FOREIGN-LIBRARY]...
  local image=$1 libraries packages name
  libraries=$(docker run --rm --entrypoint ldd "$image" "/usr/local/bin/$2") || fail "ldd failed"
  packages=$(docker run --rm --entrypoint dpkg-query "$image" -W -f '${Package}\n')
  shift 2
  ! grep 'not found' <<<"$libraries" || fail "$image lacks a library"
  for name; do
    ! grep -E "^(.*/)?$name" <<<"$libraries"$'\n'"$packages" || fail "$image has $name"
  done
  ! grep -xE 'g\+\+.*|cmake|.*-dev|curl' <<<"$packages" || fail "$image has tools of the build"
}

check_hardening() {  # IMAGE PROGRAM
  local file found
  file=$(mktemp) || exit 1
  docker run --rm --entrypoint cat "$1" "/usr/local/bin/$2" >"$file"
  found=$(missing_hardening "$file")
  rm -f "$file"
  [[ -z $found ]] || fail "$2 in $1: $found"
}

process_says() {  # CONTAINER FIELD
  docker exec "$1" sed -n "s/^$2:[[:space:]]*//p" /proc/1/status
}

is_healthy() {
  [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]
}

# Confined as docker-compose.yml confines them; CAP_NET_ADMIN is bit 12.
check_running() {  # TAG
  local confined=(--detach --read-only --cap-drop ALL --security-opt no-new-privileges) name
  docker run "${confined[@]}" --name "$project-receiver" -v "$project-fifo:/run/pcap-zmq" \
    "pcap-zmq-pipe/receiver:$1" tcp://0.0.0.0:1234 /run/pcap-zmq/ids.pcap >/dev/null ||
    fail "the receiver does not start"
  docker run "${confined[@]}" --name "$project-sender" --network host --cap-add NET_ADMIN \
    "pcap-zmq-pipe/sender:$1" 40,41 tcp://127.0.0.1:1 >/dev/null || fail "the sender does not start"
  for name in receiver sender; do
    await 60 "$name ($1) to be healthy" is_healthy "$project-$name"
    want "$name's no_new_privs" 1 "$(process_says "$project-$name" NoNewPrivs)"
  done
  want "the sender's capabilities" 0000000000001000 "$(process_says "$project-sender" CapEff)"
  want "the receiver's capabilities" 0000000000000000 "$(process_says "$project-receiver" CapEff)"
  want "the FIFO" "fifo 640 9478:9478" \
    "$(docker exec "$project-receiver" stat -c '%F %a %u:%g' /run/pcap-zmq/ids.pcap)"
  for name in receiver sender; do
    docker stop --time 120 "$project-$name" >/dev/null
    want "$name's exit status after SIGTERM" 0 \
      "$(docker inspect --format '{{.State.ExitCode}}' "$project-$name")"
  done
  cleanup
}

# A program that does not answer is not healthy.
check_unhealthy() {  # TAG
  docker run --rm --entrypoint pcap-zmq-send "pcap-zmq-pipe/sender:$1" --healthcheck 2>/dev/null
  want "the status of --healthcheck when nothing runs" 1 "$?"
}

check_image_files() {
  local file
  for file in "$root"/docker/Dockerfile "$root"/docker/*/Dockerfile; do
    ! grep -nE 'amd64|x86_64|@sha256:|^# *syntax=|COPY --link|<<' "$file" || fail "$file: see above"
  done
}

check_image_files
check_argumentless
check_test_stage
for tag in latest buildkit; do
  docker image inspect "pcap-zmq-pipe/sender:$tag" >/dev/null 2>&1 || [[ $tag != latest ]] ||
    fail "there is no image pcap-zmq-pipe/sender"
  # What an earlier run left proves nothing.
  if [[ $tag == buildkit && ${CONTAINER_BUILDERS:-} != *" buildkit"* ]]; then
    echo "SKIPPED: BuildKit's images: CONTAINER_BUILDERS=\"legacy buildkit\" builds them"
    continue
  fi
  check_program_labels "pcap-zmq-pipe/sender:$tag" pcap-zmq-send
  check_program_labels "pcap-zmq-pipe/receiver:$tag" pcap-zmq-recv
  check_config "pcap-zmq-pipe/sender:$tag" pcap-zmq-send ''
  check_config "pcap-zmq-pipe/receiver:$tag" pcap-zmq-recv 9478:9478
  check_size "pcap-zmq-pipe/sender:$tag"
  check_size "pcap-zmq-pipe/receiver:$tag"
  check_libraries "pcap-zmq-pipe/sender:$tag" pcap-zmq-send
  check_libraries "pcap-zmq-pipe/receiver:$tag" pcap-zmq-recv libpcap libnetfilter libmnl libnfnetlink
  check_hardening "pcap-zmq-pipe/sender:$tag" pcap-zmq-send
  check_hardening "pcap-zmq-pipe/receiver:$tag" pcap-zmq-recv
  check_running "$tag"
  check_unhealthy "$tag"
done
