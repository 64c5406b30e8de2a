// SPDX-License-Identifier: MIT
//
// Any packets through encoder and decoder: they come out as they went in.
//
// Input: a byte that picks the packing; then for each packet two bytes of captured length, one byte
// of shape, eight of timestamp, four that are added to the original length, and its bytes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/codec/codec_testing.h"
#include "tests/fuzz/fuzz_support.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::FuzzInput;
using testing::Require;
using testing::TestPacket;

std::unique_ptr<Compressor> MakePacking(uint64_t choice) {
  constexpr std::array<int, 3> kZlibLevels = {1, 6, 9};
  constexpr std::array<int, 3> kZstdLevels = {-7, 1, 3};
  switch (choice % 7) {
    case 0:
      return nullptr;
    case 1:
    case 2:
    case 3:
      return MakeZlibCompressor(kZlibLevels[choice % 7 - 1]);
    default:
      return MakeZstdCompressor(kZstdLevels[choice % 7 - 4]);
  }
}

TestPacket TakePacket(FuzzInput* input) {
  TestPacket packet;
  size_t length = input->Number(2);
  const uint64_t shape = input->Number(1);
  packet.timestamp =
      static_cast<Nanoseconds>(input->Number(8) % ((uint64_t{1} << 32) * kNanosPerSecond));
  const uint64_t more = input->Number(4);
  if (shape % 16 == 1) {
    length = std::min<size_t>(length * 8, kMaxCapturedLength);
  } else if (shape % 16 != 2) {
    length %= 512;
  }
  // The input's bytes first, then one byte repeated: large packets from small inputs.
  const auto bytes = input->Take(std::min<size_t>(length, 64));
  packet.bytes.assign(bytes.begin(), bytes.end());
  packet.bytes.resize(length, static_cast<uint8_t>(shape));
  packet.original_length = static_cast<uint32_t>(std::min<uint64_t>(length + more, UINT32_MAX));
  return packet;
}

}  // namespace
}  // namespace pcap_zmq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pcap_zmq;
  FuzzInput input(data, size);
  const auto compressor = MakePacking(input.Number(1));
  std::vector<TestPacket> packets;
  while (!input.empty()) {
    packets.push_back(TakePacket(&input));
  }
  testing::Encoding sending(1, compressor.get());
  testing::Receiving receiving;
  Bytes received;
  for (const Bytes& frame : sending.Frames(packets)) {
    const auto blocks = receiving.Decode(frame);
    Require(blocks.size() == 1, "a frame is one block");
    Require(blocks[0]->records.size() <= kFrameRawTarget || blocks[0]->packet_count == 1,
            "only a single packet makes a frame larger than the target");
    const Bytes records = testing::RecordsOf(blocks);
    received.insert(received.end(), records.begin(), records.end());
  }
  Require(received == testing::RecordsOf(packets), "packets come out as they went in");
  Require(receiving.Rejected() == 0, "what the encoder makes is valid");
  receiving.Pass(SenderTable::kNamingTime);
  Require(receiving.Sender("unnamed").packets == packets.size(), "every packet is counted");
  return 0;
}
