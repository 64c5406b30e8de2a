// SPDX-License-Identifier: MIT
//
// Any messages, one after another, into one decoder, with a neighbour's frames between them.
//
// Input: messages, each behind its length in 16 bits, little-endian.  The length's top bit lets
// half a second pass first; the next one has the payload packed here, with the codec and the raw
// length that the header should have: a fuzzer hardly ever gets past a checksum.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "codec/compression.h"
#include "codec/frame_format.h"
#include "codec/record_chain.h"
#include "tests/codec/codec_testing.h"
#include "tests/fuzz/fuzz_support.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::PacketsIn;
using testing::RecordsOf;
using testing::Require;

constexpr uint64_t kNeighbour = 0xa5a5'5a5a'a5a5'5a5a;
constexpr size_t kFewSenders = 2;

struct Message {
  Bytes bytes;
  std::optional<Bytes> unpacked;  // the payload before it was packed
};

// A frame as its sender would have packed it, if there is a frame in `bytes`.
Message Packed(std::span<const uint8_t> bytes) {
  Message message{testing::ToBytes(bytes), std::nullopt};
  if (bytes.size() <= kFrameHeaderBytes) {
    return message;
  }
  const auto payload = bytes.subspan(kFrameHeaderBytes);
  const bool zlib = bytes[5] % 2 == 0;
  const auto compressor = zlib ? MakeZlibCompressor(1) : MakeZstdCompressor(1);
  Bytes packed(payload.size() + 1024);
  packed.resize(compressor->Compress(payload, packed));
  message.bytes.resize(kFrameHeaderBytes);
  message.bytes[5] = static_cast<uint8_t>(zlib ? Codec::kZlib : Codec::kZstd);
  StoreLe<uint32_t>(message.bytes.data() + 40, static_cast<uint32_t>(payload.size()));
  message.bytes.insert(message.bytes.end(), packed.begin(), packed.end());
  message.unpacked = testing::ToBytes(payload);
  return message;
}

bool IsSafe(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
             std::string::npos;
}

class Session {
 public:
  // False when the message takes the neighbour's name, which ends what can be checked.
  bool Decode(const Message& message) {
    RejectReason reason{};
    const std::optional<FrameHeader> header = ParseFrameHeader(message.bytes, &reason);
    if (header.has_value() && header->stream_id == kNeighbour) {
      return false;
    }
    const uint64_t rejected_before = receiving_.Rejected();
    const uint64_t reason_before = receiving_.Rejected(reason);
    const auto blocks = receiving_.Decode(message.bytes);
    crowded_.Decode(message.bytes);
    const uint64_t rejected = receiving_.Rejected() - rejected_before;
    CheckBlocks(blocks);
    Require(rejected <= 1, "a message is refused for one reason at most");
    const uint32_t packets = PacketsIn(blocks);
    if (!header.has_value()) {
      const bool legacy = !message.bytes.empty() && message.bytes[0] <= 1;
      Require(legacy || (blocks.empty() && receiving_.Rejected(reason) == reason_before + 1),
              "what has no valid header is refused for that, or a legacy message");
      expected_ += packets;
    } else if (header->control) {
      Require(packets == 0, "control frames hold no packets");
      Advance(*header, rejected == 0);
    } else {
      Require(packets <= header->packet_count, "no more packets than the header says");
      Require(rejected == 1 || packets == header->packet_count, "all or a reason");
      CheckContent(*header, message, RecordsOf(blocks), rejected == 0);
      Advance(*header, packets > 0);
    }
    return true;
  }

  void DecodeNeighbour() {
    const std::vector<testing::TestPacket> packets = testing::SomePackets(1);
    const uint64_t rejected = receiving_.Rejected();
    for (const testing::Bytes& frame : neighbour_.Frames(packets)) {
      Require(RecordsOf(receiving_.Decode(frame)) == RecordsOf(packets), "the neighbour is well");
    }
    Require(receiving_.Rejected() == rejected, "the neighbour is accepted");
    ++expected_;
  }

  void Pass(Nanoseconds time) { receiving_.Pass(time); }

  // sent = unseen + received + (lost - late), over all streams.
  void CheckLaw() {
    Pass(SenderTable::kNamingTime);  // gaps are settled long before
    uint64_t accounted = 0;
    for (const SenderSnapshot& sender : receiving_.senders().Snapshot()) {
      accounted +=
          sender.packets + sender.lost_packets - sender.late_packets + sender.unseen_packets;
    }
    for (const auto& [id, end] : ends_) {
      expected_ += end;
    }
    Require(accounted == expected_, "sent = unseen + received + (lost - late)");
  }

  // Of a receiver that reports on few senders.
  void CheckBounds() {
    crowded_.Pass(SenderTable::kNamingTime);
    const auto senders = crowded_.senders().Snapshot();
    Require(senders.size() <= kFewSenders + 3, "senders are bounded, but for the collective names");
    for (const SenderSnapshot& sender : senders) {
      Require(IsSafe(sender.name), "a sender's name is safe");
    }
  }

 private:
  static void CheckContent(const FrameHeader& header, const Message& message, const Bytes& records,
                           bool accepted) {
    Bytes payload(message.bytes.begin() + kFrameHeaderBytes, message.bytes.end());
    if (header.codec != Codec::kPlain) {
      if (!message.unpacked.has_value()) {
        Require(records.size() <= header.raw_length, "no more than the header says");
        return;  // packed by the fuzzer: nobody knows what is in it
      }
      payload = *message.unpacked;
      const RecordChain chain = CheckRecords(payload, header.packet_count);
      Require(!accepted || chain.complete, "what is accepted is whole");
    }
    Require(records.size() <= payload.size() &&
                std::equal(records.begin(), records.end(), payload.begin()),
            "the packets are those of the payload");
    Require(!accepted || records == payload, "all of them, when there is no complaint");
  }

  static void CheckBlocks(const std::vector<RecordBlockPtr>& blocks) {
    for (const RecordBlockPtr& block : blocks) {
      const RecordChain chain = CheckRecords(block->records, block->packet_count);
      Require(chain.complete && block->packet_count > 0, "blocks hold whole records");
      Require(CanCutToIp(block->link_type), "the link type is one that sinks know");
      Require(block->oldest_timestamp == RecordTimestamp(block->records.data()), "oldest first");
    }
  }

  // Notes how far the stream has come once it has told so in an accepted frame.
  void Advance(const FrameHeader& header, bool accepted) {
    if (accepted) {
      uint64_t& end = ends_[header.stream_id];
      end = std::max(end, header.first_ordinal + header.packet_count);
    }
  }

  testing::Receiving receiving_{1024};
  testing::Receiving crowded_{kFewSenders};
  testing::Encoding neighbour_{kNeighbour};
  std::map<uint64_t, uint64_t> ends_;  // by stream: packets sent, as far as is known
  uint64_t expected_ = 0;              // packets of the neighbour and of legacy messages
};

}  // namespace
}  // namespace pcap_zmq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pcap_zmq::testing::FuzzInput input(data, size);
  pcap_zmq::Session session;
  while (!input.empty()) {
    const uint64_t length = input.Number(2);
    if ((length & 0x8000) != 0) {
      session.Pass(pcap_zmq::kNanosPerSecond / 2);
    }
    const auto bytes = input.Take(length & 0x3fff);
    const bool pack = (length & 0x4000) != 0;
    if (!session.Decode(pack ? pcap_zmq::Packed(bytes)
                             : pcap_zmq::Message{pcap_zmq::testing::ToBytes(bytes), {}})) {
      return 0;
    }
    session.DecodeNeighbour();
  }
  session.CheckLaw();
  session.CheckBounds();
  return 0;
}
