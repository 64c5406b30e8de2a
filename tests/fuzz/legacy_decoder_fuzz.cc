// SPDX-License-Identifier: MIT
//
// Any message into the decoder of the 2012 sender's messages, beside a plain reading of the same.
//
// Input: the message, tag first.  After any tag but 0x00 and 0x01 the rest is what a squashed
// message unpacks to; it is packed here, as a fuzzer hardly ever gets past a checksum.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/byte_io.h"
#include "codec/legacy_decoder.h"
#include "codec/record_chain.h"
#include "tests/codec/codec_testing.h"
#include "tests/codec/hostile_streams.h"
#include "tests/fuzz/fuzz_support.h"

namespace pcap_zmq {
namespace {

using testing::TestPacket;

struct Expected {
  std::vector<TestPacket> packets;
  bool damaged = false;
};

// One XDR record, after codec/README.md section 6.
std::optional<TestPacket> ReadRecord(std::span<const uint8_t> record) {
  if (record.size() < 16) {
    return std::nullopt;
  }
  const auto word = [&](size_t i) { return LoadBe<uint32_t>(record.data() + 4 * i); };
  const uint64_t length = word(3);
  if (word(1) >= 1'000'000 || length > kMaxCapturedLength ||
      record.size() != 16 + (length + 3) / 4 * 4) {
    return std::nullopt;
  }
  const auto bytes = record.subspan(16, length);
  return TestPacket{{bytes.begin(), bytes.end()},
                    word(0) * kNanosPerSecond + word(1) * kNanosPerMicro,
                    std::max<uint32_t>(word(2), word(3))};
}

// What a squashed message unpacks to.
Expected ReadRecords(std::span<const uint8_t> stream) {
  Expected expected;
  while (!stream.empty() && !expected.damaged) {
    expected.damaged = true;
    if (stream.size() < 4) {
      break;
    }
    const size_t length = LoadBe<uint32_t>(stream.data());
    stream = stream.subspan(4);
    if (length > stream.size()) {
      break;
    }
    auto packet = ReadRecord(stream.first(length));
    stream = stream.subspan(length);
    if (packet.has_value()) {
      expected.packets.push_back(*std::move(packet));
      expected.damaged = false;
    }
  }
  return expected;
}

// Nothing for a stream that the fuzzer packed: nobody else knows what is in it.
std::optional<Expected> Read(std::span<const uint8_t> input) {
  if (input[0] == kLegacySquashedTag) {
    return std::nullopt;
  }
  if (input[0] > kLegacySquashedTag) {
    return ReadRecords(input.subspan(1));
  }
  auto packet = ReadRecord(input.subspan(1));
  return packet.has_value() ? Expected{{*std::move(packet)}, false} : Expected{{}, true};
}

}  // namespace
}  // namespace pcap_zmq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pcap_zmq;
  using testing::Require;
  if (size == 0) {
    return 0;
  }
  testing::Bytes message(data, data + size);
  if (message[0] > kLegacySquashedTag) {
    const testing::Bytes packed = testing::ZlibOf({data + 1, size - 1});
    message.assign(1, kLegacySquashedTag);
    message.insert(message.end(), packed.begin(), packed.end());
  }
  const Frame exact = testing::MessageOf(message);
  const std::optional<Expected> expected = Read({data, size});
  FramePool pool(kFrameRawTarget);
  LegacyDecoder decoder(&pool);
  // Twice, as one message leaves nothing behind for the next.
  testing::Bytes records;
  for (int round = 0; round < 2; ++round) {
    std::vector<RecordBlockPtr> blocks;
    const LegacyDecoder::Outcome outcome = decoder.Decode(exact.bytes(), &blocks);
    Require(outcome.packets == testing::PacketsIn(blocks), "the outcome counts the packets");
    uint64_t bytes = 0;
    for (const RecordBlockPtr& block : blocks) {
      Require(CheckRecords(block->records, block->packet_count).complete, "whole records");
      Require(block->packet_count > 0, "no empty blocks");
      bytes += block->records.size();
    }
    Require(outcome.bytes == bytes && bytes <= kMaxLegacyInflatedBytes, "bytes stay bounded");
    Require(round == 0 || testing::RecordsOf(blocks) == records, "the same again");
    records = testing::RecordsOf(blocks);
    if (expected.has_value()) {
      Require(records == testing::RecordsOf(expected->packets),
              "the packets are those that were sent");
      Require(outcome.damaged == expected->damaged, "damage is told");
    }
  }
  return 0;
}
