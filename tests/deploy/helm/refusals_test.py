#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Wrong values are refused by Helm 3 and Helm 4, with the name of the key."""

import concurrent.futures
import json
import os
import tempfile

import chart
from chart import fail, yaml

# (values, what the message must name)
REFUSED = [
    # Keys that do not exist, at each depth at which one is easily mistyped.
    ({"recevier": {}}, "recevier"),
    ({"sender": {"nodeSelectors": {}}}, "nodeSelectors"),
    ({"sender": {"image": {"tags": "1"}}}, "tags"),
    ({"sender": {"config": {"lmw": "1MiB/s"}}}, "lmw"),
    ({"sender": {"config": {"resolveInterval": "5s"}}}, "resolveInterval"),
    ({"sender": {"config": {"queue-bytes": "1MiB"}}}, "queue-bytes"),
    ({"receiver": {"config": {"queue_bytes": "1MiB"}}}, "queue_bytes"),
    ({"receiver": {"config": {"lwm": "1MiB/s"}}}, "lwm"),
    ({"receiver": {"output": 2}}, "output"),
    ({"receiver": {"ids": {"rule": "alert"}}}, "rule"),
    ({"receiver": {"resources": {"limit": {}}}}, "limit"),
    ({"receiver": {"livenessProbe": {"period": 3}}}, "period"),
    ({"receiver": {"securityContext": {"readOnlyRootFileSystem": True}}}, "readOnlyRootFileSystem"),
    ({"sender": {"tolerations": [{"operater": "Exists"}]}}, "operater"),
    ({"sender": {"affinity": {"nodeAfinity": {}}}}, "nodeAfinity"),
    ({"sender": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}}, "maxSurge"),
    ({"keys": {"secretKey": "x"}}, "secretKey"),
    ({"networkPolicy": {"nodes": []}}, "nodes"),
    ({"monitoring": {"podMonitor": {"enabled": True}}}, "podMonitor"),
    # Values of a wrong type or out of range.
    ({"receiver": {"replicas": "two"}}, "replicas"),
    ({"receiver": {"outputs": 0}}, "outputs"),
    ({"receiver": {"port": 123456}}, "port"),
    ({"receiver": {"ids": {"kind": "zeek"}}}, "kind"),
    ({"receiver": {"config": {"max-message": "much"}}}, "max-message"),
    ({"receiver": {"config": {"output-mode": "both"}}}, "output-mode"),
    ({"receiver": {"resources": {"limits": {"memory": "1 GB"}}}}, "memory"),
    ({"sender": {"enabled": "yes"}}, "enabled"),
    ({"sender": {"source": "eth0"}}, "source"),
    ({"sender": {"endpoints": ["ids.example.org"]}}, "endpoints"),
    ({"sender": {"metricsPort": 80}}, "metricsPort"),
    ({"sender": {"config": {"lwm": "fast"}}}, "lwm"),
    ({"sender": {"config": {"resolve-interval": "5 seconds"}}}, "resolve-interval"),
    ({"sender": {"config": {"failover": "maybe"}}}, "failover"),
    ({"sender": {"config": {"codec": "gzip"}}}, "codec"),
    ({"sender": {"image": {"tag": 1.5}}}, "tag"),
    ({"sender": {"image": {"digest": "1234"}}}, "digest"),
    ({"keys": {"authorized": {"gw1": "too short"}}}, "gw1"),
    ({"keys": {"authorized": {"a b": "x" * 40}}}, "a b"),
    ({"networkPolicy": {"senderCIDRs": ["10.0.0.1"]}}, "senderCIDRs"),
    ({"monitoring": {"monitors": {"interval": 15}}}, "interval"),
    ({"commonLabels": {"team": 7}}, "team"),
    # What only makes sense with something else.
    ({"sender": {"config": {"metrics": "off"}}}, "sender.config.metrics"),
    ({"sender": {"config": {"user": "nobody"}}}, "sender.config.user"),
    ({"sender": {"config": {"curve-key": "/k"}}}, "sender.config.curve-key"),
    ({"receiver": {"config": {"output": "/run/x"}}}, "receiver.config.output"),
    ({"receiver": {"ids": {"kind": "custom"}}}, "receiver.ids.image.repository"),
    ({"receiver": {"preStopSeconds": 90}}, "receiver.terminationGracePeriodSeconds"),
    ({"receiver": {"enabled": False}, "keys": {"enabled": False}}, "sender.endpoints"),
    ({"receiver": {"enabled": False}}, "keys.existingSenderSecret"),
    ({"networkPolicy": {"enabled": True}}, "networkPolicy.senderCIDRs"),
    ({"sender": {"rules": {"enabled": True, "image": {"repository": ""}}}}, "sender.rules.image.repository"),
]
# Rules that would leave the chart's own table.
LEAVES_ITS_TABLE = [
    "} table inet filter { chain input {",
    "flush ruleset",
    "chain a {\n}\ndelete table inet filter",
    'include "/etc/nftables.conf"',
    "chain a { counter",
    "set a { type ipv4_addr; }; add rule inet filter input drop",
]


def refusal(version, values):
    """(status, message) of Helm's answer to these values."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        status, _, message = chart.helm(version, "template", *chart.RELEASE, chart.CHART,
                                        "--values", file.name, check=False)
    return status, message


def main():
    chart.need(*chart.HELMS)
    cases = list(REFUSED)
    for ruleset in LEAVES_ITS_TABLE:
        rules = {"enabled": True, "image": {"repository": "nft"}, "ruleset": ruleset}
        cases.append(({"sender": {"rules": rules}}, "sender.rules.ruleset"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = [(version, values, named, pool.submit(refusal, version, values))
                 for version in chart.HELMS for values, named in cases]
        for version, values, named, answer in asked:
            status, message = answer.result()
            if status == 0:
                fail(f"{version} takes {json.dumps(values)}")
            if named not in message:
                fail(f"{version} does not name {named} for {json.dumps(values)}:\n{message}")
    print(f"{len(cases)} wrong values are refused by Helm 3 and Helm 4, each with the key's name")


main()
