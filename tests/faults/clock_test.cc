// SPDX-License-Identifier: MIT
//
// The wall clock of both hosts is stepped, an hour at a time.
#include <fcntl.h>
#include <unistd.h>

#include <ctime>

#include "base/unique_fd.h"
#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kRate = 5000;
constexpr int64_t kHour = 3600;

class WallClock : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    clock_.Reset(::open(dir_.File("clock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(clock_.valid());
    Step(0);
    // The sender's clock stamps what the kernel does not: packets that leave.
    Must({"nft", "flush", "table", "inet", "pipe"});
    const Status rules = LoadRules(
        "table inet pipe {\n"
        "  chain out {\n"
        "    type filter hook output priority 0; policy accept;\n"
        "    udp dport 9 counter name logged\n"
        "    meta nfproto ipv4 udp dport 9 log group 0 snaplen 65535\n"
        "    meta nfproto ipv6 udp dport 9 log group 1 snaplen 65535\n"
        "  }\n"
        "  chain in {\n"
        "    udp dport 9 drop\n"
        "  }\n"
        "}\n");
    ASSERT_TRUE(rules.ok()) << rules.error().message;
  }

  // Both programs' clocks are so many seconds off from now on.
  void Step(int64_t seconds) {
    ASSERT_EQ(::pwrite(clock_.get(), &seconds, sizeof seconds, 0),
              static_cast<ssize_t>(sizeof seconds));
  }

  Arguments Environment() const {
    return {"FAULT_CLOCK=" + dir_.File("clock"), "LD_PRELOAD=" PCAP_ZMQ_CLOCK_SHIM,
            // The sanitizers want to be first, which the shim does not mind.
            "ASAN_OPTIONS=verify_asan_link_order=0"};
  }

  // Whether packets come to be stamped about so many seconds from now, and go on to be.
  bool WaitForStamps(int64_t seconds) const {
    const auto distance = [&] {
      const Nanoseconds stamp = reader_->findings().last_timestamp;
      return stamp - (SystemClock().WallNow() + seconds * kNanosPerSecond);
    };
    const auto is_near = [&] {
      return distance() > -60 * kNanosPerSecond && distance() < kNanosPerSecond;
    };
    if (!WaitUntil(is_near)) {
      return false;
    }
    const Nanoseconds stamp = reader_->findings().last_timestamp;
    return WaitUntil([&] {
      return reader_->findings().last_timestamp > stamp + kNanosPerSecond / 2 && is_near();
    });
  }

  UniqueFd clock_;
};

TEST_F(WallClock, SteppedBackAndForwardAnHourIsFollowedWithoutALoss) {
  ASSERT_NO_FATAL_FAILURE(StartIds({}, Environment()));
  reader_->Start();
  ASSERT_NO_FATAL_FAILURE(StartGateway({}, Environment()));
  generator_->StartSending(kRate);
  ASSERT_TRUE(WaitForStamps(0));
  gateway_memory_ = sender_->ResidentBytes();
  ids_memory_ = receiver_->ResidentBytes();
  for (const int64_t step : {-kHour, int64_t{0}, kHour, int64_t{0}}) {
    Step(step);
    EXPECT_TRUE(WaitForStamps(step)) << "after a step to " << step << " s";
    ExpectReadiness({"200"}, GatewayReadiness);
    ExpectReadiness({"200"}, [this] { return IdsReadiness(); });
    EXPECT_LT(IdsMetric("sender_last_heard_seconds"), 30) << "that is no wall time";
  }
  const Books books = ExpectClosed("clock stepped back and forward an hour");
  EXPECT_EQ(books.receiver.lost, 0u);
  EndPipe();
}

}  // namespace
}  // namespace pcap_zmq::testing
