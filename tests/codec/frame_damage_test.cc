// SPDX-License-Identifier: MIT
// Twin of none: every kind of message, cut and corrupted at every byte.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/codec/codec_testing.h"
#include "tests/codec/legacy_message.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Encoding;
using testing::PacketsIn;
using testing::Receiving;
using testing::RecordsOf;
using testing::SomePackets;
using testing::TestPacket;

struct Kind {
  const char* name;
  uint32_t packets;  // in one message
  std::function<Bytes(uint64_t stream_id)> make;
};

Bytes PackedFrame(uint64_t stream_id, std::unique_ptr<Compressor> compressor) {
  const Bytes frame = Encoding(stream_id, compressor.get()).Frames(SomePackets(4)).at(0);
  EXPECT_NE(frame[5], 0) << "the sample does not pack";
  return frame;
}

std::vector<Kind> Kinds() {
  return {
      {"Plain", 4, [](uint64_t id) { return testing::DataFrame(id, 0, SomePackets(4)); }},
      {"Zlib", 4, [](uint64_t id) { return PackedFrame(id, MakeZlibCompressor(6)); }},
      {"Zstd", 4, [](uint64_t id) { return PackedFrame(id, MakeZstdCompressor(1)); }},
      {"Control", 0,
       [](uint64_t id) {
         return testing::ControlFrame(id, 0, SerializeControl({"gw1", "0.1.0", {}}));
       }},
      {"LegacyPlain", 1, [](uint64_t) { return testing::LegacyPlain(SomePackets(1)[0]); }},
      {"LegacySquashed", 4, [](uint64_t) { return testing::LegacySquashed(SomePackets(4)); }},
  };
}

class DamagedMessage : public ::testing::TestWithParam<Kind> {
 protected:
  DamagedMessage() { receiving_.Decode(neighbour_.Control(R"({"name": "neighbour"})")); }

  // Decodes `damaged`: it gives all of its packets, or counts exactly one reason and gives at most
  // the first of them; and a neighbour's next frame comes through as if nothing had happened.
  void ExpectCountedOrDelivered(const Bytes& damaged) {
    const uint64_t before = receiving_.Rejected();
    const auto blocks = receiving_.Decode(damaged);
    const uint64_t rejected = receiving_.Rejected() - before;
    ASSERT_LE(rejected, 1U);
    ASSERT_LE(PacketsIn(blocks), GetParam().packets);
    if (rejected == 0) {
      ASSERT_EQ(PacketsIn(blocks), GetParam().packets);
      ++delivered_;
    }
    const std::vector<TestPacket> packets = SomePackets(2);
    for (const Bytes& frame : neighbour_.Frames(packets)) {
      ASSERT_EQ(RecordsOf(receiving_.Decode(frame)), RecordsOf(packets));
    }
    ASSERT_EQ(receiving_.Rejected() - before, rejected);
    ++rounds_;
    // Neither is the neighbour the stream that was not heard of for longest.
    receiving_.Pass(kNanosPerMilli);
  }

  void ExpectNeighbourLostNothing() const {
    const SenderSnapshot neighbour = receiving_.Sender("neighbour");
    EXPECT_EQ(neighbour.packets, 2 * rounds_);
    EXPECT_EQ(neighbour.lost_packets + neighbour.unseen_packets, 0U);
  }

  // A sound message on a stream of its own.
  Bytes Fresh() { return GetParam().make(++streams_); }

  Receiving receiving_;
  Encoding neighbour_{0xa5a5'a5a5'a5a5'a5a5};
  uint64_t streams_ = 0;
  uint64_t rounds_ = 0;
  uint64_t delivered_ = 0;
};

TEST_P(DamagedMessage, EveryTruncationIsCountedAndLeavesTheNeighbourAlone) {
  const size_t size = Fresh().size();
  for (size_t cut = 0; cut < size; ++cut) {
    Bytes message = Fresh();
    message.resize(cut);
    ASSERT_NO_FATAL_FAILURE(ExpectCountedOrDelivered(message)) << "cut to " << cut;
  }
  EXPECT_EQ(delivered_, 0U);
  ExpectCountedOrDelivered(Fresh());
  EXPECT_EQ(delivered_, 1U);
  ExpectNeighbourLostNothing();
}

TEST_P(DamagedMessage, EveryCorruptedByteIsCountedOrHarmless) {
  const size_t size = Fresh().size();
  for (size_t at = 0; at < size; ++at) {
    // Every value in the header; every bit and their inverse in the payload.
    for (unsigned flip = 1; flip < 256; ++flip) {
      const bool one_bit = (flip & (flip - 1)) == 0;
      if (at >= kFrameHeaderBytes && !one_bit && flip != 255) {
        continue;
      }
      Bytes message = Fresh();
      message[at] = static_cast<uint8_t>(message[at] ^ flip);
      ASSERT_NO_FATAL_FAILURE(ExpectCountedOrDelivered(message)) << "byte " << at << "^" << flip;
    }
  }
  EXPECT_LT(delivered_, rounds_);
  ExpectNeighbourLostNothing();
}

INSTANTIATE_TEST_SUITE_P(, DamagedMessage, ::testing::ValuesIn(Kinds()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(RandomBytes, AreRefusedAndLeaveTheNeighbourAlone) {
  std::mt19937 random(11);
  Receiving receiving;
  Encoding neighbour(7);
  const std::vector<TestPacket> packets = SomePackets(1);
  for (uint64_t round = 1; round <= 3000; ++round) {
    Bytes noise(random() % 400);
    for (uint8_t& byte : noise) {
      byte = static_cast<uint8_t>(random());
    }
    // Often what looks like a message from its first bytes.
    const Bytes start = round % 4 == 0   ? testing::ToBytes("PZPF\x01")
                        : round % 4 == 1 ? Bytes{0x01, 0x78, 0x9c}
                                         : Bytes{};
    std::copy_n(start.begin(), std::min(start.size(), noise.size()), noise.begin());
    EXPECT_TRUE(receiving.Decode(noise).empty());
    EXPECT_EQ(receiving.Rejected(), round);
    EXPECT_EQ(RecordsOf(receiving.Decode(neighbour.Frames(packets).at(0))), RecordsOf(packets));
  }
}

}  // namespace
}  // namespace pcap_zmq
