// SPDX-License-Identifier: MIT
#include "base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <string>

#include "tests/support/scarcity.h"

namespace pcap_zmq {
namespace {

TEST(StartThread, DoesTheWorkUnderItsName) {
  std::array<char, 16> name{};
  Result<std::thread> thread = StartThread(
      "fifteen letters", [&] { ::pthread_getname_np(::pthread_self(), name.data(), name.size()); });
  ASSERT_TRUE(thread.ok()) << thread.error().message;
  thread.value().join();
  EXPECT_STREQ(name.data(), "fifteen letters");
}

TEST(StartThread, OneThatTheSystemRefusesIsAnErrorThatNamesIt) {
  const testing::NoNewThreads none;
  const Result<std::thread> thread = StartThread("output", [] {});
  ASSERT_FALSE(thread.ok());
  EXPECT_EQ(thread.error().kind, ErrorKind::kRuntime);
  EXPECT_NE(thread.error().message.find("'output'"), std::string::npos) << thread.error().message;
}

}  // namespace
}  // namespace pcap_zmq
