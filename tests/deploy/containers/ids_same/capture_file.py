# SPDX-License-Identifier: MIT
"""Capture files, and what the pipe should carry of them.

The cut to IP is written here a second time, from the README's words and not from src/, so that the
comparison has an opinion of its own about which packets belong into the pipe, and can say by name
what a capture holds that cannot."""
import collections
import struct

LINK_NAMES = {0: "null", 1: "Ethernet", 9: "PPP", 101: "raw IP", 105: "802.11", 108: "loopback",
              113: "Linux cooked", 127: "radiotap", 228: "IPv4", 229: "IPv6", 239: "NFLOG",
              276: "Linux cooked 2"}
CARRIED_LINK_TYPES = (0, 1, 101, 108, 113, 228, 229, 276)
RAW_DLTS = (12, 14)  # what libpcaps of other systems call raw IP
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
ETHER_TYPES = {0x0806: "ARP", 0x8035: "RARP", 0x8847: "MPLS", 0x8848: "MPLS", 0x8863: "PPPoE",
               0x8864: "PPPoE", 0x88CC: "LLDP", 0x888E: "EAPOL", 0x88E7: "802.1ah",
               0x8926: "VN-tag", 0x6558: "bridged Ethernet"}
TUNNEL_PROTOCOLS = (4, 41, 47)
TUNNEL_PORTS = (3544, 4789, 6081)

Packet = collections.namedtuple("Packet", "nanoseconds data length")
Cut = collections.namedtuple("Cut", "offset reason vlans")  # offset: None where it is not carried


class Damaged(Exception):
    """The file is no capture at all."""


class Capture:
    """A capture file's packets, as far as they are whole."""

    def __init__(self, path):
        with open(path, "rb") as file:
            content = file.read()
        magic = content[:4]
        self.packets = []
        if magic == b"\x0a\x0d\x0d\x0a":
            self._read_pcapng(content)
        else:
            self._read_pcap(content, magic)
        if self.link_type in RAW_DLTS:
            self.link_type = 101
        self.cuts = [cut_to_ip(self.link_type, packet.data) for packet in self.packets]
        # The n-th frame of the file is the carried[n]-th of the pipe, if it is carried.
        self.carried = {}
        for number, cut in enumerate(self.cuts, 1):
            if cut.offset is not None and self.link_type in CARRIED_LINK_TYPES:
                self.carried[number] = len(self.carried) + 1

    def _read_pcap(self, content, magic):
        for order in "<>":
            for unit, number in ((1000, 0xA1B2C3D4), (1, 0xA1B23C4D)):
                if len(content) >= 24 and magic == struct.pack(order + "I", number):
                    self.link_type = struct.unpack(order + "I", content[20:24])[0] & 0x0FFFFFFF
                    self._read_records(content, order, unit)
                    return
        raise Damaged("not a capture file")

    def _read_records(self, content, order, unit):
        snaplen = struct.unpack(order + "I", content[16:20])[0]
        at = 24
        while at + 16 <= len(content):
            seconds, fraction, kept, length = struct.unpack(order + "IIII", content[at:at + 16])
            if kept > 262144 or at + 16 + kept > len(content):
                break  # here libpcap stops too
            data = content[at + 16:at + 16 + kept]
            if 0 < snaplen < kept:
                data = data[:snaplen]
            self.packets.append(Packet(seconds * 10**9 + fraction * unit, data,
                                       max(length, len(data))))
            at += 16 + kept

    def _read_pcapng(self, content):
        """Enhanced packet blocks of one interface, little-endian: what the tests write."""
        self.link_type, unit, at = None, 1000, 0
        while at + 12 <= len(content):
            kind, size = struct.unpack("<II", content[at:at + 8])
            body = content[at + 8:at + size - 4]
            if kind == 1:
                self.link_type = struct.unpack("<H", body[:2])[0]
            elif kind == 6:
                _, high, low, kept, length = struct.unpack("<IIIII", body[:20])
                self.packets.append(Packet(((high << 32) + low) * unit, body[20:20 + kept], length))
            if size < 12:
                break
            at += size
        if self.link_type is None:
            raise Damaged("no interface in the capture file")

    def header_lengths(self):
        """Lengths of the link-layer headers of what is carried."""
        return sorted({self.cuts[number - 1].offset for number in self.carried})

    def has_inner_packets(self):
        """Whether some packets hold others, whose length the link-layer header is no part of."""
        return any(is_tunnel(self.packets[number - 1].data[self.cuts[number - 1].offset:])
                   for number in self.carried)

    def reasons(self):
        """Names of what the cut to IP takes away here and Suricata may look at."""
        if self.link_type not in CARRIED_LINK_TYPES:
            return {f"link type {link_name(self.link_type)}: the sender refuses it"}
        found = set()
        for cut in self.cuts:
            if cut.offset is None:
                found.add(cut.reason)
            elif cut.vlans:
                found.add("VLAN tag" if cut.vlans == 1 else f"{cut.vlans} VLAN tags")
        if any(self.length_in_pipe(number) < self.packets[number - 1].length
               - self.cuts[number - 1].offset for number in self.carried):
            found.add("padding of frames")
        return found

    def length_in_pipe(self, number):
        """The original length of a frame's packet as the pipe should give it: without what a link
        layer adds behind it."""
        packet, offset = self.packets[number - 1], self.cuts[number - 1].offset
        available, ip = packet.length - offset, packet.data[offset:]
        if offset == 0 or len(ip) < 6:
            return available
        if ip[0] >> 4 == 4:
            header, given = max((ip[0] & 15) * 4, 20), int.from_bytes(ip[2:4], "big")
        else:
            header, payload = 40, int.from_bytes(ip[4:6], "big")
            given = payload + header if payload else 0
        return given if header <= given <= available else available

    def write_cut(self, path):
        """The capture as the pipe should deliver it."""
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101))
            for number in self.carried:
                packet, offset = self.packets[number - 1], self.cuts[number - 1].offset
                length = self.length_in_pipe(number)
                data = packet.data[offset:offset + length]
                seconds, fraction = divmod(packet.nanoseconds, 10**9)
                file.write(struct.pack("<IIII", seconds, fraction, min(len(data), 65535),
                                       length) + data[:65535])


def link_name(link_type):
    """A link type for people."""
    return f"{LINK_NAMES.get(link_type, 'unknown')} ({link_type})"


def cut_to_ip(link_type, data):
    """Where the IP header of a frame begins, or why there is none."""
    if link_type in (101, 228, 229):
        versions = {101: (4, 6), 228: (4,), 229: (6,)}[link_type]
        if data and data[0] >> 4 in versions:
            return Cut(0, "", 0)
        return Cut(None, "IP version that the link type does not have", 0)
    if link_type in (0, 108):
        family = int.from_bytes(data[:4], "big")
        if family > 0xFFFF:
            family = int.from_bytes(data[:4], "little")
        version = 4 if family == 2 else 6 if family in (10, 24, 28, 30) else None
        return at_version(data, 4, version, f"address family {family}", 0)
    if link_type in (1, 113, 276):
        type_at, payload_at = {1: (12, 14), 113: (14, 16), 276: (0, 20)}[link_type]
        return cut_ether_type(data, type_at, payload_at)
    return Cut(None, f"link type {link_name(link_type)}", 0)


def cut_ether_type(data, type_at, payload_at):
    """The same for frames with an EtherType, however many VLAN tags come first."""
    vlans = 0
    while True:
        if type_at + 2 > len(data):
            return Cut(None, "frame cut in its link-layer header", vlans)
        kind = int.from_bytes(data[type_at:type_at + 2], "big")
        if kind not in VLAN_TYPES:
            break
        vlans += 1
        type_at, payload_at = payload_at + 2, payload_at + 4
    version = {0x0800: 4, 0x86DD: 6}.get(kind)
    name = ETHER_TYPES.get(kind)
    if name is None:
        name = "802.3 frame with a length" if kind < 0x600 else f"EtherType 0x{kind:04x}"
    return at_version(data, payload_at, version, name, vlans)


def at_version(data, offset, version, name, vlans):
    """The cut if the byte at `offset` is of that IP version; `name` says what it is otherwise."""
    if version is None:
        return Cut(None, f"not IP: {name}", vlans)
    if offset >= len(data):
        return Cut(None, "frame cut before its IP header", vlans)
    if data[offset] >> 4 != version:
        return Cut(None, "IP version that contradicts the link layer", vlans)
    return Cut(offset, "", vlans)


def is_tunnel(ip):
    """Whether an IP packet holds another, or a frame."""
    if ip[0] >> 4 == 4:
        if len(ip) < 20:
            return False
        protocol, at = ip[9], (ip[0] & 15) * 4
    else:
        if len(ip) < 40:
            return False
        protocol, at = ip[6], 40
        while protocol in (0, 43, 44, 60, 135, 139, 140) and at + 2 <= len(ip):
            step = 8 if protocol == 44 else (ip[at + 1] + 1) * 8
            protocol, at = ip[at], at + step
    ports = struct.unpack(">HH", ip[at:at + 4]) if protocol == 17 and at + 4 <= len(ip) else ()
    return protocol in TUNNEL_PROTOCOLS or any(port in TUNNEL_PORTS for port in ports)
