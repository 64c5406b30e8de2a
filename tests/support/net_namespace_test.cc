// SPDX-License-Identifier: MIT
#include "tests/support/net_namespace.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "tests/support/process.h"

namespace pcap_zmq::testing {
namespace {

// Many tests skip where a private network cannot be entered; so they would if entering were broken.
TEST(EnterPrivateNetwork, SucceedsWhereUnshareDoes) {
  if (!RunOrFail({"unshare", "--net", "true"}).ok() &&
      !RunOrFail({"unshare", "--user", "--map-root-user", "--net", "true"}).ok()) {
    GTEST_SKIP() << "private network namespaces are not permitted here";
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const Status entered = EnterPrivateNetwork();
    std::fputs(entered.ok() ? "" : entered.error().message.c_str(), stderr);
    ::_exit(entered.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace pcap_zmq::testing
