// SPDX-License-Identifier: MIT
#include "transport/endpoint_resolution.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pcap_zmq {
namespace {

ResolvedEndpoint ResolveOrFail(const std::string& endpoint) {
  auto resolved = ResolveEndpoint(endpoint);
  EXPECT_TRUE(resolved.ok()) << resolved.error().message;
  return resolved.ok() ? resolved.Take() : ResolvedEndpoint{};
}

TEST(EndpointResolution, AnIpv4AddressNeedsNoIpv6) {
  const ResolvedEndpoint resolved = ResolveOrFail("tcp://127.0.0.1:1234");
  EXPECT_FALSE(resolved.ipv6_only);
  EXPECT_FALSE(resolved.unresolved_yet);
}

TEST(EndpointResolution, AnIpv6AddressNeedsIpv6) {
  for (const char* endpoint : {"tcp://[::1]:1234", "tcp://[2001:db8::2]:9", "tcp://[fe80::1]:1"}) {
    const ResolvedEndpoint resolved = ResolveOrFail(endpoint);
    EXPECT_TRUE(resolved.ipv6_only) << endpoint;
    EXPECT_FALSE(resolved.unresolved_yet) << endpoint;
  }
}

TEST(EndpointResolution, AHostWithBothKindsOfAddressesIsReachedByIpv4) {
  EXPECT_FALSE(ResolveOrFail("tcp://localhost:1234").ipv6_only);
}

TEST(EndpointResolution, TheHostIsWhatFollowsTheSourceAddress) {
  EXPECT_TRUE(ResolveOrFail("tcp://[::1]:0;[::1]:1234").ipv6_only);
  EXPECT_FALSE(ResolveOrFail("tcp://127.0.0.1:0;127.0.0.1:1234").ipv6_only);
  EXPECT_FALSE(ResolveEndpoint("tcp://127.0.0.1:0;not/a/host:1234").ok());
}

TEST(EndpointResolution, OtherTransportsHaveNoHost) {
  for (const char* endpoint : {"ipc:///run/pipe.sock", "inproc://pipe", "nonsense"}) {
    const ResolvedEndpoint resolved = ResolveOrFail(endpoint);
    EXPECT_FALSE(resolved.ipv6_only) << endpoint;
    EXPECT_FALSE(resolved.unresolved_yet) << endpoint;
  }
}

TEST(EndpointResolution, AHostThatCannotExistIsAConfigurationErrorThatNamesIt) {
  // Names that no name service has to be asked about.
  const std::string long_label(70, 'a');
  for (const std::string& host : {std::string("not/a/host"), std::string("*"), long_label}) {
    const auto resolved = ResolveEndpoint("tcp://" + host + ":1234");
    ASSERT_FALSE(resolved.ok()) << host;
    EXPECT_EQ(resolved.error().kind, ErrorKind::kConfig);
    const std::string& message = resolved.error().message;
    EXPECT_NE(message.find("'" + host + "'"), std::string::npos) << message;
    EXPECT_NE(message.find("check the name"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(EndpointResolution, AnEmptyHostIsAConfigurationError) {
  EXPECT_FALSE(ResolveEndpoint("tcp://:1234").ok());
  EXPECT_FALSE(ResolveEndpoint("tcp://").ok());
}

TEST(EndpointResolution, Ipv6LiteralsAreRecognisedByTheirBrackets) {
  EXPECT_TRUE(IsIpv6Literal("tcp://[::]:1234"));
  EXPECT_TRUE(IsIpv6Literal("tcp://[::1]:*"));
  EXPECT_FALSE(IsIpv6Literal("tcp://0.0.0.0:1234"));
  EXPECT_FALSE(IsIpv6Literal("tcp://*:1234"));
  EXPECT_FALSE(IsIpv6Literal("ipc:///run/[odd].sock"));
}

TEST(HasHostName, IsSoForNamesAloneAndAsksNobody) {
  for (const char* endpoint : {"tcp://ids:1234", "tcp://receivers.pipe.svc.cluster.local:1",
                               "tcp://localhost:1", "tcp://127.0.0.1:0;ids:1234"}) {
    EXPECT_TRUE(HasHostName(endpoint)) << endpoint;
  }
  for (const char* endpoint : {"tcp://127.0.0.1:1234", "tcp://[::1]:1234", "tcp://[fe80::1%lo]:1",
                               "tcp://0.0.0.0:0;10.0.0.1:1", "ipc:///run/ids", "nonsense"}) {
    EXPECT_FALSE(HasHostName(endpoint)) << endpoint;
  }
}

TEST(ResolveAddresses, ANameWithBothKindsStandsForItsIpv4Addresses) {
  const auto found = ResolveAddresses("tcp://localhost:1234");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found.value(), std::vector<std::string>{"tcp://127.0.0.1:1234"});
}

TEST(ResolveAddresses, WhatStandsAroundTheHostStays) {
  const auto found = ResolveAddresses("tcp://127.0.0.1:0;127.0.0.2:1234");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found.value(), std::vector<std::string>{"tcp://127.0.0.1:0;127.0.0.2:1234"});
  const auto ipv6 = ResolveAddresses("tcp://[2001:db8:0::2]:9");
  ASSERT_TRUE(ipv6.ok()) << ipv6.error().message;
  EXPECT_EQ(ipv6.value(), std::vector<std::string>{"tcp://[2001:db8::2]:9"});
}

TEST(ResolveAddresses, AHostThatDoesNotExistIsAnErrorThatMayPass) {
  const auto found = ResolveAddresses("tcp://not/a/host:1234");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().kind, ErrorKind::kRuntime);
}

}  // namespace
}  // namespace pcap_zmq
