// SPDX-License-Identifier: MIT
#include "transport/silence_watch.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "tests/support/net_namespace.h"
#include "tests/support/netfilter.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace pcap_zmq {
namespace {

class SilenceWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status entered = testing::EnterPrivateNetwork(); !entered.ok()) {
      GTEST_SKIP() << entered.error().message;
    }
    if (!testing::HaveProgram("nft")) {
      GTEST_SKIP() << "nft is not installed";
    }
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    sockaddr_in address{};
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::getsockname(listener.get(), generic, &length), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    here_.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(here_.get(), generic, length), 0);
    there_.Reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(there_.valid());
  }

  static void Cut() {
    const Status status = testing::LoadRules(
        "table ip cut {\n chain c {\n type filter hook input priority 0\n meta l4proto tcp drop\n"
        " }\n}\n");
    ASSERT_TRUE(status.ok()) << status.error().message;
  }

  void Fill() const {
    const std::vector<char> bytes(size_t{1} << 20);
    while (::send(here_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }

  bool IsShutDown() const {
    pollfd socket{here_.get(), POLLRDHUP, 0};
    return ::poll(&socket, 1, 0) == 1 && (socket.revents & (POLLRDHUP | POLLHUP)) != 0;
  }

  // Looks as often as a pump would in `time`, which the test makes pass.
  void LookFor(Nanoseconds time) {
    for (Nanoseconds passed = 0; passed <= time; passed += kNanosPerSecond / 4) {
      now_ += kNanosPerSecond / 4;
      watch_.Look({here_.get()}, now_);
    }
  }

  UniqueFd here_;
  UniqueFd there_;
  SilenceWatch watch_{"tcp://ids.host:1234"};
  Nanoseconds now_ = kNanosPerSecond;
};

TEST_F(SilenceWatchTest, PeerThatAcknowledgesNothingIsShutDownOncePatienceIsOver) {
  Cut();
  ASSERT_EQ(::send(here_.get(), "x", 1, 0), 1);
  LookFor(SilenceWatch::kPatience / 2);
  EXPECT_FALSE(IsShutDown());
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(testing::WaitUntil([&] {
    LookFor(SilenceWatch::kPatience + kNanosPerSecond);
    return IsShutDown();
  }));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("at tcp://ids.host:1234 (127.0.0.1) no longer answers"), std::string::npos)
      << "of several receivers it says which: " << log;
}

TEST_F(SilenceWatchTest, PeerThatVanishesWithItsWindowClosedIsShutDown) {
  Fill();
  Cut();
  EXPECT_TRUE(testing::WaitUntil([&] {
    LookFor(SilenceWatch::kPatience + kNanosPerSecond);
    return IsShutDown();
  }));
}

// The watch's time goes by look, four times as fast as the real one at most, which is the kernel's:
// on a machine under load it falls back.  The kernel answers each probe for room but those that
// come too soon after another.
TEST_F(SilenceWatchTest, PeerThatTakesNothingIsLeftAloneForLongerThanPatience) {
  Fill();
  const Nanoseconds end = now_ + 2 * SilenceWatch::kPatience;
  EXPECT_TRUE(testing::WaitUntil(
      [&] {
        now_ += 200 * kNanosPerMilli;
        watch_.Look({here_.get()}, now_);
        return now_ >= end || IsShutDown();
      },
      testing::kGenerously, std::chrono::milliseconds(50)));
  EXPECT_FALSE(IsShutDown());
}

TEST_F(SilenceWatchTest, OtherDescriptorsAreNoPeers) {
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  const int closed = 1000;
  for (int i = 0; i < 100; ++i) {
    now_ += kNanosPerSecond;
    watch_.Look({event.get(), closed, here_.get()}, now_);
  }
  EXPECT_FALSE(IsShutDown());
}

}  // namespace
}  // namespace pcap_zmq
