# SPDX-License-Identifier: MIT
"""Packets as bytes, from the transport header to the link layer, with right checksums."""
import ipaddress
import struct

CLIENT4, SERVER4 = (ipaddress.ip_address(text).packed for text in ("192.0.2.1", "198.51.100.2"))
CLIENT6, SERVER6 = (ipaddress.ip_address(text).packed for text in ("2001:db8::1", "2001:db8:1::2"))
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


def checksum(data):
    """The Internet checksum."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def ends(version, back):
    """Source and destination addresses."""
    pair = (CLIENT4, SERVER4) if version == 4 else (CLIENT6, SERVER6)
    return pair[::-1] if back else pair


def ipv4(payload, protocol, back=False, ttl=64):
    """An IPv4 packet."""
    source, destination = ends(4, back)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 77, 0, ttl, protocol, 0)
    head += source + destination
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(payload, protocol, back=False, ttl=64, extensions=()):
    """An IPv6 packet, with extension headers of eight bytes each."""
    chain = list(extensions) + [protocol]
    for at in range(len(extensions) - 1, -1, -1):
        # Routing headers have no segments left; the others hold padding.
        body = struct.pack(">BB4x", 4, 0) if chain[at] == 43 else b"\x01\x04\0\0\0\0"
        payload = bytes([chain[at + 1], 0]) + body + payload
    source, destination = ends(6, back)
    head = struct.pack(">IHBB", 6 << 28, len(payload), chain[0], ttl)
    return head + source + destination + payload


def with_checksum(ip, payload, protocol, back, at):
    """The payload with its checksum, pseudo header included, put at offset `at`."""
    source, destination = ends(4 if ip is ipv4 else 6, back)
    pseudo = source + destination + struct.pack(">II", len(payload), protocol)
    return payload[:at] + struct.pack(">H", checksum(pseudo + payload)) + payload[at + 2:]


def udp(ip, source, destination, data, back=False, **more):
    """A UDP packet."""
    body = struct.pack(">HHHH", source, destination, 8 + len(data), 0) + data
    return ip(with_checksum(ip, body, 17, back, 6), 17, back, **more)


def tcp(ip, source, destination, sequence, acknowledged, flags, data, back=False):
    """A TCP segment."""
    bits = sum(FLAGS[flag] for flag in flags)
    body = struct.pack(">HHIIBBHHH", source, destination, sequence & 0xFFFFFFFF,
                       acknowledged & 0xFFFFFFFF, 0x50, bits, 65535, 0, 0) + data
    return ip(with_checksum(ip, body, 6, back, 16), 6, back)


def icmp4_echo(back=False):
    """A ping, or its answer."""
    body = struct.pack(">BBHHH", 0 if back else 8, 0, 0, 1, 1) + b"echo"
    return ipv4(body[:2] + struct.pack(">H", checksum(body)) + body[4:], 1, back)


def icmp6_echo():
    """A ping of IPv6."""
    return ipv6(with_checksum(ipv6, struct.pack(">BBHHH", 128, 0, 0, 1, 1) + b"echo", 58, False, 2),
                58)


def icmp6_neighbour():
    """A neighbour solicitation."""
    body = struct.pack(">BBHI", 135, 0, 0, 0) + SERVER6
    return ipv6(with_checksum(ipv6, body, 58, False, 2), 58, ttl=255)


def sctp_init(ttl):
    """The first chunk of an SCTP association; its checksum is left out."""
    return ipv4(struct.pack(">HHII", 5000, 5001, 0, 0)
                + struct.pack(">BBHIIHHI", 1, 0, 20, 1, 65535, 1, 1, 1), 132, ttl=ttl)


def gre(packet):
    """An IPv4 packet in GRE."""
    return ipv4(struct.pack(">HH", 0, 0x0800) + packet, 47)


def dns_name(label):
    """<label>.test as DNS writes it."""
    return bytes([len(label)]) + label + b"\x04test\0"


def dns_query(number, label):
    """A question for an address."""
    return udp(ipv4, 30000 + number, 53, struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0)
               + dns_name(label) + struct.pack(">HH", 1, 1))


def dns_answer(number, label):
    """Its answer."""
    return udp(ipv4, 53, 30000 + number, struct.pack(">HHHHHH", number, 0x8180, 1, 1, 0, 0)
               + dns_name(label) + struct.pack(">HH", 1, 1)
               + struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + SERVER4, back=True)


def fragments4(packet, size):
    """An IPv4 packet without options in pieces of `size` bytes of payload."""
    head, payload = packet[:20], packet[20:]
    pieces = []
    for at in range(0, len(payload), size):
        piece = payload[at:at + size]
        more = 0x2000 if at + size < len(payload) else 0
        part = head[:2] + struct.pack(">HHH", 20 + len(piece), 77, more | at // 8) + head[8:10]
        part += b"\0\0" + head[12:]
        pieces.append(part[:10] + struct.pack(">H", checksum(part)) + part[12:] + piece)
    return pieces


def ether(payload, kind=None, vlans=()):
    """An Ethernet frame, with one tag for each of `vlans`."""
    if kind is None:
        kind = 0x0800 if payload[0] >> 4 == 4 else 0x86DD
    tags = b""
    for at, vlan in enumerate(vlans):
        tags += struct.pack(">HH", 0x88A8 if at + 1 < len(vlans) else 0x8100, vlan)
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02" + tags + struct.pack(">H", kind) + payload


class Session:
    """A TCP connection between the client and port 80 of the server."""

    def __init__(self, ip, port):
        self.ip, self.port = ip, port
        self.next = [1000, 0xFFFFFF00]  # the server's sequence numbers wrap around soon
        self.packets = []

    def _add(self, flags, data=b"", back=False):
        source, destination = (80, self.port) if back else (self.port, 80)
        mine, theirs = self.next[back], self.next[not back] if "A" in flags else 0
        self.packets.append(tcp(self.ip, source, destination, mine, theirs, flags, data, back))
        self.next[back] += len(data) + ("S" in flags) + ("F" in flags)

    def http(self, path, page, segment=1200, overlap=False):
        """The packets of one request and its answer, from SYN to FIN."""
        answer = (b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/html\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(page)) + page
        self._add("S")
        self._add("SA", back=True)
        self._add("A")
        self._add("PA", b"GET " + path + b" HTTP/1.1\r\nHost: server.test\r\n\r\n")
        for at in range(0, len(answer), segment):
            piece = answer[at:at + segment]
            self._add("PA", piece, back=True)
            if overlap and at == 0:
                # Sent once more, with other content, before it is acknowledged.
                self.next[True] -= len(piece)
                self._add("PA", b"X" * len(piece), back=True)
        self._add("A")
        self._add("FA", back=True)
        self._add("FA")
        self._add("A", back=True)
        return self.packets
