// SPDX-License-Identifier: MIT
#include "metrics/listen_address.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/ipv6.h"

namespace pcap_zmq {
namespace {

std::string Parsed(std::string_view text) {
  const Result<ListenAddress> address = ParseListenAddress(text);
  return address.ok() ? address.value().Text() : "refused";
}

TEST(ListenAddress, ReadsTheFormsThatPeopleWrite) {
  EXPECT_EQ(Parsed("127.0.0.1:9477"), "127.0.0.1:9477");
  EXPECT_EQ(Parsed("[::1]:9477"), "[::1]:9477");
  EXPECT_EQ(Parsed("localhost:9477"), "127.0.0.1:9477");
  EXPECT_EQ(Parsed(":9477"), "0.0.0.0:9477");
  EXPECT_EQ(Parsed("0.0.0.0:0"), "0.0.0.0:0");
  EXPECT_EQ(Parsed("127.0.0.1:65535"), "127.0.0.1:65535");
}

TEST(ListenAddress, WhatDoesNotParseIsAConfigErrorWithAnExample) {
  for (const std::string_view text :
       {"", ":", "9477", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:0x10", "127.0.0.1:80s", "127.0.0.1:80,1.2.3.4:80", "256.0.0.1:80", "::1:9477",
        "[::1:9477", "[]:80", "[:80", "[127.0.0.1]:80", "no.such.host:80", " 127.0.0.1:80"}) {
    const Result<ListenAddress> address = ParseListenAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().kind, ErrorKind::kConfig) << text;
    EXPECT_NE(address.error().message.find("'" + std::string(text) + "'"), std::string::npos);
    EXPECT_NE(address.error().message.find("127.0.0.1:9477"), std::string::npos) << text;
  }
}

TEST(ListenAddress, TryingAnAddressOfAnotherHostSaysSo) {
  // 192.0.2.0/24 is reserved for documentation.
  const Status tried = TryListen({"192.0.2.1", 0, false});
  ASSERT_FALSE(tried.ok());
  EXPECT_EQ(tried.error().message, "Cannot assign requested address");
}

TEST(ListenAddress, TryingAFreePortSucceeds) {
  EXPECT_TRUE(TryListen({"127.0.0.1", 0, false}).ok());
}

// Also where the HTTP library has no IPv6, whose refusal hides this one.
TEST(ListenAddress, TryingIpv6SucceedsWhereTheKernelHasIt) {
  EXPECT_EQ(TryListen({"::1", 0, true}).ok(), testing::CanBindIpv6(in6addr_loopback));
}

}  // namespace
}  // namespace pcap_zmq
