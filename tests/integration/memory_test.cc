// SPDX-License-Identifier: MIT
//
// What the receiver holds while its reader hangs: bounded, however many senders there are, and
// nothing of it is lost.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"
#include "tests/support/packet_builder.h"
#include "tests/support/sanitized.h"
#include "transport/push_socket.h"
#include "transport/zmq_context.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;
// What docs/security.md promises beside the formula's first part.
constexpr uint64_t kBeside = 64 * kMiB;
constexpr uint64_t kMessagesInZmq = 3;
constexpr size_t kPacketBytes = 1400;

// The environment may ask for more.
uint64_t Setting(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

class ReceiverMemory : public PipeTest {
 protected:
  // Sends `frames` of `frame_bytes` from each of `senders` while nobody reads, then lets all of it
  // be read.
  void SendWhileTheReaderHangs(uint64_t senders, uint64_t frames, size_t frame_bytes) {
    reader_ = StartReader();
    receiver_ = StartReceiver({"--memory", std::to_string(limit_)}, fifo_);
    ASSERT_NE(receiver_, nullptr);
    ASSERT_TRUE(WaitUntil([&] {
      return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_reader_attached") == 1;
    }));
    reader_->Signal(SIGSTOP);
    Connect(senders);
    ASSERT_TRUE(WaitUntil([&] {
      return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_connected_peers") ==
             static_cast<double>(senders);
    }));
    const uint64_t packets = Send(frames, frame_bytes);
    // All that waits must have been weighed against the limit.
    const uint64_t in_zmq = senders * kMessagesInZmq * frame_bytes;
    ASSERT_GT(senders * frames * frame_bytes, limit_ + in_zmq) << "too little to fill it";
    EXPECT_TRUE(WaitUntil([&] { return Held() >= limit_; }));
    const uint64_t bound = std::max(limit_, in_zmq + 32 * kMiB) + kBeside;
    const uint64_t peak = receiver_->PeakResidentBytes();
    if (!kSanitized) {
      EXPECT_LE(peak, bound);
    }
    std::printf("%llu senders of %zu-byte frames: peak %llu MiB of %llu\n",
                static_cast<unsigned long long>(senders), frame_bytes,
                static_cast<unsigned long long>(peak / kMiB),
                static_cast<unsigned long long>(bound / kMiB));
    reader_->Signal(SIGCONT);
    EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(fifo_).sink_delivered == packets; }))
        << ReadReceiver(fifo_).Text() << " of " << packets;
    EXPECT_EQ(ReadReceiver(fifo_).lost, 0u);
    if (!kSanitized) {
      EXPECT_LE(receiver_->PeakResidentBytes(), bound);
    }
    Terminate(receiver_.get());
  }

  const uint64_t limit_ = Setting("RECEIVER_MEMORY_MIB", 64) * kMiB;

  std::unique_ptr<Process> StartReader() const {
    EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
    auto reader = Process::Start({"sh", "-c", "exec cat \"$0\" >/dev/null", fifo_});
    EXPECT_TRUE(reader.ok()) << reader.error().message;
    return reader.Take();
  }

  void Connect(uint64_t senders) {
    for (uint64_t i = 0; i < senders; ++i) {
      PushOptions options;
      options.endpoint = TcpEndpoint();
      options.buffer_frames = 1'000'000;
      options.buffer_bytes = uint64_t{16} << 30;
      auto push = PushSocket::Connect(context_, options);
      ASSERT_TRUE(push.ok()) << push.error().message;
      senders_.push_back(push.Take());
    }
  }

  uint64_t Send(uint64_t frames, size_t frame_bytes) {
    Bytes records;
    uint32_t packets = 0;
    const Bytes packet = Ipv4Packet(std::string(kPacketBytes, 'x'));
    while (records.size() + packet.size() + 16 + 48 <= frame_bytes) {
      AppendRecord(&records, packet, 1'700'000'000 * kNanosPerSecond);
      ++packets;
    }
    HeaderFields fields;
    fields.packet_count = packets;
    fields.raw_length = static_cast<uint32_t>(records.size());
    for (uint64_t i = 0; i < frames; ++i) {
      for (size_t sender = 0; sender < senders_.size(); ++sender) {
        fields.stream_id = sender + 1;
        fields.sequence = i;
        fields.first_ordinal = i * packets;
        const Bytes bytes = MakeFrame(fields, records);
        Frame frame = HeapFrame(bytes.size());
        std::copy(bytes.begin(), bytes.end(), frame.data());
        EXPECT_EQ(senders_[sender]->Send(std::move(frame)), SendOutcome::kAccepted);
      }
    }
    return packets * frames * senders_.size();
  }

  uint64_t Held() const {
    double held = 0;
    for (const char* holder : {"transport", "inbox", "queues"}) {
      held += Metric(kReceiverMetricsPort, "pcap_zmq_receiver_memory_bytes", {{"holder", holder}});
    }
    return static_cast<uint64_t>(held);
  }

  ZmqContext context_{1};
  std::vector<std::unique_ptr<PushSocket>> senders_;

 private:
  std::unique_ptr<Process> reader_;
};

TEST_F(ReceiverMemory, IsBoundedWithAFewSenders) {
  const uint64_t frames = limit_ / (8 * 128 * 1024) + 20;
  SendWhileTheReaderHangs(8, frames, 128 * 1024);
}

TEST_F(ReceiverMemory, IsBoundedWithManySenders) {
  const uint64_t senders = Setting("RECEIVER_MEMORY_SENDERS", 100);
  const uint64_t frames = limit_ / (senders * 128 * 1024) + 10;
  SendWhileTheReaderHangs(senders, frames, 128 * 1024);
}

// Both wait for the same packets: neither frees memory by giving them up alone.
TEST_F(ReceiverMemory, OutputsThatDropDoNotHoldUpTheOthers) {
  const std::string other = dir_.File("other.pcap");
  const std::string file = "file:" + dir_.File("all.pcap");
  for (const std::string& fifo : {fifo_, other}) {
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  }
  const Arguments options = {"--memory", "32MiB", "--queue-bytes", "1GiB", "--overflow", "drop"};
  receiver_ = StartReceiver(options, {fifo_, other, file});
  ASSERT_NE(receiver_, nullptr);
  Connect(4);
  const uint64_t packets = Send(200, 128 * 1024);
  EXPECT_TRUE(WaitUntil([&] { return ReadReceiver(file).sink_delivered == packets; }))
      << ReadReceiver(file).Text() << " of " << packets;
  for (const std::string& fifo : {fifo_, other}) {
    EXPECT_GT(Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_dropped_packets_total",
                     {{"sink", fifo}, {"reason", "queue_full"}}),
              0);
  }
}

TEST_F(ReceiverMemory, IsBoundedWithSendersOfTheLargestMessages) {
  const uint64_t senders = Setting("RECEIVER_MEMORY_HOSTILE", 20);
  const uint64_t frames = limit_ / (senders * kMiB) + 6;
  SendWhileTheReaderHangs(senders, frames, kMiB);
}

}  // namespace
}  // namespace pcap_zmq::testing
