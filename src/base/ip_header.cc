// SPDX-License-Identifier: MIT
#include "base/ip_header.h"

#include <algorithm>
#include <utility>

#include "base/byte_io.h"

namespace pcap_zmq {
namespace {

constexpr size_t kIpv4MinHeader = 20;
constexpr size_t kIpv6Header = 40;

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kProtocolDccp = 33;
constexpr uint8_t kProtocolSctp = 132;
constexpr uint8_t kProtocolUdpLite = 136;

// IPv6 extension headers that may stand before the transport header.
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;
constexpr uint8_t kMobility = 135;

bool HasPorts(uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolDccp ||
         protocol == kProtocolSctp || protocol == kProtocolUdpLite;
}

// The finalizer of SplitMix64: every input bit reaches every output bit.
uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}

// The packet's length by its header, or 0.
uint32_t GivenLength(const uint8_t* ip, size_t captured) {
  if (captured >= 4 && ip[0] >> 4 == 4) {
    return LoadBe<uint16_t>(ip + 2);
  }
  if (captured >= 6 && ip[0] >> 4 == 6) {
    const uint32_t payload = LoadBe<uint16_t>(ip + 4);
    return payload == 0 ? 0 : payload + kIpv6Header;
  }
  return 0;
}

size_t HeaderLength4(const uint8_t* ip) {
  return std::max(static_cast<size_t>(ip[0] & 0x0f) * 4, kIpv4MinHeader);
}

// The parts of a flow as the hash that everybody knows mixes them.
struct KnownMix {
  static uint64_t Address4(uint32_t address) { return address; }
  static uint64_t Address6(const uint8_t* address) {
    return MixHash(LoadBe<uint64_t>(address), LoadBe<uint64_t>(address + 8));
  }
  static uint64_t WithPort(uint64_t address, uint16_t port) { return MixHash(address, port); }
  // Ends are ordered before they are mixed, which is what makes the hash symmetric.
  static uint64_t Ends(uint64_t a, uint64_t b, uint8_t protocol) {
    const auto [low, high] = std::minmax(a, b);
    return MixHash(MixHash(low, high), protocol);
  }
};

// And as a secret one does: by sums of products with random numbers.
struct SecretMix {
  const SecretFlowHash::Keys& keys;

  uint64_t Address4(uint32_t address) const { return keys[0] + keys[1] * address; }
  uint64_t Address6(const uint8_t* address) const {
    return keys[0] + keys[2] * LoadBe<uint32_t>(address) + keys[3] * LoadBe<uint32_t>(address + 4) +
           keys[4] * LoadBe<uint32_t>(address + 8) + keys[5] * LoadBe<uint32_t>(address + 12);
  }
  // No port is not port 0.
  uint64_t WithPort(uint64_t address, uint16_t port) const {
    return address + keys[6] * (uint64_t{port} + 1);
  }
  uint64_t Ends(uint64_t a, uint64_t b, uint8_t protocol) const {
    const uint64_t low = std::min(a, b) >> 32;
    const uint64_t high = std::max(a, b) >> 32;
    return keys[7] + keys[8] * low + keys[9] * high + keys[10] * protocol;
  }
};

template <typename Mixer>
uint64_t HashFlow(const Mixer& mix, uint64_t source, uint64_t destination, uint8_t protocol,
                  const uint8_t* transport, size_t length) {
  if (HasPorts(protocol) && length >= 4) {
    source = mix.WithPort(source, LoadBe<uint16_t>(transport));
    destination = mix.WithPort(destination, LoadBe<uint16_t>(transport + 2));
  }
  return mix.Ends(source, destination, protocol);
}

// Fragments leave the protocol out: an IPv6 fragment that is not the first may hide it.
template <typename Mixer>
uint64_t HashFragment(const Mixer& mix, uint64_t source, uint64_t destination) {
  return mix.Ends(source, destination, 0);
}

template <typename Mixer>
uint64_t Hash4(const Mixer& mix, const uint8_t* ip, size_t captured) {
  const uint64_t source = mix.Address4(LoadBe<uint32_t>(ip + 12));
  const uint64_t destination = mix.Address4(LoadBe<uint32_t>(ip + 16));
  const uint16_t fragment = LoadBe<uint16_t>(ip + 6);
  constexpr uint16_t kMoreFragmentsOrOffset = 0x3fff;
  if ((fragment & kMoreFragmentsOrOffset) != 0) {
    return HashFragment(mix, source, destination);
  }
  const size_t header = static_cast<size_t>(ip[0] & 0x0f) * 4;
  if (header < kIpv4MinHeader || header > captured) {
    return mix.Ends(source, destination, ip[9]);
  }
  return HashFlow(mix, source, destination, ip[9], ip + header, captured - header);
}

template <typename Mixer>
uint64_t Hash6(const Mixer& mix, const uint8_t* ip, size_t captured) {
  const uint64_t source = mix.Address6(ip + 8);
  const uint64_t destination = mix.Address6(ip + 24);
  uint8_t next = ip[6];
  size_t at = kIpv6Header;
  while (true) {
    switch (next) {
      case kFragment:
        return HashFragment(mix, source, destination);
      case kHopByHop:
      case kRouting:
      case kDestinationOptions:
      case kMobility:
      case kAuthentication: {
        if (at + 2 > captured) {
          return mix.Ends(source, destination, next);
        }
        const size_t words = ip[at + 1];
        const size_t length = next == kAuthentication ? (words + 2) * 4 : (words + 1) * 8;
        next = ip[at];
        at += length;
        if (at > captured) {
          return mix.Ends(source, destination, next);
        }
        break;
      }
      default:
        return HashFlow(mix, source, destination, next, ip + at, captured - at);
    }
  }
}

// A packet without a readable header belongs to no flow; `unreadable` stands for all of them.
template <typename Mixer>
uint64_t HashPacket(const Mixer& mix, const uint8_t* ip, size_t captured, uint64_t unreadable) {
  if (captured >= kIpv4MinHeader && ip[0] >> 4 == 4) {
    return Hash4(mix, ip, captured);
  }
  if (captured >= kIpv6Header && ip[0] >> 4 == 6) {
    return Hash6(mix, ip, captured);
  }
  return unreadable;
}

}  // namespace

uint64_t MixHash(uint64_t a, uint64_t b) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  return Mix(Mix(a + kGolden) ^ (b + kGolden));
}

uint32_t OriginalLength(const uint8_t* ip, size_t captured) {
  return std::max(GivenLength(ip, captured), static_cast<uint32_t>(captured));
}

uint32_t LengthWithoutPadding(const uint8_t* ip, size_t captured, size_t available) {
  const uint32_t given = GivenLength(ip, captured);
  const size_t header = ip[0] >> 4 == 4 ? HeaderLength4(ip) : kIpv6Header;
  return given < header || given > available ? static_cast<uint32_t>(available) : given;
}

uint64_t SymmetricFlowHash(const uint8_t* ip, size_t captured) {
  return HashPacket(KnownMix(), ip, captured, MixHash(0, 0));
}

SecretFlowHash::SecretFlowHash(uint64_t seed) {
  for (size_t i = 0; i < keys_.size(); ++i) {
    keys_[i] = MixHash(seed, i);
  }
}

uint32_t SecretFlowHash::operator()(const uint8_t* ip, size_t captured) const {
  // The sums of neighbouring ports are evenly spaced, which the last step takes away.
  return static_cast<uint32_t>(Mix(HashPacket(SecretMix{keys_}, ip, captured, keys_[0])) >> 32);
}

uint64_t AddressHash(const uint8_t* ip, size_t captured) {
  constexpr KnownMix kMix;
  if (captured >= kIpv4MinHeader && ip[0] >> 4 == 4) {
    return HashFragment(kMix, kMix.Address4(LoadBe<uint32_t>(ip + 12)),
                        kMix.Address4(LoadBe<uint32_t>(ip + 16)));
  }
  if (captured >= kIpv6Header && ip[0] >> 4 == 6) {
    return HashFragment(kMix, kMix.Address6(ip + 8), kMix.Address6(ip + 24));
  }
  return MixHash(0, 0);
}

}  // namespace pcap_zmq
