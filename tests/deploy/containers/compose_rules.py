#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks on the resolved compose file what its services promise.

Usage: docker compose ... config --format json | compose_rules.py SENDER_HELP RECEIVER_HELP

The arguments are files with what the two programs' --help says.
"""

import json
import re
import sys

SERVICES = json.load(sys.stdin)["services"]
BREACHES = []

ABOUT_THE_PROCESS = {"PRINT_CONFIG", "HEALTHCHECK", "VERSION", "HELP"}
# Options that a container has no use for, and why.
LEFT_OUT = {
    "gateway": ABOUT_THE_PROCESS | {
        "CONFIG",  # every option is a variable
        "USER",  # needs capabilities that are dropped
        "FILTER", "REPLAY_SPEED",  # of sources other than NFLOG
    },
    "receiver": ABOUT_THE_PROCESS | {"CONFIG", "USER"},
}


CAPABILITIES = {
    "gateway": ["NET_ADMIN"],
    "demo": ["NET_ADMIN"],
    # Its keys belong to the receiver's user, and its directory may belong to anybody.
    "keys": ["CHOWN", "DAC_OVERRIDE"],
}


def want(service, what, holds):
    if not holds:
        BREACHES.append(f"{service}: {what}")


def volume(service, target):
    return next((v for v in SERVICES[service].get("volumes", []) if v["target"] == target), {})


def check_options(service, help_file):
    """Every option of the program is passed on as a variable, or left out on purpose."""
    with open(help_file, encoding="utf-8") as text:
        options = set(re.findall(r"\[PCAP_ZMQ_([A-Z_]+)\]", text.read()))
    passed = {name.removeprefix("PCAP_ZMQ_") for name in SERVICES[service]["environment"]
              if name.startswith("PCAP_ZMQ_")}
    want(service, "its --help names options", len(options) > 10)
    for name in sorted(options - passed - LEFT_OUT[service]):
        want(service, f"passes PCAP_ZMQ_{name} on, or leaves it out on purpose", False)
    for name in sorted(passed - options):
        want(service, f"PCAP_ZMQ_{name} is an option of its program", False)
    for name in sorted(LEFT_OUT[service] & passed | LEFT_OUT[service] - options):
        want(service, f"PCAP_ZMQ_{name} is rightly left out", False)


for name, entry in SERVICES.items():
    want(name, "read-only root", entry.get("read_only") is True)
    want(name, "no capabilities", entry.get("cap_drop") == ["ALL"])
    want(name, "no-new-privileges", entry.get("security_opt") == ["no-new-privileges:true"])
    allowed = CAPABILITIES.get(name)
    want(name, f"adds {allowed}", entry.get("cap_add") == allowed)
    want(name, "a log that does not grow without bound",
         {"max-size", "max-file"} <= set(entry.get("logging", {}).get("options", {})))

want("gateway", "on the host's network", SERVICES["gateway"].get("network_mode") == "host")
want("gateway", "its metrics are the machine's own",
     SERVICES["gateway"]["environment"]["PCAP_ZMQ_METRICS"].startswith("127.0.0.1:"))
for end in ("gateway", "receiver"):
    want(end, "depends on keys alone, to run on its own machine",
         [(on, how["condition"]) for on, how in SERVICES[end]["depends_on"].items()]
         == [("keys", "service_completed_successfully")])
    want(end, "does not write to the keys", volume(end, "/run/keys").get("read_only") is True)
want("keys", "runs once", SERVICES["keys"]["restart"] == "no")
want("keys", "has no network", SERVICES["keys"].get("network_mode") == "none")
want("receiver", "publishes the ZeroMQ port and the metrics, to the machine only",
     [(port["target"], port["published"], port.get("host_ip"))
      for port in SERVICES["receiver"]["ports"]]
     == [(1234, "1234", "127.0.0.1"), (9478, "9478", "127.0.0.1")])
for monitor in ("prometheus", "grafana"):
    want(monitor, "on the host's network, where the gateway's metrics are",
         SERVICES[monitor].get("network_mode") == "host")
want("prometheus", "listens for the machine only",
     "--web.listen-address=127.0.0.1:9090" in SERVICES["prometheus"]["command"])
want("prometheus", "has its targets",
     volume("prometheus", "/etc/prometheus/targets.yml").get("read_only") is True)
want("grafana", "listens for the machine only",
     SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1")
for ids in ("snort", "suricata"):
    entry = SERVICES[ids]
    want(ids, "has the FIFO read-only", volume(ids, "/run/pcap-zmq").get("read_only") is True)
    want(ids, "always started again, as it ends with its FIFO", entry.get("restart") == "always")
    want(ids, "waits for the receiver",
         entry["depends_on"]["receiver"]["condition"] == "service_healthy")
    want(ids, "says when it reads", "healthcheck" in entry)
    want(ids, "takes the lock of the FIFO's one reader",
         any("flock -n" in word for word in entry["entrypoint"])
         and entry["entrypoint"] == SERVICES["suricata"]["entrypoint"])
COMMAND = " ".join(SERVICES["snort"]["command"])
for flags in ("snort -c ", "--daq-batch-size 1", "-s 65535", "-k none",
              "-r /run/pcap-zmq/ids.pcap"):
    want("snort", f"runs with {flags}", flags in COMMAND)

check_options("gateway", sys.argv[1])
check_options("receiver", sys.argv[2])
for breach in BREACHES:
    print(f"BREACH: {breach}")
sys.exit(1 if BREACHES else 0)
