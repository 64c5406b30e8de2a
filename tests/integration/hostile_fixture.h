// SPDX-License-Identifier: MIT
//
// A receiver with a neighbour that does nothing wrong, for tests that attack it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>
#include <string>

#include "tests/integration/pipe_fixture.h"
#include "tests/integration/wire_peer.h"
#include "tests/support/packet_builder.h"
#include "tests/support/sanitized.h"

namespace pcap_zmq::testing {

inline constexpr uint64_t kMiB = 1 << 20;

// Sanitizers keep freed memory for a while.
inline constexpr uint64_t kKeptBySanitizers = kSanitized ? 512 * kMiB : 0;

/// Whatever a test does, its end checks that the neighbour is still heard and the capture is whole.
class HostileTest : public PipeTest {
 protected:
  void SetUp() override {
    PipeTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    reader_ = std::make_unique<FifoReader>(fifo_);
    receiver_ = StartReceiver(ReceiverOptions(), fifo_);
    ASSERT_NE(receiver_, nullptr);
    neighbour_ = std::make_unique<WirePush>(kDataPort);
    attacker_ = std::make_unique<WirePush>(kDataPort);
    // Warm, so that growth can be judged.
    ExpectTheNeighbourIsHeard();
    resident_at_start_ = receiver_->ResidentBytes();
    descriptors_at_start_ = Descriptors();
  }

  void TearDown() override {
    if (receiver_ != nullptr && !HasFatalFailure()) {
      ExpectTheNeighbourIsHeard();
      Terminate(receiver_.get());
      ASSERT_TRUE(reader_->WaitForEnd());
      const Capture capture = ParseCapture(reader_->captures().at(0));
      EXPECT_EQ(capture.error, "");
      EXPECT_EQ(capture.trailing_bytes, 0u);
    }
    neighbour_.reset();
    attacker_.reset();
    PipeTest::TearDown();
  }

  // What a message may have at most is what senders of 2012 need.
  virtual Arguments ReceiverOptions() const { return {"--legacy"}; }

  static Bytes Records(uint32_t count) {
    Bytes records;
    for (uint32_t i = 0; i < count; ++i) {
      AppendRecord(&records, Ipv4Packet("neighbour"), 1'700'000'000 * kNanosPerSecond);
    }
    return records;
  }

  /// A valid plain frame of two packets.
  static HeaderFields ValidFields(const Bytes& payload) {
    HeaderFields fields;
    fields.packet_count = 2;
    fields.raw_length = static_cast<uint32_t>(payload.size());
    fields.stream_id = 0xbad;
    return fields;
  }

  /// A frame of two packets from a sender that does nothing wrong.
  void SendAsNeighbour() {
    const Bytes payload = Records(2);
    HeaderFields fields = ValidFields(payload);
    fields.stream_id = 0x600d;
    fields.sequence = neighbour_frames_;
    fields.first_ordinal = 2 * neighbour_frames_;
    ASSERT_TRUE(neighbour_->Send(MakeFrame(fields, payload)));
    ++neighbour_frames_;
    neighbour_bytes_ += payload.size();
  }

  void ExpectTheNeighbourIsHeard() {
    ASSERT_NO_FATAL_FAILURE(SendAsNeighbour());
    const auto delivered = [this] { return ReadReceiver(fifo_).sink_delivered; };
    const uint64_t expected = 2 * neighbour_frames_ + others_;
    EXPECT_TRUE(WaitUntil([&] { return delivered() == expected; }))
        << delivered() << " delivered, not " << expected;
    EXPECT_TRUE(receiver_->running());
  }

  /// The same without a look at the metrics, which may be under attack.
  void ExpectTheNeighbourIsRead() {
    constexpr size_t kCaptureHeader = 24;
    ASSERT_NO_FATAL_FAILURE(SendAsNeighbour());
    const uint64_t expected = kCaptureHeader + neighbour_bytes_;
    EXPECT_TRUE(WaitUntil([&] { return reader_->bytes_read() == expected; }))
        << reader_->bytes_read() << " bytes read, not " << expected;
    EXPECT_TRUE(receiver_->running());
  }

  /// Open descriptors of the receiver.
  size_t Descriptors() const {
    const std::string directory = "/proc/" + std::to_string(receiver_->pid()) + "/fd";
    std::error_code error;
    const std::filesystem::directory_iterator all(directory, error);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }

  static double Rejected(const Labels& labels = {}) {
    return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_rejected_frames_total", labels);
  }

  void SendHostile(std::span<const uint8_t> message) { ASSERT_TRUE(attacker_->Send(message)); }

  /// Waits until `count` frames were refused in all, and expects them under `reason`.
  static void ExpectRejected(double count, const std::string& reason) {
    EXPECT_TRUE(WaitUntil([&] { return Rejected() >= count; })) << Rejected();
    EXPECT_EQ(Rejected(), count);
    EXPECT_EQ(Rejected({{"reason", reason}}), count) << reason;
  }

  void ExpectMemoryGrewByAtMost(uint64_t bytes) const {
    const uint64_t resident = receiver_->ResidentBytes();
    const auto grown = static_cast<int64_t>(resident - resident_at_start_);
    RecordProperty("grown_kib", std::to_string(grown / 1024));
    EXPECT_LE(resident, resident_at_start_ + bytes + kKeptBySanitizers);
  }

  std::unique_ptr<FifoReader> reader_;
  std::unique_ptr<WirePush> neighbour_;
  std::unique_ptr<WirePush> attacker_;
  uint64_t neighbour_frames_ = 0;
  uint64_t others_ = 0;  // packets of hostile frames that are rightly delivered
  uint64_t neighbour_bytes_ = 0;
  uint64_t resident_at_start_ = 0;
  size_t descriptors_at_start_ = 0;
};

}  // namespace pcap_zmq::testing
