#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The pods that the Helm chart renders, run for real: in a container that is their node, podman
# plays them.  Forwarded traffic, logged by the chart's own rules, crosses NFLOG, sender, CURVE,
# receiver and FIFO, and the IDS alerts on it; who has no key that the receiver knows gets nothing
# through, until the Secret has its key; the pod of `helm test` finds its packet; and after an upgrade
# to two receivers with two IDS each, all four get their share of the flows.
# Usage: kube_play_test.sh ROOT
set -uo pipefail
root=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/deploy/containers/engine_lib.sh
. "$here/engine_lib.sh"
require_engine
readonly helm=$root/build/node/bin/helm4 kubectl=$root/build/node/bin/kubectl
for tool in "$helm" "$kubectl"; do
  [[ -x $tool ]] || skip "${tool##*/} is not in build/node/bin: scripts/install-node-tools"
done
readonly chart=$root/deploy/helm/pcap-zmq-pipe
readonly node=$project-node node_name=node-1
readonly pod_network=10.99.0 release=pipe full=pipe-pcap-zmq-pipe
readonly manifests=/var/lib/kubelet/manifests
readonly sender_name=nodes@$node_name flows=60
readonly table=pcap_zmq_ids_pipe_pcap_zmq_pipe strangers_table=pcap_zmq_ids_stranger_pcap_zmq_pipe
work=$(mktemp -d) || exit 1

started=${EPOCHREALTIME/./}
took() {  # WHAT: prints the time since the last one
  local now=${EPOCHREALTIME/./}
  printf '%s: %d.%d s\n' "$1" "$(((now - started) / 1000000))" "$(((now - started) / 100000 % 10))"
  started=$now
}

declare -a background=()
end_background() {
  ((${#background[@]} == 0)) || { kill "${background[@]}"; wait "${background[@]}"; } 2>/dev/null
  background=()
}

cleanup() {
  local status=$? name
  end_background
  if ((status != 0 && status != 77)); then
    cat "$work"/changes-* 2>/dev/null
    on_node podman ps --all
    for name in $(on_node podman ps --all --format '{{.Names}}' | grep -v -- '-infra$'); do
      echo "--- $name"
      on_node podman logs --tail 15 "$name" 2>&1
    done
    for name in "$work"/played-*; do
      [[ ! -s $name ]] || { echo "--- $name"; tail -n 15 "$name"; }
    done
  fi
  remove_gateway
  docker rm --force --volumes "$node" >/dev/null 2>&1
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- The node -----------------------------------------------------------------------------------

on_node() {
  docker exec "$node" "$@"
}

# In the node's network, with the programs and files of here.
in_node_network() {
  nsenter --net="/proc/$node_pid/ns/net" -- "$@"
}

# Its host network is the container's, so that two copies of this test do not meet.  The rights are
# those that podman needs to make containers; the pods get what their manifests say.
start_node() {
  local version
  docker image inspect pcap-zmq-pipe/test-node >/dev/null 2>&1 ||
    skip "there is no image of the node; scripts/with-container-engine says why"
  docker run --detach --name "$node" --hostname "$node_name" --network none \
    --dns "$pod_network.1" --dns-search dns.podman \
    --env DISABLE_HC_SYSTEMD=true --env PODMAN_IGNORE_CGROUPSV1_WARNING=true \
    --cap-add SYS_ADMIN --cap-add NET_ADMIN \
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --security-opt systempaths=unconfined \
    --volume /var/lib/containers --tmpfs /var/lib/kubelet --tmpfs /run \
    pcap-zmq-pipe/test-node >/dev/null || fail "the node does not start"
  # Before 5, podman has neither all of the kinds nor all of the options.
  version=$(on_node podman version --format '{{.Client.Version}}') || fail "the node has no podman"
  ((${version%%.*} >= 5)) || skip "the base image has podman $version, and the pods take 5"
  node_pid=$(docker inspect --format '{{.State.Pid}}' "$node")
  # Without --internal, the DNS would ask itself for names that it does not know.
  on_node podman network create --internal --subnet "$pod_network.0/24" pods >/dev/null ||
    fail "podman makes no network"
  took "node with podman $version"
}

# The chart's images have the version as their tag.
load_images() {
  local version name
  local -a images=()
  version=$(sed -n 's/^appVersion: "\(.*\)"$/\1/p' "$chart/Chart.yaml")
  for name in sender receiver suricata demo; do
    docker tag "pcap-zmq-pipe/$name:latest" "pcap-zmq-pipe/$name:$version" || fail "no image $name"
    images+=("pcap-zmq-pipe/$name:$version")
  done
  docker save "${images[@]}" | docker exec --interactive "$node" podman load --quiet >/dev/null ||
    fail "podman does not take the images"
  took "images"
}

# What is forwarded between them crosses the rules of the chart.
make_forwarding() {
  local side address
  in_node_network sysctl --quiet --write net.ipv4.ip_forward=1 || return
  for side in client server; do
    address=$client_ip
    [[ $side == client ]] || address=$server_ip
    ip netns add "$project-$side" &&
      in_node_network ip link add "gw-$side" type veth peer name eth0 netns "$project-$side" &&
      in_node_network ip addr add "${address%.*}.1/24" dev "gw-$side" &&
      in_node_network ip link set "gw-$side" up &&
      ip -n "$project-$side" link set lo up &&
      ip -n "$project-$side" addr add "$address/24" dev eth0 &&
      ip -n "$project-$side" link set eth0 up &&
      ip -n "$project-$side" route add default via "${address%.*}.1" || return
  done
}

# --- Rendering and playing ----------------------------------------------------------------------

template() {  # RELEASE [ARGUMENT]...
  local name=$1
  shift
  HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm \
    KUBECONFIG=/dev/null \
    "$helm" template "$name" "$chart" --namespace ids "$@" 2>"$work/helm.log" ||
    fail "helm: $(cat "$work/helm.log")"
}

# The Secret as the chart's Job makes it, with the Job's own command for the generator.
make_keys() {
  local keys=$work/keys command
  mkdir "$keys"
  chown 9478:9478 "$keys"
  command=$(template "$release" --show-only templates/keys-job.yaml | python3 -c '
import sys, yaml
(job,) = [o for o in yaml.safe_load_all(sys.stdin) if o["kind"] == "Job"]
(part,) = job["spec"]["template"]["spec"]["initContainers"]
assert part["command"][:2] == ["bash", "-c"]
print(part["command"][2])') || fail "the chart renders no Job that makes keys"
  docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --network none \
    --user 9478:9478 --volume "$keys:/run/keys" --entrypoint bash \
    pcap-zmq-pipe/receiver -c "$command" >/dev/null || fail "the Job's command makes no keys"
  secret "$full-keys" "$keys" >"$work/keys.yaml"
}

secret() {  # NAME DIRECTORY
  echo ---
  "$kubectl" create secret generic "$1" --namespace=ids --from-file="$2" --dry-run=client \
    --output=yaml || fail "kubectl makes no Secret"
}

# Plays what is rendered, but for the pods that are there already; the plan tells what was changed.
play() {  # PLAN: manifests from standard input
  local plan=$work/plan-$1 word name file network
  docker exec --interactive "$node" kubelet "$node_name" "$manifests/$1" >"$plan" ||
    fail "see above"
  sed -n 's/^changed //p' "$plan" | sort -u >"$work/changes-$1"
  while read -r word name file network; do
    [[ $word == play ]] || continue
    local -a options=()
    [[ $network == host ]] || options=(--network "$network")
    on_node podman kube play --quiet "${options[@]}" "$file" >"$work/played-$name" 2>&1 </dev/null ||
      fail "podman does not play $name: $(cat "$work/played-$name")"
    [[ $network == host ]] || find_address "$name" </dev/null || fail "$name has no address"
  done <"$plan"
}

pod_address() {  # POD
  cat "$work/address-$1"
}
find_address() {  # POD
  on_node podman pod inspect --format '{{.InfraContainerID}}' "$1" |
    xargs docker exec "$node" podman inspect \
      --format '{{(index .NetworkSettings.Networks "pods").IPAddress}}' >"$work/address-$1"
}

# What the kubelet would ask, where it would.
probe() {  # URL
  in_node_network curl -fsS --max-time 60 "$1"
}
await_probes() {  # PLAN
  local word pod container kind url
  while read -r word pod container kind url; do
    [[ $word == probe ]] || continue
    [[ $url != *ADDRESS* ]] || url=${url/ADDRESS/$(pod_address "$pod")}
    await 120 "$container of $pod to pass its $kind, $url" probe "$url"
  done <"$work/plan-$1"
}

# The lines of a metric, or the sum of those that hold a text: figure URL NAME [TEXT].
figure() {
  probe "$1/metrics" | awk -v name="$2" -v text="${3:-}" '
    ($1 == name || index($1, name "{") == 1) && index($0, text) { sum += $NF; seen = 1 }
    END { if (seen) printf "%.0f\n", sum }'
}

# Numbers of the packets that an nft table's rule has logged.
logged() {  # TABLE
  in_node_network nft list table inet "$1" | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

# What an IDS says, as it says it, without what podman puts before each line.
follow() {  # POD NUMBER
  local log
  log=$(on_node podman inspect --format '{{.HostConfig.LogConfig.Path}}' "$1-ids-$2") ||
    fail "there is no IDS $2 in $1"
  docker exec "$node" tail --lines +1 --follow "$log" > >(
    sed --unbuffered 's/^[^ ]* std[a-z]* [FP] //' >"$work/eve-$1-$2") 2>/dev/null &
  background+=($!)
}

alerts() {  # SIGNATURE FILE...
  local signature=$1
  shift
  cat "$@" | grep -c "\"event_type\":\"alert\".*\"signature_id\":$signature,"
}

is() {  # EXPECTED COMMAND...
  local expected=$1
  shift
  [[ $("$@") == "$expected" ]]
}

# --- What is tested -----------------------------------------------------------------------------

# The lab's client and server are pods to the rules.
readonly -a values=(--set receiver.ids.kind=suricata --set sender.rules.enabled=true
  --set 'sender.rules.podInterfaces={gw-*}')
readonly -a installed=("${values[@]}" --set receiver.replicas=1)
readonly sender_url=http://127.0.0.1:9477

check_installation() {
  { cat "$work/keys.yaml"; template "$release" "${installed[@]}" --no-hooks; } | play install ||
    exit 1
  cat "$work/changes-install"
  took "pods played"
  await_probes install
  took "probes pass"
}

check_alerts() {
  local pod=$full-receiver-0
  follow "$pod" 0
  in_client "$here/alert_delay.py" "$work/eve-$pod-0" "$server_ip" 5 ||
    fail "the IDS does not alert on what the node's rules log"
  start_in_server python3 "$root/docker/demo/demo.py" serve
  background+=($!)
  await 20 "the web server" in_client curl -fsS "http://$server_ip/"
  in_client curl -fsS "http://$server_ip/pcap-zmq-demo" >/dev/null || fail "no answer over TCP"
  await 30 "the alert on the HTTP request" is 1 alerts 9000001 "$work/eve-$pod-0"
  took "alerts"
}

# Pods that come and go have packets of their own forwarded, so this is asked for until it holds.
all_arrived() {  # RECEIVER-URL
  local count
  count=$(logged "$table")
  ((count > 0)) &&
    is "$count" figure "$1" pcap_zmq_receiver_packets_total "sender=\"$sender_name\"" &&
    is "$count" figure "$1" pcap_zmq_receiver_packets_total
}
check_metrics() {
  local url
  url=http://$(pod_address "$full-receiver-0"):9478
  await 30 "all that was logged to be counted as $sender_name's" all_arrived "$url"
  echo "logged by the node: $(logged "$table"), received from $sender_name:" \
    "$(figure "$url" pcap_zmq_receiver_packets_total "sender=\"$sender_name\"")"
}

# A release of its own on the same node, with everything but a key that the receivers know.
check_stranger() {
  local url keys=$work/stranger before
  url=http://$(pod_address "$full-receiver-0"):9478
  mkdir "$keys"
  docker run --rm --network none --user 0 --volume "$keys:/run/keys" \
    --entrypoint pcap-zmq-keygen pcap-zmq-pipe/receiver /run/keys sender >/dev/null ||
    fail "no keys"
  cp "$work/keys/receiver.pub" "$keys"
  cat >"$work/stranger.yaml" <<VALUES
keys: {existingSenderSecret: stranger}
receiver: {enabled: false}
sender:
  source: "7"
  endpoints: ["tcp://$full-receiver-headless:1234"]
  metricsPort: 9487
  rules:
    enabled: true
    ruleset: chain forward { type filter hook forward priority mangle; counter log group 7; }
VALUES
  {
    secret stranger "$keys"
    template stranger --values "$work/stranger.yaml" --no-hooks
  } | play stranger || exit 1
  await 60 "the stranger's rules" in_node_network nft list table inet "$strangers_table"
  await 60 "the stranger to be turned away" turned_away "$url"
  before=$(logged "$table")
  in_client "$here/load.py" once "$server_ip"
  await 30 "the stranger to have captured packets" has_captured http://127.0.0.1:9487
  await 30 "the packets of the node's own sender, and nobody else's" all_arrived "$url"
  (($(logged "$table") > before)) || fail "no packet crossed the rules"
  echo "a stranger captured" "$(figure http://127.0.0.1:9487 pcap_zmq_sender_packets_total)" \
    "packets, was turned away" "$(figure "$url" pcap_zmq_receiver_refused_connections_total)" \
    "times and delivered none"
  took "stranger"
}
turned_away() {
  (($(figure "$1" pcap_zmq_receiver_refused_connections_total) > 0))
}
has_captured() {
  (($(figure "$1" pcap_zmq_sender_packets_total) > 0))
}

# The stranger's key takes the place that the manual has for the nodes' previous one, and loses it
# again: the running receiver follows the Secret as the kubelet exchanges its files.
check_key_exchange() {
  local url
  url=http://$(pod_address "$full-receiver-0"):9478
  cp "$work/stranger/sender.pub" "$work/keys/sender-previous.pub"
  refresh_secrets
  await 60 "the stranger's packets, now that its key is known" \
    has_sent "$url" "nodes-previous@$node_name"
  rm "$work/keys/sender-previous.pub"
  refresh_secrets
  await 60 "the key to be taken away again" is 1 figure "$url" pcap_zmq_receiver_authorized_keys
  on_node podman pod rm --force --time 60 stranger-pcap-zmq-pipe-sender-pod >/dev/null ||
    fail "the stranger does not go"
  ! in_node_network nft list table inet "$strangers_table" >/dev/null 2>&1 ||
    fail "the rules outlive their pod"
  took "keys exchanged"
}
has_sent() {  # RECEIVER-URL SENDER
  (($(figure "$1" pcap_zmq_receiver_packets_total "sender=\"$2\"") > 0))
}
refresh_secrets() {
  {
    secret "$full-keys" "$work/keys"
    template "$release" "${installed[@]}" --show-only templates/receiver-statefulset.yaml
  } | docker exec --interactive "$node" kubelet "$node_name" "$manifests/install" refresh >/dev/null ||
    fail "see above"
}

# The pod finds the receivers by the Service, which is rendered with it for that.
check_helm_test() {
  local status
  {
    cat "$work/keys.yaml"
    template "$release" "${installed[@]}" --show-only templates/tests/packet.yaml
    template "$release" "${installed[@]}" --show-only templates/receiver-services.yaml
  } | play test || exit 1
  status=$(on_node timeout 900 podman wait "$full-test-test") || fail "helm test does not end"
  on_node podman logs "$full-test-test"
  ((status == 0)) || fail "helm test ends with status $status"
  took "helm test"
}

# In a cluster the IDS waits in its preStop until the receiver has ended; podman has none.  Without more
# to read, the IDS ends by itself, and is started again until the pod goes.
end_receiver() {  # POD
  on_node podman stop --time 60 "$1-receiver" >/dev/null || fail "the receiver does not end"
  is 0 on_node podman inspect --format '{{.State.ExitCode}}' "$1-receiver" ||
    fail "the receiver does not end well"
  await 120 "the IDS to end with its receiver, and to be started again" was_restarted "$1-ids-0"
  on_node podman pod rm --force --time 3 "$1" >/dev/null 2>&1 || fail "$1 does not go"
}
was_restarted() {
  (($(on_node podman inspect --format '{{.RestartCount}}' "$1") > 0))
}

# Two receivers with two IDS each, in place of one: the sender's pod is not touched, and learns of them
# by their name.
check_upgrade() {
  local number url
  local -a upgraded=("${values[@]}" --set receiver.replicas=2 --set receiver.outputs=2)
  cmp <(template "$release" "${installed[@]}" --show-only templates/sender-daemonset.yaml) \
    <(template "$release" "${upgraded[@]}" --show-only templates/sender-daemonset.yaml) ||
    fail "more receivers change the senders"
  end_receiver "$full-receiver-0"
  {
    cat "$work/keys.yaml"
    for part in config services statefulset; do
      template "$release" "${upgraded[@]}" --show-only "templates/receiver-$part.yaml"
    done
  } | play upgrade || exit 1
  await_probes upgrade
  for number in 0 1; do
    url=tcp://$(pod_address "$full-receiver-$number"):1234
    await 60 "the sender to be connected with $url" \
      is 1 figure "$sender_url" pcap_zmq_sender_endpoint_connected "endpoint=\"$url\""
    follow "$full-receiver-$number" 0
    follow "$full-receiver-$number" 1
  done
  await 60 "the sender to forget the receiver that is gone" knows_receivers 2
  took "upgrade"
  in_client curl -fsS --output /dev/null "http://$server_ip/pcap-zmq-demo?[1-$flows]" ||
    fail "no answer over TCP"
  await 60 "an alert for each of $flows connections" is "$flows" alerts 9000001 "$work"/eve-*-[01]
  check_shares
  took "shares"
}
knows_receivers() {  # COUNT
  is "$1" grep -c '^pcap_zmq_sender_endpoint_connected{' <(probe "$sender_url/metrics")
}

# Every connection alerted once, so its two directions met at one IDS; no IDS went without; and all that
# was logged is accounted for, hop by hop.
check_shares() {
  local number output count
  for number in 0 1; do
    for output in 0 1; do
      count=$(alerts 9000001 "$work/eve-$full-receiver-$number-$output")
      echo "IDS $output of receiver $number: $count of $flows connections"
      ((count > 0)) || fail "an IDS has no share of the flows"
    done
  done
  await 60 "the ledger to close" ledger_closes
  ledger
}
# Logged, captured, sent or dropped; and for each receiver, sent to it, received and written.
ledger() {
  local number address
  echo "$(logged "$table") $(figure "$sender_url" pcap_zmq_sender_packets_total)" \
    "$(($(figure "$sender_url" pcap_zmq_sender_sent_packets_total) +
        $(figure "$sender_url" pcap_zmq_sender_dropped_packets_total)))"
  for number in 0 1; do
    address=$(pod_address "$full-receiver-$number")
    echo "$(figure "$sender_url" pcap_zmq_sender_endpoint_sent_packets_total "tcp://$address:")" \
      "$(figure "http://$address:9478" pcap_zmq_receiver_packets_total)" \
      "$(figure "http://$address:9478" pcap_zmq_receiver_sink_packets_total)"
  done
}
ledger_closes() {
  ledger | awk '$1 != $2 || $2 != $3 || !$1 { wrong = 1 } END { exit wrong || NR != 3 }'
}

start_node
load_images
make_forwarding || fail "cannot make the client's and the server's namespaces"
make_keys
check_installation
check_alerts
check_metrics
check_stranger
check_key_exchange
check_helm_test
check_upgrade
