#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# What each file in docker/rules/ promises, held against what it does to real traffic.
# Usage: rules_cases.py ROOT BIN_DIR WORK_DIR [CASE...]   (run by rules_test.sh)
import os
import re
import shutil
import struct
import sys
import time

from rules_lab import (CLIENT, FOREIGN, GATEWAY, OTHER, SERVER, Failure, Lab, exactly, expect,
                       flows, of, run, some, summary)

BOTH = list(SERVER.values())


def udp(port, **more):
    return {"proto": "udp", "to": BOTH, "port": port, **more}


def tcp(port, to=None, **more):
    return {"proto": "tcp", "to": to or BOTH, "port": port, **more}


def braces(kind, value):
    return "{ " + value + " }" if kind == "nft" else value


def check_that_a_bad_edit_changes_nothing(lab, kind):
    """The loaded recipe stays in force after an attempt to load it with a mistake."""
    def in_force():
        if kind == "nft":
            return run(["nft", "-s", "list", "ruleset"]).stdout
        return "".join(line for program in ("iptables-save", "ip6tables-save")
                       for line in run([program, "-t", "mangle"]).stdout.splitlines(True)
                       if line.startswith("-A"))

    before = in_force()
    _, path = lab.loaded
    bad = path + ".bad" + os.path.splitext(path)[1]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if kind == "nft":
        # The family that comes last is the one that is wrong.
        text += "add rule inet pcap_zmq no-such-chain accept\n"
    else:
        text = text.replace("\nmain ", "\nfirst_rules() { :; }\neval \"first_$(declare -f rules)\"\n"
                            "rules() { first_rules; echo '-6 -A PCAP_ZMQ -j NO_SUCH'; }\nmain ")
    with open(bad, "w", encoding="utf-8") as file:
        file.write(text)
    done = run(["nft", "-f", bad] if kind == "nft" else ["bash", bad, "load"], check=False)
    expect(done.returncode, f"{os.path.basename(path)} with a mistake was loaded")
    expect(in_force() == before, f"a mistake in {os.path.basename(path)} cost what was in force:"
                                 f"\n{before}\nnow:\n{in_force()}")


def case_forward(lab, kind):
    # The server's and the client's networks are both home: each packet once, all the same.
    lab.load(kind, "forward")
    packets = lab.measure([udp(9000, count=5)])
    exactly(packets, 20, "from home to home")
    for address in CLIENT.values():
        exactly([p for p in packets if p.src == address], 5, "requests of " + address)
    for address in SERVER.values():
        exactly([p for p in packets if p.src == address], 5, "answers of " + address)
    lab.unload()
    lab.set(kind, "forward", home4=braces(kind, "198.51.100.0/24"),
            home6=braces(kind, "2001:db8:ffff:1::/64"))
    packets = lab.measure([udp(9000, count=5), {**udp(9001, count=5), "from": FOREIGN}])
    exactly(of(packets, "udp", 9000), 20, "from home")
    exactly(packets, 20, "from home and from elsewhere")
    check_that_a_bad_edit_changes_nothing(lab, kind)


def case_interfaces(lab, kind):
    # One side's interface first, then both, between which each packet still counts once; and names
    # that begin alike.
    any_of = "to-*" if kind == "nft" else "to-+"
    for names in (["to-client"], ["to-client", "to-server"], [any_of], ["to-cl" + any_of[-1]]):
        value = ", ".join(f'"{name}"' for name in names)
        lab.set(kind, "interfaces", home=braces(kind, value) if kind == "nft"
                else f"({' '.join(names)})")
        packets = lab.measure([udp(9000, count=5)])
        exactly(packets, 20, f"from and to what is behind {value}")
        for address in (*CLIENT.values(), *SERVER.values()):
            exactly([p for p in packets if p.src == address], 5, "from " + address)
        lab.unload()
    lab.load(kind, "interfaces")
    exactly(lab.measure([udp(9000, count=5)]), 0, "with interfaces that are not there")


def replay_through_gateway(lab):
    """A sender behind the gateway feeds receivers beyond it, over IPv4 and IPv6."""
    path = f"{lab.work}/replay.pcap"
    ip = bytes([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]) + bytes([192, 0, 2, 7] * 2) + bytes(8)
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for i in range(100):
            file.write(struct.pack("=IIII", 1700000000, i, len(ip), len(ip)) + ip)
    for address in (SERVER["4"], f"[{SERVER['6']}]"):
        capture = f"{lab.work}/stream-{time.monotonic_ns()}.pcap"
        receiver = lab.receiver("stream", "server", f"tcp://{address}:1234", capture)
        lab.on("client", [lab.programs + "/pcap-zmq-send", "--metrics", "off", "--replay-speed",
                          "max", "file:" + path, f"tcp://{address}:1234"])
        receiver.terminate()
        expect(receiver.wait(30) == 0, "the stream's receiver failed")


def stream_ids(kind):
    return {"ids4": braces(kind, SERVER["4"]), "ids6": braces(kind, SERVER["6"])}


def stream_packets(lab, jobs):
    replay_through_gateway(lab)
    packets = lab.measure(jobs)
    return [p for p in of(packets, "tcp", 1234) if p.src in BOTH or p.dst in BOTH], packets


def case_own_stream_port(lab, kind):
    port = "ports" if kind == "nft" else "zmq_port"
    lab.set(kind, "own-stream-port", **stream_ids(kind))
    jobs = [udp(9000, count=5), tcp(1234, [OTHER["4"]]), tcp(1234, [OTHER["6"]])]
    stream, packets = stream_packets(lab, jobs)
    exactly(stream, 0, "the pipe's own stream")
    exactly(of(packets, "udp"), 20, "the rest")
    for address in OTHER.values():
        for end in ("src", "dst"):
            some([p for p in of(packets, "tcp", 1234) if getattr(p, end) == address],
                 f"the stream's port on another host, {end} {address}")
    lab.unload()
    # With another port in the rule the stream must show, or this test sees nothing at all.
    lab.set(kind, "own-stream-port", **stream_ids(kind), **{port: braces(kind, "4321")})
    stream, _ = stream_packets(lab, jobs)
    for address in BOTH:
        some(of(stream, "tcp", 1234, address), "the stream on another port than the rule's")


def case_own_stream_dscp(lab, kind):
    lab.set(kind, "own-stream-dscp", **stream_ids(kind))
    # Another host's packets of the same class stay visible.
    marked = {"proto": "udp", "to": [OTHER["4"]], "port": 9000, "count": 5, "tos": 0x20}
    stream, _ = stream_packets(lab, [marked])
    for address in BOTH:
        some(of(stream, "tcp", 1234, address), "a stream without the DSCP")
    if kind == "nft":
        lab.on("client", ["nft", "-f", "-"], text="""
            add table inet pcap_zmq_dscp
            add chain inet pcap_zmq_dscp output { type filter hook output priority mangle; }
            add rule inet pcap_zmq_dscp output tcp dport 1234 ip dscp set cs1
            add rule inet pcap_zmq_dscp output tcp dport 1234 ip6 dscp set cs1
            """)
    else:
        for program in ("iptables", "ip6tables"):
            lab.on("client", [program, "-t", "mangle", "-A", "OUTPUT", "-p", "tcp", "--dport",
                              "1234", "-j", "DSCP", "--set-dscp-class", "cs1"])
    lab.unload()
    lab.set(kind, "own-stream-dscp", **stream_ids(kind))
    try:
        stream, packets = stream_packets(lab, [marked])
    finally:
        if kind == "nft":
            lab.on("client", ["nft", "delete", "table", "inet", "pcap_zmq_dscp"])
        else:
            for program in ("iptables", "ip6tables"):
                lab.on("client", [program, "-t", "mangle", "-F", "OUTPUT"])
    exactly(stream, 0, "a stream with the DSCP, and its answers")
    exactly(of(packets, "udp", 9000, OTHER["4"]), 10, "another host's packets with the DSCP")


def case_own_stream_user(lab, kind):
    # The stream is that of the pipes themselves, which feeds on itself when it is not left out.
    # Loaded once: what the stream shows between two loads, the second forgets to have counted.
    lab.load(kind, "own-stream-user", times=1)
    packets = lab.measure([{"proto": "udp", "to": list(GATEWAY.values()), "port": 9000,
                            "count": 50}])
    exactly(of(packets, "udp", 9000), 200, "the gateway's own traffic")
    # The streams are older than the rules, which know each by the first packet that goes out.
    for port in (1234, 1235):
        stream = of(packets, "tcp", port)
        expect(len(stream) <= 1 and all(p.sport == port for p in stream),
               f"the pipes' own streams: {summary(stream)}")


def case_encrypted(lab, kind):
    lab.load(kind, "encrypted")
    packets = lab.measure([
        tcp(22), tcp(443), udp(443, count=3), udp(4500, count=3), udp(51820, count=3),
        {"proto": "esp", "to": BOTH}, udp(9000, count=5), tcp(9000, sport=443)])
    exactly(of(packets, "udp"), 20, "plain UDP")
    exactly(of(packets, "udp", 9000), 20, "plain UDP on its port")
    exactly(of(packets, "esp"), 0, "ESP")
    exactly(of(packets, "tcp", 22), 0, "SSH")
    hidden = of(packets, "tcp", 9000)
    for address in BOTH:
        for end in ("src", "dst"):
            some([p for p in hidden if getattr(p, end) == address], "who connects from port 443")
    exactly(of(packets, "tcp", 443), len(hidden), "TCP 443 that is not TLS")
    exactly(packets, 20 + len(hidden), "everything")


def case_bulk(lab, kind):
    values = {"bulk4": braces(kind, OTHER["4"]), "bulk6": braces(kind, OTHER["6"])}
    if kind != "nft":
        values = {name: f"({value})" for name, value in values.items()}
    lab.set(kind, "bulk", **values)
    packets = lab.measure([tcp(873, list(OTHER.values()), size=300000), tcp(873),
                           tcp(9000, list(OTHER.values())), udp(9000, count=5)])
    for address in OTHER.values():
        exactly(of(packets, "tcp", 873, address), 0, "the backup on " + address)
        some(of(packets, "tcp", 9000, address), "the backup server's other service")
    for address in BOTH:
        some(of(packets, "tcp", 873, address), "another server's service on the backup's port")
    exactly(of(packets, "udp"), 20, "the rest")


def case_elephants(lab, kind):
    # 1,000 bytes are 1,028 with IPv4's headers and 1,048 with IPv6's: the 49th and 48th reach it.
    untracked = """table inet lab {
        chain prerouting {
            type filter hook prerouting priority raw;
            udp dport 9005 notrack
            udp sport 9005 notrack
        }
    }"""
    run(["nft", "-f", "-"], text=untracked)
    try:
        # A connection of before, when nothing was counted: loading the rules must switch that on.
        lab.write("gateway", "netfilter/nf_conntrack_acct", 0)
        lab.load(kind, "encrypted")
        lab.measure([udp(9006, sport=9106)])
        lab.unload()
        lab.write("gateway", "netfilter/nf_conntrack_acct", 0)
        lab.set(kind, "elephants", cutoff_bytes="50000")
        packets = lab.measure([udp(9000, count=40, size=1000), udp(9001, count=3),
                               udp(9005, count=40, size=1000),
                               udp(9006, count=40, size=1000, sport=9106)])
    finally:
        run(["nft", "delete", "table", "inet", "lab"])
    exactly(of(packets, "udp", 9000, SERVER["4"]), 48, "the start of a large connection (IPv4)")
    exactly(of(packets, "udp", 9000, SERVER["6"]), 47, "the start of a large connection (IPv6)")
    exactly(of(packets, "udp", 9001), 12, "small connections")
    exactly(of(packets, "udp", 9005), 160, "what conntrack does not track")
    exactly(of(packets, "udp", 9006), 160, "a connection older than the rules")


def check_that_each_load_draws_other_clients(lab, kind):
    """Both families have one seed, which nobody can read in the recipe."""
    def seed():
        saved = "".join(run([program, "-t", "mangle"]).stdout
                        for program in ("iptables-save", "ip6tables-save"))
        seeds = re.findall(r"--cluster-hash-seed (\S+)", saved)
        expect(len(seeds) == 2 and len(set(seeds)) == 1, f"the seeds of the families are {seeds}")
        return seeds[0]

    before = seed()
    lab.load(kind, "sample-flows")
    expect(seed() != before, f"each load has the seed {before}")


def case_sample_flows(lab, kind):
    # nft picks connections, iptables clients: each flow here has an address of its own there.
    more = {} if kind == "nft" else {"from": FOREIGN}
    lab.load(kind, "sample-flows")
    packets = lab.measure([udp(9000, flows=200, count=2, **more)])
    sampled = flows(packets)
    # A tenth of 400: the standard deviation is 6.
    expect(8 <= len(sampled) <= 76, f"{len(sampled)} of 400 flows were sampled, not about 40")
    for ends, parts in sampled.items():
        exactly(parts, 4, f"the sampled flow {ends}")
    if kind != "nft":
        check_that_each_load_draws_other_clients(lab, kind)


def case_sample_packets(lab, kind):
    lab.load(kind, "sample-packets")
    packets = lab.measure([udp(9000, count=500)])
    # A tenth of 2,000: the standard deviation is 13.4.
    expect(120 <= len(packets) <= 280, f"{len(packets)} of 2000 packets, not about 200")


def slow(kind, nft_limit):
    """No further token while the test lasts: what is logged is the burst."""
    if kind == "nft":
        return [(nft_limit, r"limit rate 1/hour burst 20 packets")]
    return [(r"^rate=.*", "rate=1/hour"), (r"^burst=.*", "burst=20")]


def case_rate_limit(lab, kind):
    lab.load(kind, "rate-limit", slow(kind, r"limit rate 20000/second burst 10000 packets"))
    packets = lab.measure([udp(9000, count=40)])
    # 160 packets; nft has one limit for both families, iptables one for each.
    exactly(packets, 20 if kind == "nft" else 40, "the burst")
    for end in ("src", "dst"):
        exactly([p for p in packets if getattr(p, end) == CLIENT["4"]], 10, "of each direction")
    if kind == "nft":
        expect(lab.counter("exceeded") == 140, f"{lab.counter('exceeded')} exceeded, not 140")


def case_rate_limit_per_host(lab, kind):
    lab.load(kind, "rate-limit-per-host",
             slow(kind, r"limit rate 1000/second burst 2000 packets"))
    packets = lab.measure([{**udp(9000, flows=3, count=40), "from": FOREIGN}])
    sources = {p.src for p in packets}
    expect(len(sources) == 8, f"three clients and a server each of IPv4 and IPv6: {sources}")
    for source in sources:
        exactly([p for p in packets if p.src == source], 20, "the burst of " + source)
    if kind == "nft":
        expect(lab.counter("exceeded") == 320, f"{lab.counter('exceeded')} exceeded, not 320")


def check_spread(packets, count):
    exactly(packets, 4 * count, "two requests and their answers of each flow")
    by_group = [0, 0]
    for ends, parts in flows(packets).items():
        exactly(parts, 4, f"the flow {ends}")
        groups = {p.group for p in parts}
        expect(len(groups) == 1, f"the flow {ends} was split over groups {groups}")
        by_group[groups.pop()] += 1
    # The standard deviation of 60 coins is 3.9.
    expect(min(by_group) >= count // 6, f"the groups got {by_group} flows")


def case_groups(lab, kind):
    more = {} if kind == "nft" else {"from": FOREIGN}
    lab.load(kind, "groups")
    check_spread(lab.measure([udp(9000, flows=30, count=2, **more)]), 60)


def case_groups_hmark(lab, kind):
    lab.load(kind, "groups-hmark")
    check_spread(lab.measure([udp(9000, flows=30, count=2)]), 60)


def case_nth_splits_flows(lab, kind):
    """Why docs/rules.md warns of --mode nth: each packet counts, whichever flow it is of."""
    rules = r"""rules() {
  echo "-A PCAP_ZMQ -m statistic --mode nth --every 2 --packet 0 -g PCAP_ZMQ_GROUP0"
  echo "-A PCAP_ZMQ -g PCAP_ZMQ_GROUP1"
}
unused() {"""
    lab.load(kind, "groups", [(r"^rules\(\) \{", lambda _: rules)])
    packets = lab.measure([udp(9000, flows=10, count=2)])
    split = [parts for parts in flows(packets).values() if len({p.group for p in parts}) == 2]
    expect(len(split) > 5, f"only {len(split)} of 20 flows were split")


def case_gateway(lab, kind):
    ids = {"ids4": braces(kind, OTHER["4"]), "ids6": braces(kind, OTHER["6"])}
    lab.set(kind, "gateway", home4=braces(kind, "198.51.100.0/24"),
            home6=braces(kind, "2001:db8:ffff:1::/64"), cutoff_bytes="50000", **ids)
    packets = lab.measure([
        udp(9000, flows=30, count=2), udp(9001, count=40, size=1000), tcp(443), tcp(22),
        udp(443, count=3), {"proto": "esp", "to": BOTH}, tcp(1234, list(OTHER.values())),
        {**udp(9002, count=5), "from": FOREIGN}])
    exactly(of(packets, "udp", 9001), 48 + 47, "the start of large connections")
    exactly(of(packets, "udp", 9000), 240, "small connections")
    exactly(packets, 240 + 48 + 47, "nothing else")
    for ends, parts in flows(packets).items():
        expect(len({p.group for p in parts}) == 1, f"the flow {ends} was split over groups")
    if kind == "nft":  # iptables spreads clients, and here is but one.
        expect({p.group for p in packets} == {0, 1}, "all flows are in one group")


def case_forward_beats_prerouting(lab, kind):
    """Behind NAT, FORWARD sees the same two ends both ways; raw prerouting does not."""
    run(["nft", "-f", "-"], text="""table ip lab {
        chain postrouting {
            type nat hook postrouting priority srcnat;
            oifname "to-server" masquerade
        }
        chain prerouting {
            type filter hook prerouting priority raw;
            udp dport 9000 log group 1
            udp sport 9000 log group 1
        }
    }""")
    try:
        lab.load(kind, "forward")
        packets = lab.measure([{**udp(9000, count=5), "to": [SERVER["4"]]}], others=10)
    finally:
        run(["nft", "delete", "table", "ip", "lab"])
    client, server = CLIENT["4"], SERVER["4"]
    ways = [sorted({(p.src, p.dst) for p in packets if p.group == group}) for group in (0, 1)]
    expect(ways[0] == sorted([(client, server), (server, client)]), f"in FORWARD: {ways[0]}")
    expect(ways[1] == sorted([(client, server), (server, "192.0.2.1")]),
           f"in raw prerouting: {ways[1]}")
    expect(len(flows([p for p in packets if p.group == 0])) == 1, "FORWARD: not one conversation")
    expect(len(flows([p for p in packets if p.group == 1])) == 2, "prerouting: not two halves")


# What a kernel may lack, tried before the case: an nft expression, or matches of iptables.
CASES = [
    ("interfaces", case_interfaces, None, None),
    ("forward", case_forward, None, None),
    ("own-stream-port", case_own_stream_port, None, None),
    ("own-stream-dscp", case_own_stream_dscp, "ct mark 1 ip dscp cs1",
     "-m dscp --dscp 1 -m connmark --mark 1 -j CONNMARK --set-xmark 1/1"),
    ("own-stream-user", case_own_stream_user, "meta skuid 1 ct mark 1",
     "-m connmark --mark 1 -j CONNMARK --set-xmark 1/1"),
    ("encrypted", case_encrypted, "meta l4proto tcp ct reply proto-src 1",
     "-m conntrack --ctproto tcp --ctreplsrcport 1"),
    ("bulk", case_bulk, "ct reply ip saddr 192.0.2.1", "-m conntrack --ctproto tcp"),
    ("elephants", case_elephants, "ct bytes >= 1", "-m connbytes --connbytes 1: "
     "--connbytes-dir both --connbytes-mode bytes"),
    ("sample-flows", case_sample_flows, "symhash mod 2 0", "-m cluster --cluster-total-nodes 2 "
     "--cluster-local-node 1 --cluster-hash-seed 1"),
    ("sample-packets", case_sample_packets, "numgen random mod 2 0",
     "-m statistic --mode random --probability 0.5"),
    ("rate-limit", case_rate_limit, "limit rate 1/second", "-m hashlimit --hashlimit-name probe "
     "--hashlimit-upto 1/second"),
    ("rate-limit-per-host", case_rate_limit_per_host, "limit rate 1/second",
     "-m hashlimit --hashlimit-name probe --hashlimit-mode srcip --hashlimit-upto 1/second"),
    ("groups", case_groups, "symhash mod 2 0", "-m cluster --cluster-total-nodes 2 "
     "--cluster-local-node 1 --cluster-hash-seed 1"),
    ("groups-hmark", case_groups_hmark, False, "-j HMARK --hmark-tuple src,dst --hmark-mod 2 "
     "--hmark-offset 1 --hmark-rnd 1"),
    ("nth-splits-flows", case_nth_splits_flows, False, "-m statistic --mode nth --every 2 "
     "--packet 0"),
    ("gateway", case_gateway, "ct bytes >= 1 symhash mod 2 0",
     "-m connbytes --connbytes 1: --connbytes-dir both --connbytes-mode bytes -m cluster "
     "--cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 1"),
    ("forward-beats-prerouting", case_forward_beats_prerouting, "ct state new", False),
]


def missing(kind, needs):
    """Why this kernel cannot do what the case needs, or nothing."""
    if kind == "nft":
        probe = f"table inet probe {{\nchain probe {{\n{needs or ''} counter log group 9\n}}\n}}\n"
        done = run(["nft", "-f", "-"], check=False, text=probe + "delete table inet probe\n")
        return done.stderr.strip().split("\n")[0]
    for program in ("iptables", "ip6tables"):
        if not shutil.which(program):
            return program + " is not installed"
        rule = (needs or "").split()
        target = [] if "-j" in rule else ["-j", "NFLOG"]
        for step in (["-N", "probe"], ["-A", "probe", *rule, *target], ["-F", "probe"],
                     ["-X", "probe"]):
            done = run([program, "-w", "-t", "mangle", *step], check=False)
            if done.returncode:
                run([program, "-w", "-t", "mangle", "-X", "probe"], check=False)
                return done.stderr.strip().split("\n")[0]
    return ""


def check_that_all_are_tried(rules, guide):
    with open(guide, encoding="utf-8") as file:
        explained = file.read()
    for name in os.listdir(rules):
        recipe, ending = os.path.splitext(name)
        tried = {case for case, _, nft, iptables in CASES
                 if (nft if ending == ".nft" else iptables) is not False}
        if ending in (".nft", ".sh") and recipe not in tried:
            sys.exit(f"FAILED: no case tries {name}")
        if ending in (".nft", ".sh") and f"`{recipe}" not in explained:
            sys.exit(f"FAILED: {guide} does not explain {name}")


def main():
    root, programs, work, *wanted = sys.argv[1:]
    lab = Lab(root, programs, work)
    check_that_all_are_tried(lab.rules, os.path.join(root, "docs", "rules.md"))
    try:
        lab.build()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
    failed = passed = 0
    for kind in ("nft", "iptables"):
        for name, case, nft_needs, iptables_needs in CASES:
            label = f"{kind} {name}"
            needs = nft_needs if kind == "nft" else iptables_needs
            if needs is False or (wanted and name not in wanted and label not in wanted):
                continue
            why = missing(kind, needs)
            if not why and name == "own-stream-user" and not lab.is_real_root:
                why = "only root can run the sender as another user"
            if why:
                print(f"SKIPPED: {label}: {why}")
                continue
            began = time.monotonic()
            lab.loaded = None
            try:
                case(lab, kind)
                lab.unload()
                print(f"ok: {label} ({time.monotonic() - began:.1f} s)", flush=True)
                passed += 1
            except Failure as failure:
                print(f"FAILED: {label}: {failure}", flush=True)
                failed += 1
                if lab.loaded:
                    lab.unload()
    if failed:
        sys.exit(1)
    if not passed:
        print("SKIPPED: this kernel can load none of the rules")
        sys.exit(77)
    print(f"{passed} rule sets log what they promise")


if __name__ == "__main__":
    main()
