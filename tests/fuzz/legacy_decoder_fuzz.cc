// SPDX-License-Identifier: MIT
//
// Any message into the decoder of the 2012 sender's messages.
//
// Input: the message, tag first.  After any tag but 0x00 and 0x01 the rest is what a squashed
// message unpacks to; it is packed here, as a fuzzer hardly ever gets past a checksum.
#include <cstdint>
#include <vector>

#include "codec/legacy_decoder.h"
#include "codec/record_chain.h"
#include "tests/codec/codec_testing.h"
#include "tests/codec/hostile_streams.h"
#include "tests/fuzz/fuzz_support.h"

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
  }
  return 0;
}
