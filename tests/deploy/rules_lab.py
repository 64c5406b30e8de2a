# SPDX-License-Identifier: MIT
#
# The laboratory of rules_test.sh: client -- gateway -- server and an IDS host beside the gateway,
# each a network namespace, joined by the real programs, a pipe for each of NFLOG groups 0 and 1.
# This process is the gateway.  It is process 1 of its own PID namespace: all ends with it.
import collections
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
DEADLINE = 180
Packet = collections.namedtuple("Packet", "group src dst proto sport dport length")

CLIENT = {"4": "198.51.100.2", "6": "2001:db8:ffff:1::2"}
SERVER = {"4": "192.0.2.2", "6": "2001:db8:0:2::2"}
OTHER = {"4": "192.0.2.3", "6": "2001:db8:0:2::3"}
GATEWAY = {"4": "198.51.100.1", "6": "2001:db8:ffff:1::1"}
# Behind the client are many more, each address of these prefixes, and no home network of ours.
FOREIGN = {"4": "198.51.101.", "6": "2001:db8:ffff:11::"}
MARKER_PORT = 9


class Failure(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failure(what)


def run(command, check=True, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"gave up waiting for {what()if callable(what) else what}")
        time.sleep(0.02)


class Capture:
    """Reads what a receiver has appended to its file, record by record."""

    def __init__(self, group, path):
        self.group, self.path, self.offset = group, path, 24

    def read(self):
        packets = []
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        at = 0
        while at + 16 <= len(data):
            length = struct.unpack_from("=I", data, at + 8)[0]
            if at + 16 + length > len(data):
                break
            packets.append(self.parse(data[at + 16:at + 16 + length]))
            at += 16 + length
        self.offset += at
        return packets

    def parse(self, ip):
        if ip[0] >> 4 == 4:
            proto, header = ip[9], (ip[0] & 15) * 4
            src, dst = (socket.inet_ntop(socket.AF_INET, ip[i:i + 4]) for i in (12, 16))
        else:
            proto, header = ip[6], 40
            src, dst = (socket.inet_ntop(socket.AF_INET6, ip[i:i + 16]) for i in (8, 24))
        ports = struct.unpack_from(">HH", ip, header) if proto in (6, 17) else (0, 0)
        name = {6: "tcp", 17: "udp", 50: "esp"}.get(proto, str(proto))
        return Packet(self.group, src, dst, name, *ports, len(ip))


class Lab:
    def __init__(self, root, programs, work):
        self.programs, self.work, self.hosts = programs, work, {}
        self.rules = os.path.join(root, "docker", "rules")
        self.is_real_root = os.environ["RULES_TEST_REAL_ROOT"] == "yes"

    def log_of(self, name):
        return open(os.path.join(self.work, name + ".err"), "wb")

    def command(self, host, command):
        if host == "gateway":
            return command
        return ["nsenter", f"--target={self.hosts[host]}", "--net", "--"] + command

    def on(self, host, command, **options):
        return run(self.command(host, command), **options)

    def start(self, name, host, command, **options):
        return subprocess.Popen(self.command(host, command), stderr=self.log_of(name), **options)

    def write(self, host, path, text):
        self.on(host, ["bash", "-c", f"echo {text} >/proc/sys/net/{path}"])

    def add_host(self, name, v4, v6):
        pid = self.start(name, "gateway", ["unshare", "--net", "--", "sleep", "infinity"]).pid
        self.hosts[name] = pid
        own = os.stat("/proc/self/ns/net").st_ino
        wait_for("namespace " + name, lambda: os.stat(f"/proc/{pid}/ns/net").st_ino != own)
        run(["ip", "-batch", "-"], text=f"""
            link add to-{name} type veth peer name eth0 netns {pid}
            addr add {v4}.1/24 dev to-{name}
            addr add {v6}:1/64 dev to-{name} nodad
            link set to-{name} up""")
        self.on(name, ["ip", "-batch", "-"], text=f"""
            link set lo up
            addr add {v4}.2/24 dev eth0
            addr add {v6}:2/64 dev eth0 nodad
            link set eth0 up
            route add default via {v4}.1
            route add default via {v6}:1""")

    def build(self):
        run(["ip", "link", "set", "lo", "up"])
        self.add_host("client", "198.51.100", "2001:db8:ffff:1:")
        self.add_host("server", "192.0.2", "2001:db8:0:2:")
        self.add_host("ids", "203.0.113", "2001:db8:ffff:3:")
        self.write("gateway", "ipv4/ip_forward", 1)
        self.write("gateway", "ipv6/conf/all/forwarding", 1)
        self.on("server", ["ip", "addr", "add", OTHER["4"] + "/24", "dev", "eth0"])
        self.on("server", ["ip", "addr", "add", OTHER["6"] + "/64", "dev", "eth0", "nodad"])
        self.on("client", ["ip", "-batch", "-"], text=f"""
            route add local {FOREIGN["4"]}0/24 dev lo
            route add local {FOREIGN["6"]}/64 dev lo""")
        run(["ip", "route", "add", FOREIGN["4"] + "0/24", "via", CLIENT["4"]])
        run(["ip", "-6", "route", "add", FOREIGN["6"] + "/64", "via", CLIENT["6"]])
        self.serve("server", {"addresses": [*SERVER.values(), *OTHER.values()],
                              "udp": [443, 4500, 51820, *range(9000, 9010)],
                              "tcp": [22, 443, 873, 9000], "esp": list(SERVER.values())})
        self.serve("server", {"addresses": list(OTHER.values()), "tcp": [1234]})
        self.serve("gateway", {"addresses": list(GATEWAY.values()), "udp": [9000]})
        self.captures = [self.pipe(0), self.pipe(1)]

    def serve(self, host, plan):
        command = [sys.executable, f"{HERE}/rules_traffic.py", "serve", json.dumps(plan)]
        server = self.start("serve-" + host, host, command, stdout=subprocess.PIPE)
        expect(server.stdout.readline() == b"ready\n",
               "the echo server did not start: " + self.last_words("serve-" + host))

    def last_words(self, name):
        with open(os.path.join(self.work, name + ".err"), encoding="utf-8") as file:
            return file.read().strip()[-500:]

    def pipe(self, group):
        capture = os.path.join(self.work, f"group{group}.pcap")
        self.receiver(f"recv{group}", "ids", f"tcp://0.0.0.0:{1234 + group}", capture)
        # As a user of its own where that can be, for the rules that know the stream by it.
        user = ["--user", "nobody"] if self.is_real_root else []
        self.start(f"send{group}", "gateway", [
            self.programs + "/pcap-zmq-send", "--metrics", "off", *user, str(group),
            f"tcp://203.0.113.2:{1234 + group}"])

        def bound():
            with open("/proc/net/netfilter/nfnetlink_log", encoding="ascii") as file:
                return any(line.split()[0] == str(group) for line in file)
        wait_for(lambda: f"group {group}: " + self.last_words(f"send{group}"), bound)
        return Capture(group, capture)

    def receiver(self, name, host, endpoint, capture):
        receiver = self.start(name, host, [self.programs + "/pcap-zmq-recv", "--metrics", "off",
                                           endpoint, "file:" + capture])
        wait_for(lambda: f"{name}: " + self.last_words(name),
                 lambda: os.path.exists(capture) and os.path.getsize(capture) >= 24)
        return receiver

    def exchange(self, jobs):
        done = self.on("client", [sys.executable, f"{HERE}/rules_traffic.py", "exchange",
                                  json.dumps(jobs)], check=False)
        expect(done.returncode == 0, done.stderr.strip())

    # Rules.  A recipe is tried as a user would: copied, edited at its top, loaded, read, undone.
    def load(self, kind, recipe, changes=(), times=2):
        copy = os.path.join(self.work, "rules")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.rules, copy)
        path = os.path.join(copy, recipe + (".nft" if kind == "nft" else ".sh"))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for pattern, replacement in changes:
            text, found = re.subn(pattern, replacement, text, flags=re.M)
            expect(found, f"{os.path.basename(path)} has no '{pattern}'")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        for _ in range(times):  # Twice, for it must do no harm.
            run(["nft", "-f", path] if kind == "nft" else ["bash", path, "load"])
        self.loaded = (kind, path)

    def set(self, kind, recipe, **values):
        """Loads a recipe with other values of its variables."""
        line = r"^define pcap_zmq_{} = .*" if kind == "nft" else r"^{}=.*"
        new = "define pcap_zmq_{} = {}" if kind == "nft" else "{}={}"
        self.load(kind, recipe, [(line.format(name), new.format(name, value))
                                 for name, value in values.items()])

    def unload(self):
        kind, path = self.loaded
        if kind == "nft":
            run(["nft", "delete", "table", "inet", "pcap_zmq"])
        else:
            run(["bash", path, "unload"])
            for program in ("iptables-save", "ip6tables-save"):
                left = run([program]).stdout
                expect("PCAP_ZMQ" not in left, f"unloading {path} left something:\n{left}")
        self.discard_stragglers()

    def discard_stragglers(self):
        """Empties both pipes.  A kernel speaks of its neighbours whenever it likes: what a rule set
        logs after it was measured must not come out in the next case.  Packets stay in order, so
        all that was logged is here once a marker is."""
        run(["nft", "-f", "-"], text=f"""table inet marker {{
            chain output {{
                type filter hook output priority 0;
                oifname "lo" udp dport {MARKER_PORT} log group 0
                oifname "lo" udp dport {MARKER_PORT} log group 1
            }}
        }}""")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            marker.sendto(b"marker", ("127.0.0.1", MARKER_PORT))
        for capture in self.captures:
            wait_for(f"the marker in group {capture.group}",
                     lambda: of(capture.read(), "udp", MARKER_PORT, "127.0.0.1"))
        run(["nft", "delete", "table", "inet", "marker"])

    def counter(self, name):
        """A named nft counter, or what the NFLOG rules of iptables have counted."""
        if self.loaded[0] == "nft":
            listed = json.loads(run(["nft", "-j", "list", "table", "inet", "pcap_zmq"]).stdout)
            return sum(item["counter"]["packets"] for item in listed["nftables"]
                       if item.get("counter", {}).get("name") == name)
        return sum(int(count) for program in ("iptables-save", "ip6tables-save")
                   for count in re.findall(r"^\[(\d+):\d+\] -A PCAP_ZMQ_GROUP.* -j NFLOG",
                                           run([program, "-c", "-t", "mangle"]).stdout, re.M))

    def collect(self, others=0):
        """What came out of both pipes: as many packets as the rules say that they logged, and
        `others` that rules of the test's own did."""
        packets = []

        def all_here():
            for capture in self.captures:
                packets.extend(capture.read())
            return len(packets) == self.counter("logged") + others
        wait_for(lambda: f"{self.counter('logged')} + {others} packets that were logged, have "
                         f"{len(packets)}: {summary(packets)}", all_here)
        return packets

    def measure(self, jobs, others=0):
        self.exchange(jobs)
        return self.collect(others)


def summary(packets):
    kinds = collections.Counter(f"{p.proto} {min(p.sport, p.dport)}" for p in packets)
    return ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(12)) or "nothing"


def of(packets, proto, port=0, address=None):
    return [p for p in packets if p.proto == proto and port in (0, p.sport, p.dport)
            and (address is None or address in (p.src, p.dst))]


def exactly(packets, count, what):
    expect(len(packets) == count,
           f"{what}: {len(packets)} packets and not {count}: {summary(packets)}")


def some(packets, what):
    expect(packets, f"{what}: nothing was logged")


def flows(packets):
    """The packets of each conversation, whichever way they went."""
    found = collections.defaultdict(list)
    for p in packets:
        found[tuple(sorted([(p.src, p.sport), (p.dst, p.dport)]))].append(p)
    return found
