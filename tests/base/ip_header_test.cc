// SPDX-License-Identifier: MIT
#include "base/ip_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Ports;

constexpr uint8_t kSctp = 132;
constexpr uint8_t kDccp = 33;
constexpr uint8_t kUdpLite = 136;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kFragmentHeader = 44;

// Hashes an exact heap copy, so that AddressSanitizer sees one byte read too far.
uint64_t Hash(const Bytes& packet, size_t length) {
  const auto copy = std::make_unique<uint8_t[]>(length);
  std::copy_n(packet.begin(), length, copy.get());
  return SymmetricFlowHash(copy.get(), length);
}

uint64_t Hash(const Bytes& packet) {
  return Hash(packet, packet.size());
}

uint32_t LengthOf(const Bytes& packet, size_t captured) {
  const auto copy = std::make_unique<uint8_t[]>(captured);
  std::copy_n(packet.begin(), captured, copy.get());
  return OriginalLength(copy.get(), captured);
}

// Puts an extension header of `type` before what follows the IPv6 header.
Bytes WithExtension(Bytes packet, uint8_t type, Bytes extension) {
  extension[0] = packet[6];
  packet[6] = type;
  packet.insert(packet.begin() + 40, extension.begin(), extension.end());
  return packet;
}

Bytes AsFragment4(Bytes packet, uint16_t offset_words, bool more) {
  StoreBe<uint16_t>(packet.data() + 6, static_cast<uint16_t>(offset_words | (more ? 0x2000 : 0)));
  return packet;
}

TEST(SymmetricFlowHash, IsTheSameForBothDirectionsOfManyFlows) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const auto a = static_cast<uint32_t>(random());
    const auto b = static_cast<uint32_t>(random());
    const uint64_t a6 = random();
    const uint64_t b6 = random();
    const Ports ports{static_cast<uint16_t>(random()), static_cast<uint16_t>(random())};
    const Ports back{ports.destination, ports.source};
    for (const uint8_t protocol : {testing::kTcp, testing::kUdp, kSctp, kDccp, kUdpLite, kIcmp}) {
      ASSERT_EQ(Hash(testing::Ipv4Packet("to", a, b, ports, protocol)),
                Hash(testing::Ipv4Packet("from", b, a, back, protocol)));
      ASSERT_EQ(Hash(testing::Ipv6Packet("to", a6, b6, ports, protocol)),
                Hash(testing::Ipv6Packet("from", b6, a6, back, protocol)));
    }
  }
}

// Senders of several versions share receivers, and both directions of a flow must meet at one.
TEST(SymmetricFlowHash, IsTheSameInEveryVersion) {
  EXPECT_EQ(Hash(testing::Ipv4Packet("", 0x0a000001, 0xc0000201, {40'000, 443}, testing::kTcp)),
            0xef72e45371ee4016);
  EXPECT_EQ(Hash(testing::Ipv6Packet("", 1, 2, {40'000, 53}, testing::kUdp)), 0x979a25b0d80d5050);
  EXPECT_EQ(Hash(testing::Ipv4Packet("", 0x0a000001, 0xc0000201, {0, 0}, kIcmp)),
            0x8c7ea30cb53f2ee4);
}

TEST(SymmetricFlowHash, TellsFlowsApartByEachPartOfTheTuple) {
  std::set<uint64_t> hashes;
  size_t flows = 0;
  const auto add = [&](uint64_t hash) {
    hashes.insert(hash);
    ++flows;
  };
  for (uint16_t port = 1024; port < 2024; ++port) {
    add(Hash(testing::Ipv4Packet("", 1, 2, {port, 80}, testing::kTcp)));
    add(Hash(testing::Ipv4Packet("", 1, 2, {port, 80}, testing::kUdp)));
    add(Hash(testing::Ipv4Packet("", 1, 3, {port, 80}, testing::kTcp)));
    add(Hash(testing::Ipv6Packet("", 1, 2, {port, 80}, testing::kTcp)));
  }
  EXPECT_EQ(hashes.size(), flows);
}

TEST(SymmetricFlowHash, ReadsThePortsOfEveryProtocolThatHasThem) {
  for (const uint8_t protocol : {testing::kTcp, testing::kUdp, kSctp, kDccp, kUdpLite}) {
    EXPECT_NE(Hash(testing::Ipv4Packet("", 1, 2, {1111, 80}, protocol)),
              Hash(testing::Ipv4Packet("", 1, 2, {2222, 80}, protocol)))
        << "protocol " << int{protocol};
  }
  // Type, code and checksum of ICMP stand where others have ports.
  EXPECT_EQ(Hash(testing::Ipv4Packet("", 1, 2, {1111, 80}, kIcmp)),
            Hash(testing::Ipv4Packet("", 1, 2, {2222, 80}, kIcmp)));
}

TEST(SymmetricFlowHash, PortsBelongToTheirAddress) {
  // Swapping the ports alone is another flow.
  EXPECT_NE(Hash(testing::Ipv4Packet("", 1, 2, {1111, 80})),
            Hash(testing::Ipv4Packet("", 1, 2, {80, 1111})));
}

TEST(SymmetricFlowHash, SpreadsNeighbouringFlowsEvenly) {
  constexpr int kFlows = 8000;
  std::vector<int> buckets(8);
  for (uint16_t i = 0; i < kFlows; ++i) {
    const uint64_t hash = Hash(
        testing::Ipv4Packet("", 0x0a000001, 0xc0000201, {static_cast<uint16_t>(20000 + i), 443}));
    ++buckets[hash % 8];
  }
  for (const int flows : buckets) {
    EXPECT_NEAR(flows, kFlows / 8, 150);
  }
}

TEST(SymmetricFlowHash, IgnoresEverythingOutsideTheTuple) {
  Bytes packet = testing::Ipv4Packet("one payload");
  const uint64_t hash = Hash(packet);
  packet[1] = 0x28;   // traffic class
  packet[5] = 0x99;   // identification
  packet[8] = 3;      // time to live
  packet[10] = 0xaa;  // checksum
  packet[6] = 0x40;   // "do not fragment" is no fragment
  packet.back() = '!';
  EXPECT_EQ(Hash(packet), hash);
}

TEST(SymmetricFlowHash, ReadsPortsBehindIpv4Options) {
  Bytes with_options = testing::Ipv4Packet("", 1, 2, {1234, 80});
  with_options.insert(with_options.begin() + 20, {1, 1, 1, 1, 0x12, 0x34, 0x56, 0x78});
  with_options[0] = 0x47;
  EXPECT_EQ(Hash(with_options), Hash(testing::Ipv4Packet("", 1, 2, {1234, 80})));
}

TEST(SymmetricFlowHash, AllIpv4FragmentsOfADatagramHashAlikeTheFirstToo) {
  const Bytes first = AsFragment4(testing::Ipv4Packet("data", 1, 2, {1234, 53}), 0, true);
  const Bytes middle = AsFragment4(testing::Ipv4Packet("more data"), 185, true);
  Bytes last = AsFragment4(testing::Ipv4Packet("end", 1, 2, {9, 9}), 370, false);
  Bytes middle_of_the_same = middle;
  StoreBe<uint32_t>(middle_of_the_same.data() + 12, 1);
  StoreBe<uint32_t>(middle_of_the_same.data() + 16, 2);
  EXPECT_EQ(Hash(first), Hash(middle_of_the_same));
  EXPECT_EQ(Hash(first), Hash(last));
  EXPECT_NE(Hash(first), Hash(middle)) << "other addresses, other hash";
  // The way back as well.
  StoreBe<uint32_t>(last.data() + 12, 2);
  StoreBe<uint32_t>(last.data() + 16, 1);
  EXPECT_EQ(Hash(first), Hash(last));
}

TEST(AddressHash, IsThatOfAllPacketsBetweenTwoHosts) {
  const auto hash = [](const Bytes& packet) { return AddressHash(packet.data(), packet.size()); };
  const uint64_t both = hash(testing::Ipv4Packet("data", 1, 2, {1234, 53}));
  EXPECT_EQ(hash(testing::Ipv4Packet("answer", 2, 1, {53, 1234})), both);
  EXPECT_EQ(hash(testing::Ipv4Packet("other ports", 1, 2, {9, 9})), both);
  EXPECT_EQ(hash(AsFragment4(testing::Ipv4Packet("more data", 1, 2), 185, true)), both);
  EXPECT_NE(hash(testing::Ipv4Packet("data", 1, 3, {1234, 53})), both);
  EXPECT_EQ(hash(Bytes()), hash(Bytes(3, 0x45)));
}

TEST(SymmetricFlowHash, AllIpv6FragmentsOfADatagramHashAlikeWhateverTheirNextHeader) {
  Bytes first(8, 0);
  first[3] = 1;  // more fragments
  Bytes last(8, 0);
  last[2] = 5;
  const Bytes datagram = testing::Ipv6Packet("data", 7, 8, {1234, 53});
  const uint64_t hash = Hash(WithExtension(datagram, kFragmentHeader, first));
  Bytes tail = testing::Ipv6Packet("tail", 7, 8, {1, 2}, testing::kTcp);
  EXPECT_EQ(Hash(WithExtension(tail, kFragmentHeader, last)), hash);
  EXPECT_EQ(Hash(WithExtension(WithExtension(datagram, kFragmentHeader, first), 0, Bytes(8, 0))),
            hash)
      << "behind a hop-by-hop header";
}

TEST(SymmetricFlowHash, Ipv6ExtensionHeadersDoNotChangeTheFlow) {
  const Bytes plain = testing::Ipv6Packet("x", 7, 8, {1234, 80}, testing::kTcp);
  const uint64_t hash = Hash(plain);
  Bytes long_options(24, 0);
  long_options[1] = 2;  // (2 + 1) * 8 bytes
  Bytes authentication(24, 0);
  authentication[1] = 4;  // (4 + 2) * 4 bytes
  for (const uint8_t type : {uint8_t{0}, uint8_t{43}, uint8_t{60}, uint8_t{135}}) {
    EXPECT_EQ(Hash(WithExtension(plain, type, Bytes(8, 0))), hash) << "type " << int{type};
    EXPECT_EQ(Hash(WithExtension(plain, type, long_options)), hash) << "type " << int{type};
  }
  EXPECT_EQ(Hash(WithExtension(plain, 51, authentication)), hash);
  EXPECT_EQ(Hash(WithExtension(WithExtension(plain, 60, long_options), 0, Bytes(8, 0))), hash);
}

TEST(SymmetricFlowHash, EveryTruncationIsSymmetricAndStaysInsideThePacket) {
  const Bytes chain = WithExtension(
      WithExtension(testing::Ipv6Packet("body", 7, 8, {1, 2}), 60, Bytes(8, 0)), 0, Bytes(8, 0));
  const Bytes chain_back = WithExtension(
      WithExtension(testing::Ipv6Packet("body", 8, 7, {2, 1}), 60, Bytes(8, 0)), 0, Bytes(8, 0));
  for (size_t length = 0; length <= chain.size(); ++length) {
    EXPECT_EQ(Hash(chain, length), Hash(chain_back, length)) << "v6 cut to " << length;
  }
  const Bytes v4 = testing::Ipv4Packet("body", 7, 8, {1, 2});
  const Bytes v4_back = testing::Ipv4Packet("body", 8, 7, {2, 1});
  for (size_t length = 0; length <= v4.size(); ++length) {
    EXPECT_EQ(Hash(v4, length), Hash(v4_back, length)) << "v4 cut to " << length;
  }
}

TEST(SymmetricFlowHash, PacketsWithoutAReadableHeaderShareOneHash) {
  const uint64_t unreadable = Hash({});
  EXPECT_EQ(Hash(Bytes(60, 0x50)), unreadable);
  EXPECT_EQ(Hash(testing::Ipv4Packet("x"), 19), unreadable);
  EXPECT_EQ(Hash(testing::Ipv6Packet("x"), 39), unreadable);
}

TEST(SymmetricFlowHash, RandomBytesAreReadWithinTheirBounds) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes packet(random() % 120);
    std::generate(packet.begin(), packet.end(), [&] { return static_cast<uint8_t>(random()); });
    if (!packet.empty()) {
      packet[0] = static_cast<uint8_t>((i % 2 == 0 ? 0x40 : 0x60) | (packet[0] & 0x0f));
    }
    if (packet.size() > 40) {
      const uint8_t extensions[] = {0, 43, 44, 51, 60, 135};
      packet[6] = extensions[random() % 6];
    }
    ASSERT_EQ(Hash(packet), Hash(packet));
  }
}

uint32_t SecretHash(uint64_t seed, const Bytes& packet) {
  const auto copy = std::make_unique<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), copy.get());
  return SecretFlowHash(seed)(copy.get(), packet.size());
}

TEST(SecretFlowHash, IsTheSameForBothDirectionsAndDiffersFromFlowToFlow) {
  std::set<uint32_t> hashes;
  for (uint16_t port = 1024; port < 2024; ++port) {
    for (const uint8_t protocol : {testing::kTcp, testing::kUdp}) {
      const uint32_t four = SecretHash(1, testing::Ipv4Packet("to", 7, 8, {port, 80}, protocol));
      EXPECT_EQ(SecretHash(1, testing::Ipv4Packet("from", 8, 7, {80, port}, protocol)), four);
      const uint32_t six = SecretHash(1, testing::Ipv6Packet("to", 7, 8, {port, 80}, protocol));
      EXPECT_EQ(SecretHash(1, testing::Ipv6Packet("from", 8, 7, {80, port}, protocol)), six);
      hashes.insert(four);
      hashes.insert(six);
    }
  }
  EXPECT_GE(hashes.size(), 3990U) << "of 4,000 in 32 bits";
}

// What is one flow for the one is one flow for the other.
TEST(SecretFlowHash, HoldsTheSamePacketsForOneFlowAsTheHashThatEverybodyKnows) {
  const Bytes datagram = testing::Ipv6Packet("data", 7, 8, {1234, 53});
  const Bytes fragment = WithExtension(datagram, kFragmentHeader, Bytes(8, 0));
  const Bytes v4 = testing::Ipv4Packet("data", 1, 2, {1234, 53});
  const std::vector<Bytes> packets = {datagram,
                                      WithExtension(datagram, 0, Bytes(8, 0)),
                                      fragment,
                                      WithExtension(fragment, 0, Bytes(8, 0)),
                                      Bytes(datagram.begin(), datagram.begin() + 42),
                                      Bytes(datagram.begin(), datagram.begin() + 39),
                                      v4,
                                      AsFragment4(v4, 0, true),
                                      AsFragment4(v4, 185, false),
                                      Bytes(v4.begin(), v4.begin() + 22),
                                      Bytes(60, 0x50),
                                      {}};
  for (const Bytes& a : packets) {
    for (const Bytes& b : packets) {
      EXPECT_EQ(SecretHash(3, a) == SecretHash(3, b), Hash(a) == Hash(b));
    }
  }
}

// Over the seeds: flows that are as like each other as can be share ten bits once in 1,024.
TEST(SecretFlowHash, FlowsHoweverChosenShareTenBitsAsOftenAsChanceHasIt) {
  const auto four = [](uint32_t source, uint32_t destination, Ports ports) {
    return testing::Ipv4Packet("", source, destination, ports, testing::kTcp);
  };
  const auto six = [](uint64_t source, uint16_t port) {
    return testing::Ipv6Packet("", source, 9, {port, 80}, testing::kTcp);
  };
  const std::vector<std::pair<Bytes, Bytes>> pairs = {
      {four(7, 8, {1000, 80}), four(7, 8, {1001, 80})},
      {four(7, 8, {1000, 80}), four(7, 8, {1001, 79})},
      {four(7, 8, {1000, 80}), four(8, 7, {1000, 80})},
      {four(7, 8, {1000, 80}), four(7, 8, {80, 1000})},
      {four(7, 8, {1000, 80}), four(8, 8, {1000, 80})},
      {four(7, 8, {0, 80}), four(0x80000007, 8, {0, 80})},
      {six(7, 1000), six(8, 999)},
      {six(7, 1000), six(uint64_t{7} << 32, 1000)},
      {four(7, 8, {0, 0}), testing::Ipv4Packet("", 7, 8, {0, 0}, kIcmp)},
  };
  constexpr uint64_t kSeeds = 100 * 1024;
  for (size_t i = 0; i < pairs.size(); ++i) {
    int shared = 0;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const uint32_t one = SecretHash(seed, pairs[i].first);
      shared += one >> 22 == SecretHash(seed, pairs[i].second) >> 22 ? 1 : 0;
    }
    EXPECT_NEAR(shared, 100, 60) << "pair " << i;
  }
}

TEST(SecretFlowHash, AFlowHasEachValueAsOftenAsChanceHasIt) {
  constexpr int kSeeds = 64 * 400;
  std::vector<int> values(64);
  for (int seed = 0; seed < kSeeds; ++seed) {
    ++values[SecretHash(static_cast<uint64_t>(seed), testing::Ipv4Packet("")) >> 26];
  }
  for (const int seeds : values) {
    EXPECT_NEAR(seeds, kSeeds / 64, 120);
  }
}

TEST(OriginalLength, IsWhatTheIpHeaderSaysWhenThePacketWasCut) {
  Bytes v4 = testing::Ipv4Packet(std::string(1000, 'x'));
  EXPECT_EQ(LengthOf(v4, 64), v4.size());
  EXPECT_EQ(LengthOf(v4, v4.size()), v4.size());
  const Bytes v6 = testing::Ipv6Packet(std::string(1000, 'x'));
  EXPECT_EQ(LengthOf(v6, 64), v6.size());
  EXPECT_EQ(LengthOf(v6, v6.size()), v6.size());
}

TEST(OriginalLength, IsNeverBelowWhatWasCaptured) {
  Bytes v4 = testing::Ipv4Packet("padded to the minimum of Ethernet");
  StoreBe<uint16_t>(v4.data() + 2, 28);
  EXPECT_EQ(LengthOf(v4, v4.size()), v4.size());
}

TEST(OriginalLength, IsTheCapturedLengthWhereTheHeaderGivesNone) {
  Bytes jumbogram = testing::Ipv6Packet("x");
  StoreBe<uint16_t>(jumbogram.data() + 4, 0);
  EXPECT_EQ(LengthOf(jumbogram, jumbogram.size()), jumbogram.size());
  EXPECT_EQ(LengthOf(jumbogram, 30), 30U) << "nothing is known beyond what was captured";
  Bytes big_tcp = testing::Ipv4Packet("x");
  StoreBe<uint16_t>(big_tcp.data() + 2, 0);
  EXPECT_EQ(LengthOf(big_tcp, big_tcp.size()), big_tcp.size());
  EXPECT_EQ(LengthOf(Bytes(50, 0x90), 50), 50U);
}

TEST(OriginalLength, ReadsNothingBeyondACutHeader) {
  const Bytes v4 = testing::Ipv4Packet("x");
  const Bytes v6 = testing::Ipv6Packet("x");
  for (uint32_t captured = 1; captured < 4; ++captured) {
    EXPECT_EQ(LengthOf(v4, captured), captured);
  }
  for (uint32_t captured = 1; captured < 6; ++captured) {
    EXPECT_EQ(LengthOf(v6, captured), captured);
  }
  EXPECT_EQ(LengthOf(v4, 4), v4.size());
  EXPECT_EQ(LengthOf(v6, 6), v6.size());
}

uint32_t Unpadded(const Bytes& packet) {
  const auto copy = std::make_unique<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), copy.get());
  return LengthWithoutPadding(copy.get(), packet.size(), packet.size());
}

TEST(LengthWithoutPadding, IsWhatTheIpHeaderSaysWhereMoreFollows) {
  Bytes v4 = testing::Ipv4Packet("short");
  Bytes v6 = testing::Ipv6Packet("short");
  const size_t v4_length = v4.size();
  const size_t v6_length = v6.size();
  EXPECT_EQ(Unpadded(v4), v4_length);
  EXPECT_EQ(Unpadded(v6), v6_length);
  v4.resize(v4_length + 13);
  v6.resize(v6_length + 1);
  EXPECT_EQ(Unpadded(v4), v4_length);
  EXPECT_EQ(Unpadded(v6), v6_length);
}

TEST(LengthWithoutPadding, IsThatOfAPacketOfWhichLessWasCapturedThanItsFrameHad) {
  const Bytes v4 = testing::Ipv4Packet("short");
  for (const size_t captured : {size_t{4}, v4.size() - 1, v4.size()}) {
    EXPECT_EQ(LengthWithoutPadding(v4.data(), captured, v4.size() + 9), v4.size()) << captured;
  }
  EXPECT_EQ(LengthWithoutPadding(v4.data(), 3, v4.size() + 9), v4.size() + 9) << "nobody can tell";
}

TEST(LengthWithoutPadding, IsAllThereIsWhereTheHeaderGivesNoLengthOrAWrongOne) {
  for (const uint16_t length : {uint16_t{0}, uint16_t{19}, uint16_t{1000}}) {
    Bytes v4 = testing::Ipv4Packet("x");
    StoreBe<uint16_t>(v4.data() + 2, length);
    EXPECT_EQ(Unpadded(v4), v4.size()) << length;
  }
  Bytes options = testing::Ipv4Packet("x");
  options[0] = 0x47;  // 28 bytes of header
  StoreBe<uint16_t>(options.data() + 2, 27);
  EXPECT_EQ(Unpadded(options), options.size());
  for (const uint16_t payload : {uint16_t{0}, uint16_t{1000}}) {
    Bytes v6 = testing::Ipv6Packet("x");
    StoreBe<uint16_t>(v6.data() + 4, payload);
    EXPECT_EQ(Unpadded(v6), v6.size()) << payload;
  }
  EXPECT_EQ(Unpadded({0x45, 0, 0}), 3U);
  EXPECT_EQ(Unpadded({0x60, 0, 0, 0, 0}), 5U);
  EXPECT_EQ(Unpadded(Bytes(50, 0x90)), 50U);
}

TEST(MixHash, DependsOnBothPartsAndTheirOrder) {
  EXPECT_NE(MixHash(1, 2), MixHash(2, 1));
  EXPECT_NE(MixHash(1, 2), MixHash(1, 3));
  EXPECT_NE(MixHash(1, 2), MixHash(3, 2));
}

}  // namespace
}  // namespace pcap_zmq
