# SPDX-License-Identifier: MIT
"""The laboratory of rule_blocks_test.sh: a gateway between client and server, and a cluster of two
nodes with pods and somebody outside.  Each end that opens or answers sessions records what it sends
and receives, apart from the rules under test: that is what they must log, each packet once.

This process is the gateway.  It is process 1 of its own PID namespace: all ends with it."""
import collections
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys

from rules_lab import (CLIENT, FOREIGN, GATEWAY, HERE, MARKER_PORT, SERVER, Capture, Lab, expect,
                       run, wait_for)

# place: the host and the group that it came through; opens: the sequence number of a session's
# first packet, or None; content: without what changes on the way.
Packet = collections.namedtuple("Packet", "place src dst sport dport opens content")
# A kind of traffic: who opens sessions to whom, who of them records the truth, and whether it is
# the pipe's own stream, which must not be logged.
Way = collections.namedtuple("Way", "name opener target truth options sessions is_own_stream")

HTTP_PORT, PIPE_PORT = 80, 1234
PORTS = {HTTP_PORT, PIPE_PORT}
# IPv4 and IPv6 of each.
PODS = {"pod1": ("10.244.1.2", "fd00:10:244:1::2"), "pod2": ("10.244.2.2", "fd00:10:244:2::2"),
        "pod3": ("10.244.1.3", "fd00:10:244:1::3")}
NODES = {"node1": ("203.0.113.1", "2001:db8:71::1"), "node2": ("203.0.113.2", "2001:db8:71::2")}
OUTSIDE = ("192.0.2.100", "2001:db8:64::100")
NODE_PORT = 30080


class Packets(Capture):
    """What one group of one host logged, as far as it is of the sessions."""

    def __init__(self, host, group, path):
        super().__init__(group, path)
        self.host = host
        self.markers = 0

    def parse(self, ip):
        is_v4 = ip[0] >> 4 == 4
        header, proto = ((ip[0] & 15) * 4, ip[9]) if is_v4 else (40, ip[6])
        family, places = ((socket.AF_INET, (12, 16, 20)) if is_v4
                          else (socket.AF_INET6, (8, 24, 40)))
        src, dst = (socket.inet_ntop(family, ip[a:b]) for a, b in zip(places, places[1:]))
        sport, dport = struct.unpack_from(">HH", ip, header) if proto in (6, 17) else (0, 0)
        # Hops and checksums differ from place to place.
        content = bytearray(ip)
        for at in ((8, 10, 11) if is_v4 else (7,)):
            content[at] = 0
        opens = None
        if proto == 6:
            content[header + 16:header + 18] = b"\0\0"
            if ip[header + 13] & 0x12 == 0x02:  # SYN without ACK
                opens = struct.unpack_from(">I", ip, header + 4)[0]
        if proto == 17 and dport == MARKER_PORT:
            self.markers += 1
        return Packet((self.host, self.group), src, dst, sport, dport, opens, bytes(content))

    def sessions(self):
        """The packets of the sessions since the last call."""
        return [p for p in self.read() if PORTS & {p.sport, p.dport}]


class BlocksLab(Lab):
    """Both topologies, and pipes for all groups in use."""

    def __init__(self, root, programs, work):
        super().__init__(root, programs, work)
        self.root = root
        self.base = {}      # of each host: what is loaded beside the rules under test
        self.captures = {}  # (host, group) -> Packets
        self.senders = {}
        self.sent_markers = 0

    def add_namespace(self, name):
        pid = self.start(name, "gateway", ["unshare", "--net", "--", "sleep", "infinity"]).pid
        self.hosts[name] = pid
        own = os.stat("/proc/self/ns/net").st_ino
        wait_for("namespace " + name, lambda: os.stat(f"/proc/{pid}/ns/net").st_ino != own)
        self.on(name, ["ip", "link", "set", "lo", "up"])

    def link(self, host, device, address, other, other_device, other_address):
        """Joins two hosts; addresses with their prefix lengths, several with a space between."""
        peer = f"netns {self.hosts[other]}" if other != "gateway" else "netns 1"
        self.on(host, ["ip", "-batch", "-"],
                text=f"link add {device} type veth peer name {other_device} {peer}\n")
        for where, what, addresses in ((host, device, address),
                                       (other, other_device, other_address)):
            lines = "".join(f"addr add {a} dev {what}{' nodad' if ':' in a else ''}\n"
                            for a in addresses.split())
            self.on(where, ["ip", "-batch", "-"], text=f"{lines}link set {what} up\n")

    def forward(self, host):
        for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.write(host, path, 1)

    def build(self, groups, cluster_groups):
        run(["ip", "link", "set", "lo", "up"])
        self.build_router()
        self.build_cluster()
        pipes = [("gateway", group) for group in sorted(groups)]
        pipes += [(node, group) for node in NODES for group in sorted(cluster_groups)]
        pipes += [(host, 0) for host in ("client", "outside", *PODS)]
        self.start_pipes(pipes)
        for host in ("gateway", "client", "outside", *PODS, *NODES):
            self.base[host] = self.base_rules(host, [g for h, g in pipes if h == host])
            self.reset(host)

    def build_router(self):
        """client -- lan0 gateway wan0 -- server, and many clients more behind the client."""
        for name, device, addresses in (("client", "lan0", CLIENT), ("server", "wan0", SERVER)):
            self.add_namespace(name)
            hops = [str(ipaddress.ip_address(a) - 1) for a in addresses.values()]
            self.link(name, "eth0", f"{addresses['4']}/24 {addresses['6']}/64", "gateway", device,
                      f"{hops[0]}/24 {hops[1]}/64")
            self.on(name, ["ip", "-batch", "-"], text="".join(
                f"route add default via {hop}\n" for hop in hops))
        self.forward("gateway")
        self.on("client", ["ip", "-batch", "-"], text=f"""
            route add local {FOREIGN["4"]}0/24 dev lo
            route add local {FOREIGN["6"]}/64 dev lo""")
        run(["ip", "route", "add", FOREIGN["4"] + "0/24", "via", CLIENT["4"]])
        run(["ip", "-6", "route", "add", FOREIGN["6"] + "/64", "via", CLIENT["6"]])
        self.serve("server", {"addresses": list(SERVER.values()), "http": [HTTP_PORT]})
        self.serve("gateway", {"addresses": list(GATEWAY.values()), "http": [HTTP_PORT]})

    def build_cluster(self):
        """pod1 and pod3 at node1, pod2 at node2, and a host that reaches both nodes."""
        for name in (*NODES, *PODS, "outside"):
            self.add_namespace(name)
        first, second = (f"{a}/24 {b}/64" for a, b in NODES.values())
        self.link("node1", "eth0", first, "node2", "eth0", second)
        for number, node in enumerate(NODES, 1):
            other = NODES[f"node{3 - number}"]
            self.link(node, "eth1", f"192.0.2.{number}/32 2001:db8:64::{number}/128",
                      "outside", f"eth{number}", f"{OUTSIDE[0]}/32 {OUTSIDE[1]}/128")
            self.on(node, ["ip", "-batch", "-"], text=f"""
                route add {OUTSIDE[0]} dev eth1
                route add {OUTSIDE[1]} dev eth1
                route add 10.244.{3 - number}.0/24 via {other[0]}
                route add fd00:10:244:{3 - number}::/64 via {other[1]}""")
            self.on("outside", ["ip", "-batch", "-"], text=f"""
                route add 192.0.2.{number} dev eth{number}
                route add 2001:db8:64::{number} dev eth{number}
                route add {NODES[node][0]} via 192.0.2.{number}
                route add 10.244.{number}.0/24 via 192.0.2.{number}
                route add fd00:10:244:{number}::/64 via 2001:db8:64::{number}""")
            self.forward(node)
        for number, (pod, (v4, v6)) in enumerate(PODS.items(), 1):
            node = "node1" if v4.startswith("10.244.1.") else "node2"
            # As Calico does it: a route for each pod, and one gateway address for all of them.
            self.link(pod, "eth0", f"{v4}/32 {v6}/128", node, f"cali{number}",
                      "169.254.1.1/32 fd00:169::1/128")
            self.on(pod, ["ip", "-batch", "-"], text="""
                route add 169.254.1.1 dev eth0
                route add fd00:169::1 dev eth0
                route add default via 169.254.1.1
                route add default via fd00:169::1""")
            self.on(node, ["ip", "-batch", "-"], text=f"""
                route add {v4} dev cali{number}
                route add {v6} dev cali{number}""")
            self.serve(pod, {"addresses": [v4, v6], "http": [HTTP_PORT, PIPE_PORT]})
        self.serve("outside", {"addresses": list(OUTSIDE), "http": [HTTP_PORT]})

    def base_rules(self, host, groups):
        """Beside the rules under test: the marker; at the ends the truth; at nodes their NAT."""
        marks = "".join(f'oifname "lo" udp dport {MARKER_PORT} log group {group}\n'
                        for group in groups)
        truth, nat = "", ""
        if host != "gateway" and host not in NODES:
            truth = "".join(f"""chain {hook} {{
                type filter hook {hook} priority 0;
                oifname "lo" return
                iifname "lo" return
                tcp dport {{ {HTTP_PORT}, {PIPE_PORT} }} log group 0
                tcp sport {{ {HTTP_PORT}, {PIPE_PORT} }} log group 0
            }}
            """ for hook in ("input", "output"))
        if host in NODES:
            # Pods leave the cluster with the node's address, and ports of each node are pods'.
            own = NODES[host][0]
            nat = f"""chain node_port {{
                type nat hook prerouting priority dstnat;
                ip daddr {own} tcp dport {NODE_PORT} dnat ip to {PODS["pod2"][0]}:{HTTP_PORT}
                ip daddr {own} tcp dport {NODE_PORT + 1} dnat ip to {PODS["pod3"][0]}:{HTTP_PORT}
            }}
            chain leaving {{
                type nat hook postrouting priority srcnat;
                ct status dnat oifname != "cali*" masquerade
                ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade
            }}"""
        return f"""flush ruleset
            table inet lab {{
                chain marker {{
                    type filter hook output priority 0;
                    {marks}
                }}
                {truth}
                {nat}
            }}
            """

    def reset(self, host):
        """Takes away all rules but the lab's own."""
        self.on(host, ["nft", "-f", "-"], text=self.base[host])

    # Pipes: through the file system, so that no stream of theirs crosses any hook.
    def start_pipes(self, pipes):
        for host, group in pipes:
            name = f"{host}-{group}"
            path = os.path.join(self.work, name + ".pcap")
            self.start("recv-" + name, "gateway", [
                self.programs + "/pcap-zmq-recv", "--metrics", "off",
                f"ipc://{self.work}/{name}", "file:" + path])
            self.captures[host, group] = Packets(host, group, path)
        for capture in self.captures.values():
            wait_for("the pipe " + capture.path, lambda capture=capture: os.path.exists(
                capture.path) and os.path.getsize(capture.path) >= 24)
        for host, group in pipes:
            self.start_sender(host, [group], f"ipc://{self.work}/{host}-{group}")

    def start_sender(self, host, groups, endpoint):
        name = f"send-{host}-{'-'.join(map(str, groups))}"
        self.senders.setdefault(host, []).append(self.start(name, host, [
            self.programs + "/pcap-zmq-send", "--metrics", "off", "--hwm", "0", "--lwm", "0",
            "--pump-per-group", ",".join(map(str, groups)), endpoint]))
        wait_for(lambda: f"groups {groups} of {host}: {self.last_words(name)}",
                 lambda: self.bound(host) >= set(groups))

    def bound(self, host):
        pid = self.hosts.get(host, "self")
        with open(f"/proc/{pid}/net/netfilter/nfnetlink_log", encoding="ascii") as file:
            return {int(line.split()[0]) for line in file}

    def stop_senders(self, host):
        for sender in self.senders.pop(host, []):
            sender.terminate()
            expect(sender.wait(60) == 0, f"a sender of {host} failed")

    def ways(self, block):
        """Each kind of traffic that the block's rules must log whole."""
        if block.is_cluster:
            def way(opener, target, truth, to, port=HTTP_PORT, is_own_stream=False):
                # A node's ports are IPv4's alone.
                to = to[:1] if port >= NODE_PORT else to[:len(block.families)]
                return Way(f"{opener} to {target}, port {port}", opener, target, truth,
                           [{"to": to, "port": port, "sessions": 10}], 10 * len(to),
                           is_own_stream)
            ways = [way("pod1", "pod2", "pod1", PODS["pod2"]),
                    way("pod1", "pod3", "pod1", PODS["pod3"]),
                    way("pod1", "outside", "pod1", OUTSIDE),
                    way("outside", "pod2", "outside", PODS["pod2"]),
                    way("node1", "pod2", "pod2", PODS["pod2"]),
                    # By node1's ports, to a pod elsewhere and to one of its own.
                    way("outside", "pod2", "pod2", NODES["node1"], NODE_PORT),
                    way("outside", "pod3", "pod3", NODES["node1"], NODE_PORT + 1)]
            if "$pipe_port" in block.text:
                # The stream comes from a node, and its port hides no pod.
                ways += [way("node1", "pod2", "pod2", PODS["pod2"], PIPE_PORT, True),
                         way("pod1", "pod2", "pod1", PODS["pod2"], PIPE_PORT),
                         way("pod2", "pod1", "pod1", PODS["pod1"], PIPE_PORT)]
            return ways
        server, target = SERVER, "server"
        if "own-stream-user" in block.where:  # It logs the gateway's own traffic alone.
            server, target = GATEWAY, "gateway"
        count = 100 // len(block.families)
        return [Way(f"client to {target}", "client", target, "client",
                    [{"to": [server[f] for f in block.families], "port": HTTP_PORT,
                      "from": FOREIGN, "clients": 25, "sessions": count}],
                    count * len(block.families), False)]

    def exchange_on(self, way, path):
        jobs = [{"proto": "http", "path": path, **job} for job in way.options]
        done = self.on(way.opener, [sys.executable, f"{HERE}/rules_traffic.py", "exchange",
                                    json.dumps(jobs)], check=False)
        expect(done.returncode == 0, done.stderr.strip())
        # A socket that waits for the last acknowledgement is there until that has come.
        wait_for("the sessions to end", lambda: not any(
            self.open_sessions(host) for host in (way.opener, way.target)))

    def open_sessions(self, host):
        """Whether a TCP connection of the sessions is neither closed nor in TIME_WAIT."""
        for name in ("tcp", "tcp6"):
            with open(f"/proc/{self.hosts.get(host, 'self')}/net/{name}", encoding="ascii") as file:
                for line in list(file)[1:]:
                    local, remote, state = line.split()[1:4]
                    ports = {int(end.split(":")[1], 16) for end in (local, remote)}
                    if (ports & {*PORTS, NODE_PORT, NODE_PORT + 1}
                            and state not in ("06", "07", "0A")):
                        return True
        return False

    def drain(self, hosts):
        """The sessions' packets of all pipes of these hosts.  A group keeps its order: what was
        logged before a marker is there once the marker is."""
        for host in hosts:
            self.on(host, ["bash", "-c", f"echo marker >/dev/udp/127.0.0.1/{MARKER_PORT}"])
        packets = []
        for (host, group), capture in self.captures.items():
            if host not in hosts:
                continue
            before = capture.markers

            def here(capture=capture, before=before):
                packets.extend(capture.sessions())
                return capture.markers > before
            wait_for(f"the marker in group {group} of {host}", here)
        return packets

    # The rules under test.
    def load(self, block):
        """Loads a block; returns what is wrong with it, or nothing."""
        for host in (NODES if block.is_cluster else ("gateway",)):
            command, text = ["nft", "-f", "-"], block.text
            if block.kind == "commands":
                command, text = ["bash", "-e", "-c", block.text], None
            elif block.kind == "script":
                command, text = ["bash", block.text, "load"], None
            done = subprocess.run(self.command(host, command), input=text, capture_output=True,
                                  text=True, check=False, cwd=self.root)
            if done.returncode:
                return f"cannot be loaded: {done.stderr.strip() or done.stdout.strip()}"
        return ""

    def unload(self, block):
        hosts = NODES if block.is_cluster else ("gateway",)
        if block.kind == "script":
            run(["bash", block.text, "unload"])
        elif block.kind == "commands":
            for program in ("iptables", "ip6tables"):
                for table in ("filter", "mangle"):
                    for step in ("-F", "-X"):
                        run([program, "-w", "-t", table, step], check=False)
        for host in hosts:
            self.reset(host)
