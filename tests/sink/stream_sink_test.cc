// SPDX-License-Identifier: MIT
#include "sink/stream_sink.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "tests/sink/sink_testing.h"

namespace pcap_zmq {
namespace {

using testing::AppendNumbers;
using testing::NumberedBlock;
using testing::ParseCapture;
using testing::PipeReader;
using testing::Sequence;
using testing::WaitUntil;

class StreamSinkTest : public testing::SinkTest {
 protected:
  std::unique_ptr<StreamSink> Open(int fd) {
    auto sink = StreamSink::Open({.fd = fd}, &stats_, &clock_, &stop_);
    EXPECT_TRUE(sink.ok()) << sink.error().message;
    return sink.Take();
  }
  void MakePipe() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_end_.Reset(ends[0]);
    write_end_.Reset(ends[1]);
  }
  void MakeSockets() {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    read_end_.Reset(ends[0]);
    write_end_.Reset(ends[1]);
  }
  // Delivers more than any pipe holds and reads it at the other end.
  void ExpectEverythingArrives() {
    auto sink = Open(write_end_.get());
    PipeReader reader(std::move(read_end_));
    EXPECT_TRUE(ParseCapture(reader.Take(24)).valid) << "the header waits for nobody";
    std::thread delivering([&] {
      for (uint32_t i = 0; i < 20'000; i += 100) {
        sink->Deliver(NumberedBlock(i, 100, i % 1000 == 0 ? 300 : 30));
      }
      sink.reset();
      write_end_.Reset();
    });
    std::vector<uint32_t> numbers;
    AppendNumbers(reader.TakeAll(), &numbers);
    delivering.join();
    EXPECT_EQ(numbers, Sequence(20'000));
    EXPECT_EQ(ParseCapture(reader.bytes()).rest, 0U);
    EXPECT_EQ(stats_.delivered_packets.Value(), 20'000U);
    EXPECT_EQ(stats_.delivered_bytes.Value(), reader.bytes().size());
    EXPECT_EQ(stats_.queued_packets.Value(), 0);
  }
  // The reader goes away while packets wait for it.
  void ExpectTheEndIsFinal() {
    auto sink = Open(write_end_.get());
    EXPECT_FALSE(sink->ended());
    std::thread delivering([&] {
      sink->Deliver(NumberedBlock(0, 20'000, 100));
      sink->Deliver(NumberedBlock(20'000, 10));
    });
    ASSERT_TRUE(WaitUntil(
        [&] { return stats_.blocked_nanos.Value() > 0 || stats_.delivered_bytes.Value() > 4096; }));
    read_end_.Reset();
    delivering.join();
    EXPECT_TRUE(sink->ended());
    EXPECT_FALSE(sink->usable());
    EXPECT_EQ(sink->watch_fd(), -1);
    EXPECT_EQ(stats_.reader_attached.Value(), 0);
    EXPECT_EQ(stats_.delivered_packets.Value() + Dropped(SinkDropReason::kShutdown), 20'010U);
    EXPECT_GE(Dropped(SinkDropReason::kShutdown), 10U);
    EXPECT_EQ(stats_.queued_packets.Value(), 0);
  }

  UniqueFd read_end_;
  UniqueFd write_end_;
};

TEST_F(StreamSinkTest, PipeGetsEverything) {
  MakePipe();
  ExpectEverythingArrives();
}

TEST_F(StreamSinkTest, FlagsThatOtherProcessesShareAreLeftAlone) {
  MakePipe();
  const int flags = ::fcntl(write_end_.get(), F_GETFL);
  const auto sink = Open(write_end_.get());
  sink->Deliver(NumberedBlock(0, 10));
  EXPECT_EQ(::fcntl(write_end_.get(), F_GETFL), flags);
}

TEST_F(StreamSinkTest, SocketGetsEverything) {
  MakeSockets();
  ExpectEverythingArrives();
}

TEST_F(StreamSinkTest, RegularFileGetsEverythingAfterWhatItHoldsAlready) {
  const UniqueFd file(::open(Path("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::write(file.get(), "before", 6), 6);
  auto sink = Open(file.get());
  sink->Deliver(NumberedBlock(0, 50));
  sink->Finish();
  testing::Bytes bytes = testing::ReadFile(Path("out"));
  bytes.erase(bytes.begin(), bytes.begin() + 6);
  std::vector<uint32_t> numbers;
  AppendNumbers(bytes, &numbers);
  EXPECT_EQ(numbers, Sequence(50));
}

TEST_F(StreamSinkTest, PipeReaderThatLeavesIsTheEnd) {
  MakePipe();
  ExpectTheEndIsFinal();
}

TEST_F(StreamSinkTest, SocketReaderThatLeavesIsTheEnd) {
  MakeSockets();
  ExpectTheEndIsFinal();
}

TEST_F(StreamSinkTest, ServiceNoticesAReaderThatLeavesWhileNothingIsDelivered) {
  MakePipe();
  auto sink = Open(write_end_.get());
  sink->Service();
  EXPECT_FALSE(sink->ended());
  read_end_.Reset();
  pollfd noticed{sink->watch_fd(), 0, 0};
  ASSERT_EQ(::poll(&noticed, 1, testing::kPatienceMillis), 1);
  sink->Service();
  EXPECT_TRUE(sink->ended());
}

TEST_F(StreamSinkTest, StopEndsTheWaitForAStalledReader) {
  MakePipe();
  auto sink = Open(write_end_.get());
  std::thread delivering([&] { sink->Deliver(NumberedBlock(0, 20'000, 100)); });
  ASSERT_TRUE(WaitUntil([&] { return stats_.delivered_bytes.Value() > 4096; }));
  stop_.Request(clock_.MonotonicNow() + 20 * kNanosPerMilli);
  delivering.join();
  EXPECT_FALSE(sink->ended());
  EXPECT_GT(stats_.delivered_packets.Value(), 0U);
  EXPECT_EQ(stats_.delivered_packets.Value() + Dropped(SinkDropReason::kShutdown), 20'000U);
}

TEST_F(StreamSinkTest, DescriptorsThatCannotBeWrittenAreRefused) {
  const UniqueFd read_only(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const int fd : {read_only.get(), -1}) {
    auto sink = StreamSink::Open({.fd = fd}, &stats_, &clock_, &stop_);
    ASSERT_FALSE(sink.ok());
    EXPECT_EQ(sink.error().kind, ErrorKind::kConfig);
    EXPECT_NE(sink.error().message.find("standard output"), std::string::npos);
  }
}

TEST_F(StreamSinkTest, TerminalIsRefused) {
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  if (!terminal.valid() || ::isatty(terminal.get()) == 0) {
    GTEST_SKIP() << "no pseudo-terminals here";
  }
  auto sink = StreamSink::Open({.fd = terminal.get()}, &stats_, &clock_, &stop_);
  ASSERT_FALSE(sink.ok());
  EXPECT_NE(sink.error().message.find("terminal"), std::string::npos);
}

}  // namespace
}  // namespace pcap_zmq
