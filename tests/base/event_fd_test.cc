// SPDX-License-Identifier: MIT
#include "base/event_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>

#include "tests/support/scarcity.h"

namespace pcap_zmq {
namespace {

TEST(MakeEventFd, IsReadableOnceSomethingIsAdded) {
  const Result<UniqueFd> made = MakeEventFd();
  ASSERT_TRUE(made.ok()) << made.error().message;
  pollfd poll_fd{made.value().get(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll_fd, 1, 0), 0);
  const uint64_t one = 1;
  ASSERT_EQ(::write(made.value().get(), &one, sizeof one), 8);
  EXPECT_EQ(::poll(&poll_fd, 1, 0), 1);
  EXPECT_NE(::fcntl(made.value().get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(MakeEventFd, WithoutDescriptorsIsAnError) {
  const testing::NoNewDescriptors none;
  const Result<UniqueFd> made = MakeEventFd();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorKind::kRuntime);
  EXPECT_NE(made.error().message.find("open files"), std::string::npos) << made.error().message;
}

}  // namespace
}  // namespace pcap_zmq
