// SPDX-License-Identifier: MIT
//
// An IDS that dies, hangs or is replaced, and a FIFO that somebody deletes.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kRate = 10'000;

class Reader : public FaultTest {
 protected:
  double Attached() const { return IdsMetric("sink_reader_attached"); }

  // A writer cannot tell a reader that comes within microseconds from its predecessor.
  void KillReader() {
    reader_->Kill();
    ASSERT_TRUE(WaitUntil([&] { return Attached() == 0; }));
    ExpectReadiness({"503"}, [this] { return IdsReadiness(); });
  }
};

TEST_F(Reader, KilledAndReplacedFiveTimesMissesNothing) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  for (int kill = 0; kill < 5; ++kill) {
    ASSERT_NO_FATAL_FAILURE(KillReader());
    ASSERT_TRUE(WaitForTraffic(kRate / 4));
    reader_->Start();
    ASSERT_TRUE(WaitForRead(kRate / 2));
  }
  EXPECT_TRUE(WaitUntil([&] { return IdsMetric("sink_reopens_total") == 5; }));
  const Books books = ExpectClosed("FIFO reader killed and replaced");
  EXPECT_EQ(books.receiver.sink_dropped, 0u);
  EndPipe();
}

// Longer than a host may be silent, and with more traffic than all buffers hold: the pressure
// reaches the sender, which drops, and the connection stays, as nobody is gone.
TEST_F(Reader, StoppedForFifteenSecondsLosesNothingOnTheWire) {
  const Arguments small = {"--zmq-buffer", "100", "--zmq-buffer-bytes", "4MiB"};
  TrafficOptions traffic;
  traffic.packet_bytes = 1400;
  UseTraffic(traffic);
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate, small, {"--memory", "32MiB"}));
  const double blocked = IdsMetric("sink_blocked_seconds_total");
  reader_->Signal(SIGSTOP);
  const auto dropped = [] {
    return GatewayMetric("dropped_packets_total", {{"reason", "zmq_hwm"}}) +
           GatewayMetric("dropped_packets_total", {{"reason", "zmq_bytes"}});
  };
  ASSERT_TRUE(WaitUntil([&] { return dropped() > 0; }));
  ASSERT_TRUE(WaitUntil([&] { return IdsMetric("sink_blocked_seconds_total") > blocked + 15; }));
  EXPECT_TRUE(WaitUntil([] { return GatewayMetric("connected_endpoints") == 1; }));
  reader_->Signal(SIGCONT);
  ASSERT_TRUE(WaitForRead(2 * kRate));
  EXPECT_EQ(IdsMetric("disconnects_total"), 0);
  const Books books = ExpectClosed("FIFO reader stopped for 15 s", kFullSlack);
  EXPECT_EQ(books.receiver.lost, 0u);
  EndPipe();
}

TEST_F(Reader, FifoDeletedUnderAReaderIsMadeAnewForTheNext) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  struct stat status {};
  ASSERT_TRUE(WaitUntil([&] { return ::stat(fifo_.c_str(), &status) == 0; }));
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  ASSERT_TRUE(WaitForRead(kRate / 2)) << "who has it open keeps it";
  ASSERT_NO_FATAL_FAILURE(KillReader());
  reader_->Start();
  ASSERT_TRUE(WaitForRead(kRate / 2));
  ExpectClosed("FIFO deleted under its reader");
  EndPipe();
}

TEST_F(Reader, FifoReplacedByAnotherWhileNobodyReadsIsTheOneWrittenTo) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  ASSERT_NO_FATAL_FAILURE(KillReader());
  ASSERT_EQ(::unlink(fifo_.c_str()), 0);
  // The receiver may be quicker.
  ASSERT_TRUE(::mkfifo(fifo_.c_str(), 0600) == 0 || errno == EEXIST);
  ASSERT_TRUE(WaitForTraffic(kRate / 4));
  reader_->Start();
  ASSERT_TRUE(WaitForRead(kRate / 2));
  ExpectClosed("FIFO deleted and made anew");
  EndPipe();
}

}  // namespace
}  // namespace pcap_zmq::testing
