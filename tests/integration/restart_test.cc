// SPDX-License-Identifier: MIT
//
// A receiver that is restarted, as planned or by SIGKILL, under a reader that is as far behind as
// the pipe allows and keeps the FIFO open.
#include <cstdio>
#include <string>

#include "tests/integration/pipe_fixture.h"

namespace pcap_zmq::testing {
namespace {

// Less than a full pipe of 1 MiB: a page takes a second write only if that fits whole, so that
// pages may be little more than half full.
constexpr uint64_t kBehind = 500'000;

class ReceiverRestart : public PipeTest {
 protected:
  void SetUp() override {
    PipeTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
    options_.packet_bytes = 1000;
    auto generator = TrafficGenerator::Open(options_);
    ASSERT_TRUE(generator.ok()) << generator.error().message;
    generator_ = generator.Take();
    reader_ = std::make_unique<FifoReader>(fifo_, true);
  }

  static double SinkMetric(const std::string& name) {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_" + name);
  }
  static int Readiness() {
    const auto answer = HttpGet(kReceiverMetricsPort, "/readyz");
    return answer.ok() ? answer.value().status : 0;
  }
  // What the receiver's last line says of its output.
  uint64_t DeliveredInTheEnd() const {
    const std::string log = receiver_->Stderr();
    const std::string label = fifo_ + ": delivered ";
    const size_t at = log.find(label);
    EXPECT_NE(at, std::string::npos) << log;
    return at == std::string::npos ? 0 : std::stoull(log.substr(at + label.size()));
  }

  // Starts the pipe and has the reader stop with the FIFO full.
  void FallBehind() {
    receiver_ = StartReceiver({"--drain-timeout", "500ms"}, fifo_);
    ASSERT_NE(receiver_, nullptr);
    sender_ = StartSender();
    ASSERT_NE(sender_, nullptr);
    generator_->StartSending(4000);
    ASSERT_TRUE(WaitUntil([&] { return reader_->bytes_read() > kBehind; }));
    reader_->Pause();
    // The pipe is full once the receiver has waited and has written nothing meanwhile.
    ASSERT_TRUE(WaitUntil([&] {
      const double written = SinkMetric("bytes_total");
      const double blocked = SinkMetric("blocked_seconds_total");
      return written > static_cast<double>(reader_->bytes_read() + kBehind) &&
             WaitUntil([&] { return SinkMetric("blocked_seconds_total") > blocked; }) &&
             SinkMetric("bytes_total") == written;
    }));
    generator_->Stop();
  }

  // The second receiver comes, waits, and serves the reader that comes after this one.
  void StartAgainAndCatchUp() {
    const uint64_t read = reader_->bytes_read();
    receiver_ = StartReceiver({}, fifo_);
    ASSERT_NE(receiver_, nullptr);
    EXPECT_TRUE(receiver_->WaitForStderr("waits until the reader of a previous receiver has gone"));
    EXPECT_EQ(Readiness(), 503);
    EXPECT_EQ(SinkMetric("reader_attached"), 0);
    EXPECT_EQ(SinkMetric("bytes_total"), 0);
    EXPECT_EQ(reader_->bytes_read(), read);
    generator_->Send(1000, 4000);
    reader_->Resume();
    ASSERT_TRUE(WaitUntil([] { return Readiness() == 200; }));
    generator_->Send(1000, 4000);
    ExpectTheLawCloses(generator_.get(), fifo_);
    EXPECT_GE(SinkMetric("packets_total"), 1000);
    EXPECT_EQ(SinkMetric("reopens_total"), 0);
    Terminate(sender_.get());
    Terminate(receiver_.get());
    ASSERT_TRUE(WaitUntil([&] { return reader_->readers() == 3; }));
    reader_->Stop();
  }

  // Each of the two captures is one from its first byte, and holds what its receiver delivered.
  void ExpectCaptures(uint64_t first_delivered) {
    ASSERT_EQ(reader_->captures().size(), 3U);
    MarkChecker first(options_);
    // Whoever ends while its reader hangs leaves what was begun.
    AddCapture(reader_->captures()[0], true, &first);
    EXPECT_EQ(first.distinct(), first_delivered);
    MarkChecker both = first;
    AddCapture(reader_->captures()[1], false, &both);
    EXPECT_EQ(both.distinct() - first.distinct(), DeliveredInTheEnd());
    EXPECT_TRUE(reader_->captures()[2].empty());
    EXPECT_EQ(both.foreign(), 0U);
    EXPECT_EQ(both.duplicates(), 0U);
    EXPECT_EQ(both.out_of_order(), 0U);
  }

  TrafficOptions options_;
  std::unique_ptr<TrafficGenerator> generator_;
  std::unique_ptr<FifoReader> reader_;
};

TEST_F(ReceiverRestart, PlannedLeavesTheReaderAllThatWasDeliveredAndThenAnotherCapture) {
  ASSERT_NO_FATAL_FAILURE(FallBehind());
  Terminate(receiver_.get());
  const uint64_t delivered = DeliveredInTheEnd();
  ASSERT_NO_FATAL_FAILURE(StartAgainAndCatchUp());
  ExpectCaptures(delivered);
}

TEST_F(ReceiverRestart, BySigkillLeavesTheReaderAllThatWasWrittenAndThenAnotherCapture) {
  ASSERT_NO_FATAL_FAILURE(FallBehind());
  // The pipe is full and the reader takes nothing: no more is delivered.
  const auto delivered = static_cast<uint64_t>(SinkMetric("packets_total"));
  receiver_->Kill();
  ASSERT_NO_FATAL_FAILURE(StartAgainAndCatchUp());
  ExpectCaptures(delivered);
}

}  // namespace
}  // namespace pcap_zmq::testing
