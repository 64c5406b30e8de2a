// SPDX-License-Identifier: MIT
#include "tests/data/golden_frames.h"

#include "codec/control_frame.h"
#include "tests/codec/legacy_message.h"

namespace pcap_zmq::testing {
namespace {

Bytes DataMessage(Compressor* compressor) {
  return Encoding(kGoldenStream, compressor).Frames(GoldenPackets()).at(0);
}

// The last control frame of a stream that has sent GoldenPackets() in one frame.
Bytes ControlMessage() {
  Encoding encoding(kGoldenStream);
  encoding.Frames(GoldenPackets());
  return encoding.Control(GoldenControlJson(), /*last=*/true);
}

}  // namespace

std::vector<TestPacket> GoldenPackets() {
  constexpr Nanoseconds kStart = 1'700'000'000 * kNanosPerSecond;
  return {
      {Ipv4Packet("golden"), kStart, 34},
      {Ipv6Packet("golden golden golden golden golden golden"), kStart + kNanosPerSecond - 1, 89},
      // Cut by the snaplen.
      {{0x45, 0x00, 0x05, 0xdc}, kStart + kNanosPerSecond, 1500},
      // No byte of it was captured.
      {{}, kStart + kNanosPerSecond + 1, 40},
  };
}

std::vector<TestPacket> GoldenLegacyPackets() {
  constexpr Nanoseconds kStart = 1'350'000'000 * kNanosPerSecond;
  return {
      {Ipv4Packet("python"), kStart + 123'456 * kNanosPerMicro, 34},
      {Ipv6Packet("python python python"), kStart + 999'999 * kNanosPerMicro, 68},
      {{0x45, 0x00, 0x05, 0xdc, 0x00}, kStart + kNanosPerSecond, 1500},
  };
}

std::string GoldenControlJson() {
  return R"({"captured":10,"dropped":{"shed":1,"zmq_hwm":2},"kernel_lost":3,"name":"gw1",)"
         R"("rate":1000000,"sent":4,"sent_bytes":231,"state":"squash","version":"0.1.0"})";
}

std::vector<GoldenFile> GoldenFiles() {
  const auto zlib = MakeZlibCompressor(9);
  const auto zstd = MakeZstdCompressor(19);
  return {
      {"plain.frame", DataMessage(nullptr)},
      {"zlib.frame", DataMessage(zlib.get())},
      {"zstd.frame", DataMessage(zstd.get())},
      {"control.frame", ControlMessage()},
      {"legacy-plain.message", LegacyPlain(GoldenLegacyPackets()[0])},
      {"legacy-squashed.message", LegacySquashed(GoldenLegacyPackets())},
  };
}

}  // namespace pcap_zmq::testing
