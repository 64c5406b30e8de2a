#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# What every block of rules in a document must do: log each packet of each session once, both
# directions of a session in one group of one host, and, before Suricata, let each session alert
# once.
# Usage: rule_blocks_cases.py ROOT BIN_DIR WORK_DIR [--image IMAGE] [--only REGEX]
#        (run by rule_blocks_test.sh)
import argparse
import collections
import os
import re
import shutil
import sys
import time

import rule_blocks
import rule_blocks_ids
import rules_cases
from rule_blocks_lab import NODES, PORTS, BlocksLab
from rules_lab import Failure, expect, run

# Recipes that leave packets out on purpose, and what they must do nevertheless.
WHOLE_FLOWS = ("docker/rules/sample-flows.nft", "docker/rules/sample-flows.sh")
HOLES = {
    "docker/rules/sample-packets.nft": "draws packets by lot, as docs/rules.md says",
    "docker/rules/sample-packets.sh": "draws packets by lot, as docs/rules.md says",
}

# Blocks that documents of this project once had, or that are like them, and what is wrong with
# each.  The test proves by them that it would have noticed.
BAD_BLOCKS = [
    ("halves of a flow in different groups", "sessions come through more than one", """
   4. Spread flows over several NFLOG groups with a `jhash` map:

   ```
   table inet pipe {
     chain forward {
       type filter hook forward priority 10; policy accept;
       jhash ip saddr . ip daddr mod 4 vmap { 0 : jump g0, 1 : jump g1, 2 : jump g2, 3 : jump g3 }
     }
     chain g0 { log group 0
     }
     chain g1 { log group 1
     }
     chain g2 { log group 2
     }
     chain g3 { log group 3
     }
   }
   ```
"""),
    ("one direction alone", "one direction alone", """
```
gateway# iptables  -I FORWARD -d 192.0.2.0/24 -j NFLOG --nflog-group 0 --nflog-size 65535
gateway# pcap-zmq-send 0 tcp://ids.host:1234
```
"""),
    ("what goes from home to home twice", "more than once", """
```nft
table inet pcap_zmq {
  chain forward {
    type filter hook forward priority mangle; policy accept;
    ip saddr { 192.0.2.0/24, 198.51.100.0/23 } log group 0
    ip daddr { 192.0.2.0/24, 198.51.100.0/23 } log group 0
  }
}
```
"""),
    ("directions from different nodes", "sessions come through more than one", """
```nft
chain forward {
  type filter hook forward priority mangle; policy accept;
  iifname "cali*" log group 0 snaplen 65535
}
```
"""),
    ("a mistake", "cannot be loaded", """
```sh
nft -f docker/rules/no-such-file.nft
```
"""),
    ("a placeholder", "looks like rules and cannot be loaded", """
```sh
sudo iptables -I FORWARD -o WAN -j NFLOG
```
"""),
]

# Of which Suricata alerts too little.  Doubles are harmless to it.
BLINDING = ("halves of a flow in different groups", "one direction alone",
            "directions from different nodes")

# What a kernel may lack: a part of a block, and an expression of nft or a match of iptables.
NEEDS = [("symhash", "nft", "symhash mod 2 0"), ("jhash", "nft", "jhash ip saddr mod 2 0"),
         ("ct direction", "nft", "ct direction original"), ("iptables", "iptables", "")]


def flow_of(packet):
    return tuple(sorted([(packet.src, packet.sport), (packet.dst, packet.dport)]))


def judge(truth, logged, sessions, may_leave_out=False):
    """What is wrong with what was logged, given what was there; nothing if nothing is."""
    there, got = collections.defaultdict(list), collections.defaultdict(list)
    for packets, flows in ((truth, there), (logged, got)):
        for packet in packets:
            flows[flow_of(packet)].append(packet)
    # Two sessions may have had the same ports, one after the other.
    opened = len({(flow_of(p), p.opens) for p in truth if p.opens is not None})
    expect(opened == sessions and all(len(ways(f)) == 2 for f in there.values()),
           f"the laboratory saw {opened} sessions and not {sessions}")
    if may_leave_out:
        there = {flow: packets for flow, packets in there.items() if flow in got}
        truth = [packet for packets in there.values() for packet in packets]
    if there and not logged:
        return "nothing is logged"
    half = [flow for flow in there if len(ways(got[flow])) == 1]
    if half:
        side = set().union(*(ways(got[flow]) for flow in half))
        sides = " or ".join("to the server" if s else "to the client" for s in sorted(side))
        return f"{len(half)} of {len(there)} sessions are logged in one direction alone, {sides}"
    split = [flow for flow in there if len({p.place for p in got[flow]}) > 1]
    if split:
        places = sorted({p.place for flow in split for p in got[flow]})
        return f"{len(split)} of {len(there)} sessions come through more than one of {places}"
    here, wanted = (collections.Counter(p.content for p in ps) for ps in (logged, truth))
    missing, repeated = (wanted - here).total(), (here - wanted).total()
    if repeated:
        return f"{repeated} packets are logged more than once, of {len(truth)}"
    if missing:
        return f"{missing} of {len(truth)} packets are not logged"
    return ""


def ways(packets):
    """The directions that there are packets of: True is to the server."""
    return {p.dport in PORTS for p in packets}


def lacking(block):
    """Why this kernel cannot load the block, or nothing."""
    name = os.path.splitext(os.path.basename(block.where))[0]
    if block.where.startswith("docker/rules/"):
        kind = "nft" if block.kind == "nft" else "iptables"
        for case, _, nft, iptables in rules_cases.CASES:
            if case == name:
                return rules_cases.missing(kind, nft if kind == "nft" else iptables)
    return next(filter(None, (rules_cases.missing(kind, needs) for part, kind, needs in NEEDS
                              if part in block.text)), "")


def check_packets(lab, block):
    """Loads a block and sends sessions; returns (what is wrong, packets that went through)."""
    wrong, count = lab.load(block), 0
    try:
        for way in lab.ways(block) if not wrong else ():
            hosts = [*NODES] if block.is_cluster else ["gateway"]
            lab.drain([way.truth, *hosts])
            lab.exchange_on(way, "/pcap-zmq-demo")
            logged, truth = lab.drain(hosts), lab.drain([way.truth])
            count += len(truth)
            if way.is_own_stream:
                wrong = f"{len(logged)} packets of the pipe's own stream" if logged else ""
            else:
                wrong = judge(truth, logged, way.sessions, block.where in WHOLE_FLOWS)
            if wrong:
                wrong = f"{way.name}: {wrong}"
                break
    finally:
        lab.unload(block)
    return wrong, count


def bad_blocks(work):
    """(title, what the verdict must say, the block or what the finder says) of each bad block."""
    for number, (title, verdict, text) in enumerate(BAD_BLOCKS):
        root = os.path.join(work, f"bad{number}")
        os.makedirs(os.path.join(root, "docs"))
        with open(os.path.join(root, "docs", "bad.md"), "w", encoding="utf-8") as file:
            file.write(f"# Bad\n{text}\nThe end.\n")
        try:
            (found,) = rule_blocks.blocks_of_documents(root, {})
            yield title, verdict, found
        except rule_blocks.Unknown as unknown:
            yield title, verdict, str(unknown)


def check_that_bad_blocks_are_refused(bad, check):
    """Returns how many were not; `check` says what is wrong with a block."""
    missed = 0
    for title, verdict, block in bad:
        wrong = block if isinstance(block, str) else lacking(block) or check(block)
        said = wrong.strip().split("\n")[0]
        if re.search(verdict, wrong):
            print(f"ok: refused, as it must: {title}: {said}", flush=True)
        elif not isinstance(block, str) and lacking(block):
            print(f"SKIPPED: {title}: {said}", flush=True)
        else:
            print(f"FAILED: {title} is not refused, or not for that: {said or 'all is well'}")
            missed += 1
    return missed


def check_all(lab, blocks, check):
    """Returns how many blocks fail, and how many are right."""
    failed = passed = 0
    for block in blocks:
        if block.where in HOLES:
            print(f"listed: {block.where}: {HOLES[block.where]}")
            continue
        why = lacking(block)
        if not why and "own-stream-user" in block.where and not lab.is_real_root:
            why = "an ordinary user has no other user to name"
        if why:
            print(f"SKIPPED: {block.where}: {why}")
            continue
        began = time.monotonic()
        try:
            wrong, what = check(block)
        except Failure as failure:
            wrong, what = str(failure), ""
        if wrong:
            print(f"FAILED: {block.where}: {wrong}", flush=True)
            failed += 1
        else:
            print(f"ok: {block.where}: {what} ({time.monotonic() - began:.1f} s)", flush=True)
            passed += 1
    return failed, passed


def try_packets(lab, blocks, bad):
    """Returns how many blocks fail, and how many are right, by their packets."""
    def packets_once(block):
        wrong, count = check_packets(lab, block)
        whole = " of each session that is logged" if block.where in WHOLE_FLOWS else ""
        return wrong, f"{count} packets, each once{whole}"
    missed = check_that_bad_blocks_are_refused(bad, lambda b: check_packets(lab, b)[0])
    failed, passed = check_all(lab, blocks, packets_once)
    return missed + failed, passed


def try_alerts(lab, blocks, bad, image):
    """The same by Suricata's alerts."""
    alerts = rule_blocks_ids.Alerts(lab, image)
    try:
        missed = check_that_bad_blocks_are_refused(
            [(title, r"^\d+ of \d+ sessions alert$", block) for title, _, block in bad
             if title in BLINDING],
            lambda block: alerts.check(block, patient=False)[0])
        failed, passed = check_all(lab, [b for b in blocks if b.where not in WHOLE_FLOWS],
                                   alerts.check)
    finally:
        alerts.remove()
    return missed + failed, passed


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "programs", "work"):
        parser.add_argument(name)
    parser.add_argument("--image")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    try:
        blocks = (rule_blocks.blocks_of_documents(options.root)
                  + rule_blocks.blocks_of_chart(options.root)
                  + rule_blocks.blocks_of_recipes(options.root))
        blocks = [block for block in blocks if re.search(options.only, block.where)]
        bad = list(bad_blocks(options.work))
        known = blocks + [block for _, _, block in bad if not isinstance(block, str)]
        lab = BlocksLab(options.root, options.programs, options.work)
        lab.build({0}.union(*(b.groups for b in known if not b.is_cluster)),
                  {0}.union(*(b.groups for b in known if b.is_cluster)))
        failed = passed = 0
        if not options.image:
            failed, passed = try_packets(lab, blocks, bad)
        why = "" if options.image else rule_blocks_ids.unusable()
        if why:
            print(f"without alerts: {why}")
        else:
            more, passed = try_alerts(lab, blocks, bad, options.image)
            failed += more
    except (Failure, rule_blocks.Unknown) as failure:
        sys.exit(f"FAILED: {failure}")
    if failed:
        sys.exit(1)
    if not passed:
        print("SKIPPED: this kernel can load none of the blocks")
        sys.exit(77)
    print(f"{passed} blocks of rules do as they should")


if __name__ == "__main__":
    main()
