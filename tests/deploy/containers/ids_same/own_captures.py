# SPDX-License-Identifier: MIT
"""Captures that the comparison makes itself: each shows one thing that a pipe could get wrong.

EXPECTED says for each what the verdict must be, for which reasons, and which of the rules must have
alerted when Suricata read the file directly: a comparison of two silent runs proves nothing."""
import os
import struct

from packets import (Session, dns_answer, dns_query, ether, fragments4, gre, icmp4_echo, icmp6_echo,
                     icmp6_neighbour, ipv4, ipv6, sctp_init, tcp, udp)

START = 1_700_000_000 * 10**9 + 123_456_789  # an odd number of nanoseconds, on purpose
STEP = 1_000_001
PAGE = b"<html>the page with the MARKER-OF-THE-TEST " + b"abcd efgh " * 300 + b"</html>"
VLAN, ARP = "VLAN tag", "not IP: ARP"
HTTP = {1, 2, 3, 23, 25, 40, 41}

EXPECTED = {
    "http4.pcap": ("same", set(), HTTP),
    "http6.pcap": ("same", set(), HTTP),
    "http4_nanoseconds.pcap": ("same", set(), HTTP),
    "http4_big_endian.pcap": ("same", set(), HTTP),
    "http4.pcapng": ("same", set(), HTTP),
    "http4_raw.pcap": ("same", set(), HTTP),
    "http4_cooked.pcap": ("same", set(), HTTP),
    "http4_null.pcap": ("same", set(), HTTP),
    "http4_out_of_order.pcap": ("same", set(), HTTP),
    "http4_overlaps.pcap": ("same", set(), {1, 2, 41, 42}),
    "http4_gap.pcap": ("same", set(), {1, 23}),
    "http4_backwards.pcap": ("same", set(), {1, 2, 23}),
    "http4_cut_short.pcap": ("same", set(), {23}),
    "http4_file_cut.pcap": ("same", set(), {1, 23}),
    "http4_many.pcap": ("same", set(), HTTP),
    "http4_vlan.pcap": ("explained", {VLAN}, HTTP),
    "http4_qinq.pcap": ("explained", {"2 VLAN tags"}, HTTP),
    "http4_vlan_and_not.pcap": ("explained", {VLAN}, HTTP),
    "dns.pcap": ("same", set(), {4, 26}),
    "dns_with_arp.pcap": ("same", set(), {4}),
    "pppoe.pcap": ("explained", {"not IP: PPPoE"}, {4}),
    "mpls.pcap": ("explained", {"not IP: MPLS"}, {4}),
    "udp_large.pcap": ("same", set(), {26, 27}),
    "icmp.pcap": ("same", set(), {20, 21}),
    "fragments.pcap": ("same", set(), {27, 28, 29}),
    "fragments_reversed.pcap": ("same", set(), {27, 28, 29}),
    "ipv6_extensions.pcap": ("same", set(), {26}),
    "tunnels.pcap": ("same", set(), {4, 30}),
    "sctp_low_ttl.pcap": ("same", set(), {31, 32}),
    "jumbo.pcap": ("same", set(), {25}),
    "damaged.pcap": ("same", set(), {62}),
    "padding.pcap": ("explained", {"padding of frames"}, {26}),
    "arp_only.pcap": ("same", set(), set()),
    "empty.pcap": ("same", set(), set()),
    "ppp.pcap": ("explained", {"link type PPP (9): the sender refuses it"}, {4}),
}


def write(path, frames, link_type=1, nanoseconds=False, order="<", times=None, snaplen=262144,
          missing=0):
    """A classic capture; frames beyond the snaplen are cut, and the file's last `missing` bytes."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    with open(path, "wb") as file:
        file.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type))
        for at, frame in enumerate(frames):
            time = times[at] if times else START + at * STEP
            seconds, fraction = divmod(time, 10**9)
            fraction = fraction if nanoseconds else fraction // 1000
            kept = frame[:snaplen]
            file.write(struct.pack(order + "IIII", seconds, fraction, len(kept), len(frame)) + kept)
        file.truncate(file.tell() - missing)


def write_pcapng(path, frames):
    """The same as pcapng: one section, one interface, microseconds."""
    with open(path, "wb") as file:
        def block(kind, body):
            body += bytes(-len(body) % 4)
            size = struct.pack("<I", len(body) + 12)
            file.write(struct.pack("<I", kind) + size + body + size)
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        block(1, struct.pack("<HHI", 1, 0, 0))
        for at, frame in enumerate(frames):
            time = (START + at * STEP) // 1000
            block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame))
                  + frame)


def session(ip=ipv4, port=40000, **ways):
    """The IP packets of an HTTP request and its answer."""
    return Session(ip, port).http(b"/page", PAGE, **ways)


def page_at(packets):
    """Where the answer's segments begin in a session, and how many there are."""
    sizes = [len(packet) for packet in packets]
    first = next(at for at, size in enumerate(sizes) if size > 1000)
    return first, sum(size > 1000 for size in sizes)


def swapped(packets):
    """The answer's second and third segments exchanged."""
    first, _ = page_at(packets)
    return packets[:first + 1] + [packets[first + 2], packets[first + 1]] + packets[first + 3:]


def numbered_times(count, back_at):
    """Times of which one lies two seconds before its predecessor."""
    times = [START + at * STEP for at in range(count)]
    times[back_at] -= 2 * 10**9
    return times


def make(directory):
    """Writes all captures; returns their paths."""
    os.mkdir(directory)
    made = []

    def add(name, frames, **form):
        path = os.path.join(directory, name)
        made.append(path)
        write(path, frames, **form)

    http4 = session()
    framed = [ether(packet) for packet in http4]
    arp = ether(b"\0\1\x08\0\6\4\0\1" + bytes(20), kind=0x0806)
    dns = [dns_query(1, b"example"), dns_answer(1, b"example")]
    make_http(add, http4, framed)
    made.append(os.path.join(directory, "http4.pcapng"))
    write_pcapng(made[-1], framed)

    add("dns.pcap", [ether(packet) for packet in dns])
    add("dns_with_arp.pcap", [arp] + [ether(packet) for packet in dns] + [arp])
    add("pppoe.pcap", [ether(dns[0])] + [
        ether(struct.pack(">BBHHH", 0x11, 0, 7, len(packet) + 2, 0x21) + packet, kind=0x8864)
        for packet in [dns_query(2, b"session"), dns_answer(2, b"session")]])
    add("mpls.pcap", [ether(dns[0])] + [
        ether(struct.pack(">I", 16 << 12 | 1 << 8 | 64) + packet, kind=0x8847)
        for packet in [dns_query(3, b"label"), dns_answer(3, b"label")]])
    add("ppp.pcap", [b"\xff\x03\0\x21" + packet for packet in dns], link_type=9)
    make_odd(add)
    add("arp_only.pcap", [arp] * 3)
    add("empty.pcap", [])
    assert {os.path.basename(path) for path in made} == set(EXPECTED)
    return made


def make_http(add, http4, framed):
    """One session in all ways in which it can be captured."""
    http6 = [ether(packet, kind=0x86DD) for packet in session(ipv6)]
    add("http4.pcap", framed)
    add("http6.pcap", http6)
    add("http4_nanoseconds.pcap", framed, nanoseconds=True)
    add("http4_big_endian.pcap", framed, order=">")
    add("http4_raw.pcap", http4 + session(ipv6), link_type=101)
    add("http4_cooked.pcap", [struct.pack(">HHH8sH", 0, 1, 6, b"cooked!!", 0x0800) + packet
                              for packet in http4], link_type=113)
    add("http4_null.pcap", [struct.pack("<I", 2) + packet for packet in http4], link_type=0)
    add("http4_out_of_order.pcap", [ether(packet) for packet in swapped(http4)])
    add("http4_overlaps.pcap", [ether(packet) for packet in session(overlap=True)])
    first, _ = page_at(http4)
    add("http4_gap.pcap", framed[:first + 1] + framed[first + 2:])
    add("http4_backwards.pcap", framed, times=numbered_times(len(framed), first + 1))
    add("http4_cut_short.pcap", framed, snaplen=96)
    # The file ends within a packet of the answer, as after a full disk.
    add("http4_file_cut.pcap", framed[:first + 2], missing=500)
    many = [Session(ipv4, 41000 + at).http(b"/page", PAGE) for at in range(60)]
    add("http4_many.pcap", [ether(packet) for turn in zip(*many) for packet in turn])
    add("http4_vlan.pcap", [ether(packet, vlans=[5]) for packet in http4])
    add("http4_qinq.pcap", [ether(packet, vlans=[7, 5]) for packet in http4])
    other = Session(ipv4, 42000).http(b"/page", PAGE)
    add("http4_vlan_and_not.pcap", [ether(packet, vlans=[5]) for packet in http4]
        + [ether(packet) for packet in other])


def make_odd(add):
    """What is no session: large, split, wrapped and damaged packets."""
    large = udp(ipv4, 5000, 5001, b"letters " * 180)
    add("udp_large.pcap", [ether(large), ether(udp(ipv4, 5001, 5000, b"yes", back=True))])
    add("icmp.pcap", [ether(icmp4_echo()), ether(icmp4_echo(back=True)),
                      ether(icmp6_neighbour(), kind=0x86DD), ether(icmp6_echo(), kind=0x86DD)])
    pieces = fragments4(udp(ipv4, 5000, 5001, b"letters " * 500), 1480)
    add("fragments.pcap", [ether(piece) for piece in pieces])
    add("fragments_reversed.pcap", [ether(piece) for piece in reversed(pieces)])
    add("ipv6_extensions.pcap", [
        ether(udp(ipv6, 5000, 5001, b"letters", extensions=[0, 60]), kind=0x86DD),
        ether(udp(ipv6, 5002, 5001, b"letters", extensions=[0, 43, 60]), kind=0x86DD)])
    add("tunnels.pcap", [ether(gre(dns_query(4, b"inside"))), ether(gre(dns_answer(4, b"inside"))),
                         ether(ipv4(dns_query(5, b"inside"), 4)),
                         ether(ipv4(udp(ipv6, 5000, 5001, b"letters"), 41))])
    add("sctp_low_ttl.pcap", [ether(sctp_init(ttl=3))])
    add("jumbo.pcap", [ether(packet) for packet in
                       Session(ipv4, 43000).http(b"/page", PAGE * 18, segment=60000)])
    broken = tcp(ipv4, 5000, 80, 1, 0, "S", b"")
    add("damaged.pcap", [ether(ipv4(b"\0\1\0\2\0", 6)), ether(broken[:30]), ether(broken)])
    # Short frames are filled up with bytes that belong to no packet.
    add("padding.pcap", [ether(udp(ipv4, 5000, 5001, b"abc")) + b"PADDING" * 2])
