#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# Makes the traffic that rules_test.sh counts: datagrams that are answered one by one, so that their
# number is known to the packet, TCP connections, of which only the presence is, and HTTP sessions.
# Usage: rules_traffic.py serve '{"addresses": [...], "udp": [...], "tcp": [...], "http": [...],
#                               "esp": [...]}'
#        rules_traffic.py exchange '[{"proto": "udp", "to": [...], "port": 9000, ...}, ...]'
import json
import selectors
import socket
import sys

TIMEOUT = 120
ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n"
          b"Content-Type: text/plain\r\n\r\nfound")
IP_FREEBIND, IPV6_FREEBIND = 15, 78  # Python does not know them.


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def answer_datagram(server):
    data, peer = server.recvfrom(70000)
    server.sendto(data, peer)


def answer_esp(server):
    # IPv4's raw sockets deliver the IP header too, IPv6's do not.
    data, peer = server.recvfrom(70000)
    if server.family == socket.AF_INET:
        data = data[20:]
    if data.startswith(b"ask"):
        server.sendto(b"answer", peer)


def serve(plan):
    selector = selectors.DefaultSelector()

    def accept(server):
        connection, _ = server.accept()
        selector.register(connection, selectors.EVENT_READ, answer_stream)

    def answer_stream(connection):
        data = connection.recv(1 << 16)
        if data:
            connection.sendall(data)
        else:
            selector.unregister(connection)
            connection.close()

    def accept_http(server):
        connection, _ = server.accept()
        requests[connection] = b""
        selector.register(connection, selectors.EVENT_READ, answer_request)

    def answer_request(connection):
        data = connection.recv(1 << 16)
        if not data:
            selector.unregister(connection)
            del requests[connection]
            connection.close()
            return
        requests[connection] += data
        if requests[connection].endswith(b"\r\n\r\n"):
            connection.sendall(ANSWER)
            connection.shutdown(socket.SHUT_WR)

    requests = {}
    for address in plan["addresses"]:
        family = family_of(address)
        for port in plan.get("udp", []):
            server = socket.socket(family, socket.SOCK_DGRAM)
            server.bind((address, port))
            selector.register(server, selectors.EVENT_READ, answer_datagram)
        for kind, action in (("tcp", accept), ("http", accept_http)):
            for port in plan.get(kind, []):
                server = socket.socket(family, socket.SOCK_STREAM)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind((address, port))
                server.listen()
                selector.register(server, selectors.EVENT_READ, action)
    for address in plan.get("esp", []):
        server = socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_ESP)
        server.bind((address, 0))
        selector.register(server, selectors.EVENT_READ, answer_esp)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)


def client_socket(job, kind, to, flow):
    client = socket.socket(family_of(to), kind)
    client.settimeout(TIMEOUT)
    if kind == socket.SOCK_STREAM:  # Two UDP sockets would share a port, and so be one flow.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if "tos" in job:
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, job["tos"])
    # "from" is a prefix to which the flow's number is appended: as many clients as flows.
    source = ""
    if "from" in job:
        source = job["from"]["6" if ":" in to else "4"] + (f"{flow + 1:x}" if ":" in to else
                                                           f"{flow + 1}")
        if ":" in to:
            client.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        else:
            client.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    if source or "sport" in job:
        client.bind((source, job.get("sport", 0)))
    return client


def exchange_udp(job, to):
    # Open until the end, so that no two flows share a port.
    clients = []
    for flow in range(job.get("flows", 1)):
        client = client_socket(job, socket.SOCK_DGRAM, to, flow)
        client.connect((to, job["port"]))
        clients.append(client)
        for _ in range(job.get("count", 1)):
            client.send(b"x" * job.get("size", 20))
            client.recv(70000)
    for client in clients:
        client.close()


def exchange_tcp(job, to):
    client = client_socket(job, socket.SOCK_STREAM, to, 0)
    client.connect((to, job["port"]))
    left = job.get("size", 1000)
    client.sendall(b"x" * left)
    while left > 0:
        left -= len(client.recv(1 << 16))
    client.shutdown(socket.SHUT_WR)
    while client.recv(1 << 16):
        pass
    client.close()


def exchange_http(job, to):
    # A connection for each request; "clients" is how many addresses of "from" take turns.
    for number in range(job["sessions"]):
        client = client_socket(job, socket.SOCK_STREAM, to, number % job.get("clients", 1))
        client.connect((to, job["port"]))
        client.sendall(f"GET {job['path']}/{to}/{number} HTTP/1.1\r\nHost: server\r\n"
                       "User-Agent: rules-test\r\n\r\n".encode())
        while client.recv(1 << 16):
            pass
        client.close()


def exchange_esp(_job, to):
    client = socket.socket(family_of(to), socket.SOCK_RAW, socket.IPPROTO_ESP)
    client.settimeout(TIMEOUT)
    client.connect((to, 0))
    client.send(b"ask and be answered")
    client.recv(2000)


def main():
    what, plan = sys.argv[1], json.loads(sys.argv[2])
    if what == "serve":
        serve(plan)
    ways = {"udp": exchange_udp, "tcp": exchange_tcp, "esp": exchange_esp,
            "http": exchange_http}
    for job in plan:
        for to in job["to"]:
            try:
                ways[job["proto"]](job, to)
            except OSError as error:
                sys.exit(f"FAILED: no answer from {to} to {job}: {error}")


main()
