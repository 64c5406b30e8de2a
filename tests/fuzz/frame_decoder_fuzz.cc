// SPDX-License-Identifier: MIT
//
// Any messages, one after another, into one decoder, with a neighbour's frames between them.
//
// Input: messages, each behind its length in 16 bits, little-endian; the length's top bit lets half
// a second pass first.
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "codec/frame_format.h"
#include "codec/record_chain.h"
#include "tests/codec/codec_testing.h"
#include "tests/fuzz/fuzz_support.h"

namespace pcap_zmq {
namespace {

using testing::PacketsIn;
using testing::RecordsOf;
using testing::Require;

constexpr uint64_t kNeighbour = 0xa5a5'5a5a'a5a5'5a5a;

class Session {
 public:
  // False when the message takes the neighbour's name, which ends what can be checked.
  bool Decode(std::span<const uint8_t> message) {
    RejectReason reason{};
    const std::optional<FrameHeader> header = ParseFrameHeader(message, &reason);
    if (header.has_value() && header->stream_id == kNeighbour) {
      return false;
    }
    const uint64_t rejected_before = receiving_.Rejected();
    const auto blocks = receiving_.Decode(message);
    const uint64_t rejected = receiving_.Rejected() - rejected_before;
    CheckBlocks(blocks);
    Require(rejected <= 1, "a message is refused for one reason at most");
    const uint32_t packets = PacketsIn(blocks);
    if (!header.has_value()) {
      const bool legacy = !message.empty() && message[0] <= 1;
      Require(rejected == 1 || legacy, "what has no valid header is refused or a legacy message");
      expected_ += packets;
    } else if (header->control) {
      Require(packets == 0, "control frames hold no packets");
      Advance(*header, rejected == 0);
    } else {
      Require(packets <= header->packet_count, "no more packets than the header says");
      Require(rejected == 1 || packets == header->packet_count, "all or a reason");
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

  void Pass(Nanoseconds time) {
    receiving_.clock().Advance(time);
    receiving_.senders().Settle();
  }

  // sent = unseen + received + lost, over all streams.
  void CheckLaw() {
    Pass(SenderTable::kNamingTime);  // gaps are settled long before
    uint64_t accounted = 0;
    for (const SenderSnapshot& sender : receiving_.senders().Snapshot()) {
      accounted += sender.packets + sender.lost_packets + sender.unseen_packets;
    }
    for (const auto& [id, end] : ends_) {
      expected_ += end;
    }
    Require(accounted == expected_, "sent = unseen + received + lost");
  }

 private:
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
    if (!session.Decode(input.Take(length & 0x7fff))) {
      return 0;
    }
    session.DecodeNeighbour();
  }
  session.CheckLaw();
  return 0;
}
