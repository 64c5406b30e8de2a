// SPDX-License-Identifier: MIT
//
// Packets put on the network as they are, so that what is captured can be compared byte for byte;
// and tests that do without a capability for a while.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/byte_io.h"
#include "base/unique_fd.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// The UDP port to which the packets below go.
inline constexpr uint16_t kTestPort = 5000;

/// A packet from lo to lo, whole but for the checksum, which the kernel fills in.
inline Bytes LoopbackV4(std::string_view body) {
  Bytes packet = Ipv4Packet(body, 0x7f000001, 0x7f000001, {.source = 40000, .destination = 5000});
  StoreBe<uint16_t>(packet.data() + 4, 0x1234);  // the kernel chooses an identification of 0 anew
  return packet;
}

inline Bytes LoopbackV6(std::string_view body) {
  Bytes packet = Ipv6Packet(body, 0, 0, {.source = 40000, .destination = 5000});
  const in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
  std::memcpy(packet.data() + 8, &loopback, sizeof loopback);
  std::memcpy(packet.data() + 24, &loopback, sizeof loopback);
  return packet;
}

/// `captured` as LoopbackV4() made it.
inline Bytes WithoutIpChecksum(Bytes captured) {
  if (captured.size() >= 12 && captured[0] >> 4 == 4) {
    captured[10] = 0;
    captured[11] = 0;
  }
  return captured;
}

/// Sends whole packets over lo of the namespace in which it is made.
class RawSender {
 public:
  RawSender()
      : v4_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)),
        v6_(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)) {}

  void Send(const Bytes& packet) const {
    ssize_t sent = 0;
    if (packet[0] >> 4 == 4) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      sent = ::sendto(v4_.get(), packet.data(), packet.size(), 0,
                      reinterpret_cast<const sockaddr*>(&to), sizeof to);
    } else {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_addr = IN6ADDR_LOOPBACK_INIT;
      sent = ::sendto(v6_.get(), packet.data(), packet.size(), 0,
                      reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
    // A rule that drops the packet at OUTPUT makes this EPERM; it has been logged before.
    ASSERT_TRUE(sent == static_cast<ssize_t>(packet.size()) || errno == EPERM) << errno;
  }

 private:
  UniqueFd v4_;
  UniqueFd v6_;
};

/// Puts whole frames on one interface.
class FrameSender {
 public:
  explicit FrameSender(const std::string& interface)
      : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    to_.sll_family = AF_PACKET;
    to_.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    to_.sll_halen = 6;
  }

  /// `payload` behind an Ethernet header with `type`.
  void Send(uint16_t type, const Bytes& payload) const {
    Bytes frame(14);
    StoreBe<uint16_t>(frame.data() + 12, type);
    frame.insert(frame.end(), payload.begin(), payload.end());
    sockaddr_ll to = to_;
    to.sll_protocol = htons(type);
    ASSERT_EQ(::sendto(socket_.get(), frame.data(), frame.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(frame.size()))
        << errno;
  }

 private:
  UniqueFd socket_;
  sockaddr_ll to_{};
};

/// Takes `capability` from the calling thread until it goes.
class WithoutCapability {
 public:
  explicit WithoutCapability(unsigned capability) {
    EXPECT_EQ(::syscall(SYS_capget, &header_, saved_.data()), 0);
    auto reduced = saved_;
    reduced[capability / 32].effective &= ~(1U << (capability % 32));
    EXPECT_EQ(::syscall(SYS_capset, &header_, reduced.data()), 0);
  }
  WithoutCapability(const WithoutCapability&) = delete;
  WithoutCapability& operator=(const WithoutCapability&) = delete;
  ~WithoutCapability() { EXPECT_EQ(::syscall(SYS_capset, &header_, saved_.data()), 0); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> saved_{};
};

}  // namespace pcap_zmq::testing
