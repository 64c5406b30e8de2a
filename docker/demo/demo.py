#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Traffic for people who try the pipe out, and the netfilter rules that log it.

Usage: demo.py serve
       demo.py ask SERVER GROUP

`serve` answers HTTP on port 80.  `ask` runs in the gateway's network namespace with CAP_NET_ADMIN: it
logs what goes to SERVER and comes from it to the NFLOG group, and sends a request every two seconds.
The kernel removes the rules with this process, as its table has an owner (Linux 5.12 or newer).
"""

import http.server
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

TABLE = "pcap_zmq_demo"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything with a line of text."""

    def do_GET(self):
        body = b"This is only a demonstration.\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def rules(server, group):
    """Both directions, so that the IDS can follow the connections."""
    yield f"add table inet {TABLE} {{ flags owner; }}"
    for hook, side in (("output", "daddr"), ("input", "saddr")):
        yield f"add chain inet {TABLE} {hook} {{ type filter hook {hook} priority -1; }}"
        yield f"add rule inet {TABLE} {hook} ip {side} {server} counter log group {group}"


def load_rules(server, group):
    """Starts the process that owns the table; it lives as long as its standard input is open."""
    nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                           text=True)
    for rule in rules(server, group):
        nft.stdin.write(rule + "\n")
    nft.stdin.flush()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listing = subprocess.run(["nft", "list", "table", "inet", TABLE], check=False,
                                 capture_output=True, text=True)
        if listing.stdout.count(f"log group {group}") == 2:
            return nft
        time.sleep(0.1)
    sys.exit(f"demo: the rules could not be loaded: {listing.stderr.strip() or 'see above'}")


def ask(server, group):
    nft = load_rules(server, group)
    print(f"demo: logging traffic with {server} to NFLOG group {group}, asking it every 2 s",
          flush=True)
    # No proxy of the environment: the request has to cross the rules.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while nft.poll() is None:
        try:
            opener.open(f"http://{server}/pcap-zmq-demo", timeout=5).read()
        except (urllib.error.URLError, OSError) as error:
            print(f"demo: no answer from {server}: {error}", flush=True)
        time.sleep(2)
    sys.exit("demo: nft ended, and the rules with it")


def main():
    # Process 1 of a container ignores SIGTERM unless it asks for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1:] == ["serve"]:
        http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
    elif len(sys.argv) == 4 and sys.argv[1] == "ask":
        ask(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)


main()
