// SPDX-License-Identifier: MIT
//
// What the codec's tests share: packets, messages and a receiving end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/frame.h"
#include "base/packet.h"
#include "base/record_block.h"
#include "base/stats.h"
#include "codec/compression.h"
#include "codec/frame_decoder.h"
#include "codec/frame_encoder.h"
#include "codec/frame_format.h"
#include "codec/sender_table.h"
#include "tests/support/fake_clock.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// A packet that owns its bytes.
struct TestPacket {
  Bytes bytes{};
  Nanoseconds timestamp = 0;
  uint32_t original_length = 0;

  Packet View() const {
    return {timestamp, bytes.data(), static_cast<uint32_t>(bytes.size()), original_length};
  }
  bool operator==(const TestPacket&) const = default;
};

inline Bytes ToBytes(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}
inline Bytes ToBytes(std::string_view text) {
  return {text.begin(), text.end()};
}

/// A message in a heap block of its exact size, so that the sanitizer sees a read outside of it.
inline Frame MessageOf(std::span<const uint8_t> bytes) {
  auto* copy = new uint8_t[bytes.size()];
  std::copy(bytes.begin(), bytes.end(), copy);
  return {copy, bytes.size(), [](void* owner) { delete[] static_cast<uint8_t*>(owner); }, copy};
}

/// `header` in front of `payload`, whatever the one says of the other.
inline Bytes FrameOf(const FrameHeader& header, std::span<const uint8_t> payload) {
  Bytes frame(kFrameHeaderBytes);
  WriteFrameHeader(header, frame.data());
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/// The payload that the specification asks for; made without the encoder.
inline Bytes RecordsOf(std::span<const TestPacket> packets) {
  Bytes records;
  for (const TestPacket& packet : packets) {
    AppendRecord(&records, packet.bytes, packet.timestamp, packet.original_length);
  }
  return records;
}

inline Bytes RecordsOf(std::span<const RecordBlockPtr> blocks) {
  Bytes records;
  for (const RecordBlockPtr& block : blocks) {
    records.insert(records.end(), block->records.begin(), block->records.end());
  }
  return records;
}

inline uint32_t PacketsIn(std::span<const RecordBlockPtr> blocks) {
  uint32_t packets = 0;
  for (const RecordBlockPtr& block : blocks) {
    packets += block->packet_count;
  }
  return packets;
}

/// A plain data frame of `packets`; made without the encoder.
inline Bytes DataFrame(uint64_t stream_id, uint64_t first_ordinal,
                       std::span<const TestPacket> packets) {
  const Bytes records = RecordsOf(packets);
  FrameHeader header;
  header.stream_id = stream_id;
  header.first_ordinal = first_ordinal;
  header.packet_count = static_cast<uint32_t>(packets.size());
  header.raw_length = static_cast<uint32_t>(records.size());
  return FrameOf(header, records);
}

inline Bytes ControlFrame(uint64_t stream_id, uint64_t next_ordinal, std::string_view json) {
  FrameHeader header;
  header.control = true;
  header.stream_id = stream_id;
  header.first_ordinal = next_ordinal;
  header.raw_length = static_cast<uint32_t>(json.size());
  return FrameOf(header, ToBytes(json));
}

/// `count` packets that differ from one another.
inline std::vector<TestPacket> SomePackets(size_t count) {
  std::vector<TestPacket> packets;
  for (uint32_t i = 0; i < count; ++i) {
    Bytes bytes = Ipv4Packet("packet", 0x0a000001 + i);
    const auto length = static_cast<uint32_t>(bytes.size());
    packets.push_back({std::move(bytes), 1'700'000'000 * kNanosPerSecond + i, length + i});
  }
  return packets;
}

/// Packets of all sorts: empty ones, usual ones, segments of 64 KiB and the largest allowed; bytes
/// that pack well and that do not; timestamps at the edges of a second.
inline std::vector<TestPacket> RandomPackets(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  const auto below = [&random](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  std::vector<TestPacket> packets;
  for (size_t i = 0; i < count; ++i) {
    TestPacket packet;
    const uint32_t kind = below(100);
    const uint32_t length = kind < 5    ? 0
                            : kind < 85 ? 1 + below(1500)
                            : kind < 97 ? 60'000 + below(5'600)
                                        : kMaxCapturedLength - below(2);
    packet.bytes.resize(length);
    const uint32_t variety = below(2) == 0 ? 256 : 4;
    for (uint8_t& byte : packet.bytes) {
      byte = static_cast<uint8_t>(below(variety));
    }
    constexpr Nanoseconds kEdges[] = {0, 1, kNanosPerSecond - 1, kNanosPerSecond / 2};
    packet.timestamp = Nanoseconds{below(0xffff'ffff)} * kNanosPerSecond + kEdges[below(4)];
    packet.original_length = length + (below(2) == 0 ? 0 : below(0xffff'ffff - length));
    packets.push_back(std::move(packet));
  }
  return packets;
}

/// A sending end: every frame that it makes counts as accepted.
class Encoding {
 public:
  explicit Encoding(uint64_t stream_id, Compressor* compressor = nullptr)
      : encoder_(stream_id, &pool_), compressor_(compressor) {}

  std::vector<Bytes> Frames(std::span<const TestPacket> packets) {
    std::vector<Bytes> frames;
    for (const TestPacket& packet : packets) {
      if (!encoder_.Fits(packet.View())) {
        frames.push_back(Take());
      }
      encoder_.Append(packet.View());
    }
    if (encoder_.packet_count() > 0) {
      frames.push_back(Take());
    }
    return frames;
  }

  Bytes Control(std::string_view json, bool last = false) {
    const Frame frame = encoder_.MakeControl(json, last);
    encoder_.Accepted(0);
    return ToBytes(frame.bytes());
  }

 private:
  Bytes Take() {
    const Frame frame =
        compressor_ == nullptr ? encoder_.TakePlain() : encoder_.TakePacked(compressor_);
    encoder_.Accepted(frame.packet_count());
    return ToBytes(frame.bytes());
  }

  FramePool pool_{kFrameHeaderBytes + kPlainFrameTarget};
  FrameEncoder encoder_;
  Compressor* const compressor_;
};

/// A receiving end: a decoder with all that it needs.
class Receiving {
 public:
  explicit Receiving(size_t max_senders = 16) : senders_(max_senders, &clock_) {}

  std::vector<RecordBlockPtr> Decode(std::span<const uint8_t> message) {
    std::vector<RecordBlockPtr> blocks;
    decoder_.Decode(MessageOf(message), &blocks);
    return blocks;
  }

  uint64_t Rejected(RejectReason reason) const { return stats_.rejected_frames.Value(reason); }
  uint64_t Rejected() const { return stats_.rejected_frames.Total(); }
  const ReceiverStats& stats() const { return stats_; }

  /// What is known of the sender `name`; a snapshot without a name when it was never heard of.
  SenderSnapshot Sender(std::string_view name) const {
    for (SenderSnapshot& sender : senders_.Snapshot()) {
      if (sender.name == name) {
        return std::move(sender);
      }
    }
    return {};
  }

  /// Receives for `time` and settles what is due then.
  void Pass(Nanoseconds time) {
    while (time > 0) {
      const Nanoseconds turn = std::min(time, SenderTable::kLongestTurn);
      clock_.Advance(turn);
      senders_.Age();
      time -= turn;
    }
    senders_.Settle();
  }

  FakeClock& clock() { return clock_; }
  SenderTable& senders() { return senders_; }

 private:
  FakeClock clock_;
  SenderTable senders_;
  ReceiverStats stats_;
  FrameDecoder decoder_{&senders_, &stats_};
};

}  // namespace pcap_zmq::testing
