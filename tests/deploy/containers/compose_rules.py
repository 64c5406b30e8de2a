#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks on the resolved compose file what its services promise.

Usage: docker compose ... config --format json | compose_rules.py
"""

import json
import sys

SERVICES = json.load(sys.stdin)["services"]
BREACHES = []


def want(service, what, holds):
    if not holds:
        BREACHES.append(f"{service}: {what}")


def volume(service, target):
    return next((v for v in SERVICES[service].get("volumes", []) if v["target"] == target), {})


for name in ("gateway", "receiver", "snort", "suricata", "demo", "demo-server"):
    entry = SERVICES[name]
    want(name, "read-only root", entry.get("read_only") is True)
    want(name, "no capabilities", entry.get("cap_drop") == ["ALL"])
    want(name, "no-new-privileges", entry.get("security_opt") == ["no-new-privileges:true"])
    allowed = ["NET_ADMIN"] if name in ("gateway", "demo") else None
    want(name, f"adds {allowed}", entry.get("cap_add") == allowed)

want("gateway", "on the host's network", SERVICES["gateway"].get("network_mode") == "host")
want("gateway", "depends on nothing, to run on its own machine",
     "depends_on" not in SERVICES["gateway"])
want("receiver", "publishes the ZeroMQ port",
     any(port["target"] == 1234 and port["published"] == "1234"
         for port in SERVICES["receiver"]["ports"]))
for ids in ("snort", "suricata"):
    entry = SERVICES[ids]
    want(ids, "has the FIFO read-only", volume(ids, "/run/pcap-zmq").get("read_only") is True)
    want(ids, "always started again, as it ends with its FIFO", entry.get("restart") == "always")
    want(ids, "waits for the receiver",
         entry["depends_on"]["receiver"]["condition"] == "service_healthy")
    want(ids, "says when it reads", "healthcheck" in entry)
COMMAND = " ".join(SERVICES["snort"]["command"])
for flags in ("--daq-batch-size 1", "-s 65535", "-k none", "-r /run/pcap-zmq/ids.pcap"):
    want("snort", f"runs with {flags}", flags in COMMAND)

for breach in BREACHES:
    print(f"BREACH: {breach}")
sys.exit(1 if BREACHES else 0)
