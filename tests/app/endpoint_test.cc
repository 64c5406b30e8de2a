// SPDX-License-Identifier: MIT
#include "app/endpoint.h"

#include <gtest/gtest.h>

#include <string>

namespace pcap_zmq {
namespace {

TEST(Endpoint, WhatBothSidesCanUseIsAccepted) {
  for (const char* text :
       {"tcp://127.0.0.1:1234", "tcp://ids.example.org:1", "tcp://host_a-b:65535",
        "tcp://[2001:db8::1]:1234", "tcp://[fe80::1%eth0]:1234", "ipc:///run/a.sock", "ipc://@a"}) {
    EXPECT_TRUE(CheckConnectEndpoint(text).ok()) << text;
    EXPECT_TRUE(CheckBindEndpoint(text).ok()) << text;
  }
}

TEST(Endpoint, OnlyABindMayLeaveHostOrPortOpen) {
  for (const char* text :
       {"tcp://*:1234", "tcp://eth0:*", "tcp://127.0.0.1:0", "tcp://*:*", "ipc://*"}) {
    EXPECT_TRUE(CheckBindEndpoint(text).ok()) << text;
    EXPECT_FALSE(CheckConnectEndpoint(text).ok()) << text;
  }
}

TEST(Endpoint, OnlyAConnectMayNameItsSourceAddress) {
  EXPECT_TRUE(CheckConnectEndpoint("tcp://192.0.2.1:0;ids:1234").ok());
  EXPECT_FALSE(CheckConnectEndpoint("tcp://192.0.2.1;ids:1234").ok());
  EXPECT_FALSE(CheckBindEndpoint("tcp://192.0.2.1:0;ids:1234").ok());
}

TEST(Endpoint, WhatCannotWorkIsRefusedWithAnExample) {
  for (const std::string& text : {std::string(),
                                  std::string("ids:1234"),
                                  std::string("tcp:/ids:1"),
                                  std::string("tcp://"),
                                  std::string("tcp://ids"),
                                  std::string("tcp://ids:"),
                                  std::string("tcp://:1234"),
                                  std::string("tcp://ids:65536"),
                                  std::string("tcp://ids:-1"),
                                  std::string("tcp://ids:1x"),
                                  std::string("tcp://ids:http"),
                                  std::string("tcp://2001:db8::1:1234"),
                                  std::string("tcp://[::1]"),
                                  std::string("tcp://[]:1"),
                                  std::string("tcp://[ids]:1"),
                                  std::string("tcp://::1]:1"),
                                  std::string("tcp://a b:1"),
                                  std::string("inproc://a"),
                                  std::string("udp://ids:1"),
                                  std::string("pgm://eth0;239.192.1.1:5555"),
                                  std::string("http://ids:1"),
                                  std::string("ipc://"),
                                  "ipc:///" + std::string(107, 'a')}) {
    for (const Status& status : {CheckConnectEndpoint(text), CheckBindEndpoint(text)}) {
      ASSERT_FALSE(status.ok()) << text;
      EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
      EXPECT_NE(status.error().message.find("; write tcp://"), std::string::npos)
          << status.error().message;
      EXPECT_EQ(status.error().message.find("'" + text + "'"), 0u) << status.error().message;
    }
  }
}

TEST(Endpoint, Ipv6WithoutBracketsIsToldToUseThem) {
  EXPECT_NE(CheckConnectEndpoint("tcp://::1:1234").error().message.find("brackets"),
            std::string::npos);
}

TEST(ListenAddress, HostMayBeMissingButNotThePort) {
  for (const char* text : {"127.0.0.1:9477", "[::]:1", ":0", "localhost:65535"}) {
    EXPECT_TRUE(CheckListenAddress(text).ok()) << text;
  }
  for (const char* text : {"", "9477", "127.0.0.1:", "a:65536", "::1:80", "[::1]", "a/b:1"}) {
    EXPECT_FALSE(CheckListenAddress(text).ok()) << text;
  }
}

TEST(LeavesTheHost, IsTrueOfAllButLocalEndpoints) {
  for (const char* endpoint :
       {"ipc:///run/a.sock", "ipc://@a", "tcp://127.0.0.1:1", "tcp://127.8.9.1:*", "tcp://[::1]:1",
        "tcp://localhost:1", "tcp://lo:1"}) {
    EXPECT_FALSE(LeavesTheHost(endpoint)) << endpoint;
  }
  for (const char* endpoint :
       {"tcp://0.0.0.0:1", "tcp://*:1", "tcp://[::]:1", "tcp://ids.example.org:1", "tcp://eth0:1",
        "tcp://192.0.2.1:1", "tcp://127.example.org:1", "tcp://localhost.example.org:1",
        "ws://192.0.2.1:1", "", "x", "://"}) {
    EXPECT_TRUE(LeavesTheHost(endpoint)) << endpoint;
  }
}

}  // namespace
}  // namespace pcap_zmq
