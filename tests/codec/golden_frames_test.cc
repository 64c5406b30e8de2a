// SPDX-License-Identifier: MIT
// Twin of none: the wire format as tests/data pins it.
#include "tests/data/golden_frames.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

using testing::Bytes;
using testing::Receiving;
using testing::RecordsOf;
using testing::TestPacket;

Bytes ReadGolden(const std::string& name) {
  std::ifstream file(std::string(PCAP_ZMQ_TEST_DATA) + "/" + name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Bytes MadeNow(const std::string& name) {
  for (const testing::GoldenFile& file : testing::GoldenFiles()) {
    if (file.name == name) {
      return file.message;
    }
  }
  ADD_FAILURE() << "no golden file " << name;
  return {};
}

// One packet as the fields of its record.
struct Record {
  uint32_t seconds;
  uint32_t nanos;
  uint32_t captured;
  uint32_t original;
  std::string text;  // the captured bytes' end

  bool operator==(const Record&) const = default;
};

std::vector<Record> RecordsIn(const std::vector<RecordBlockPtr>& blocks) {
  std::vector<Record> records;
  for (const RecordBlockPtr& block : blocks) {
    std::span<const uint8_t> rest = block->records;
    while (!rest.empty()) {
      const uint8_t* header = rest.data();
      const std::span<const uint8_t> bytes =
          rest.subspan(kRecordHeaderBytes, LoadLe<uint32_t>(header + 8));
      const auto tail = bytes.last(std::min<size_t>(bytes.size(), 6));
      records.push_back({LoadLe<uint32_t>(header), LoadLe<uint32_t>(header + 4),
                         LoadLe<uint32_t>(header + 8), LoadLe<uint32_t>(header + 12),
                         std::string(tail.begin(), tail.end())});
      rest = rest.subspan(RecordSize(header));
    }
  }
  return records;
}

class GoldenDataFrame : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenDataFrame, DecodesToItsPackets) {
  Receiving receiving;
  const auto blocks = receiving.Decode(ReadGolden(GetParam()));
  EXPECT_EQ(receiving.Rejected(), 0U);
  const std::vector<Record> expected = {
      {1'700'000'000, 0, 34, 34, "golden"},
      {1'700'000'000, 999'999'999, 89, 89, "golden"},
      {1'700'000'001, 0, 4, 1500, std::string("\x45\x00\x05\xdc", 4)},
      {1'700'000'001, 1, 0, 40, ""},
  };
  EXPECT_EQ(RecordsIn(blocks), expected);
  EXPECT_EQ(RecordsOf(blocks), RecordsOf(testing::GoldenPackets())) << "byte for byte";
}

INSTANTIATE_TEST_SUITE_P(, GoldenDataFrame,
                         ::testing::Values("plain.frame", "zlib.frame", "zstd.frame"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(GoldenFrames, EachIsOfTheCodecThatItsNameSays) {
  EXPECT_EQ(ReadGolden("plain.frame").at(5), 0);
  EXPECT_EQ(ReadGolden("zlib.frame").at(5), 1);
  EXPECT_EQ(ReadGolden("zstd.frame").at(5), 2);
}

// Packed frames are not compared: the libraries' versions pack differently.
TEST(GoldenFrames, EncoderMakesPlainAndControlFramesAsTheyAlwaysWere) {
  EXPECT_EQ(MadeNow("plain.frame"), ReadGolden("plain.frame"));
  EXPECT_EQ(MadeNow("control.frame"), ReadGolden("control.frame"));
  EXPECT_EQ(MadeNow("legacy-plain.message"), ReadGolden("legacy-plain.message"));
}

TEST(GoldenFrames, ControlFrameIsTheStreamsLastAndSaysItsTotals) {
  const Bytes frame = ReadGolden("control.frame");
  RejectReason reason{};
  const auto header = ParseFrameHeader(frame, &reason);
  ASSERT_TRUE(header.has_value()) << Label(reason);
  EXPECT_TRUE(header->last);
  EXPECT_EQ(header->stream_id, 0x8877665544332211U);
  EXPECT_EQ(header->sequence, 1U);
  EXPECT_EQ(header->first_ordinal, 4U);

  Receiving receiving;
  EXPECT_TRUE(receiving.Decode(frame).empty());
  EXPECT_EQ(receiving.Rejected(), 0U);
  const SenderSnapshot sender = receiving.Sender("gw1");
  EXPECT_EQ(sender.version, "0.1.0");
  EXPECT_EQ(sender.totals.captured_packets, 10U);
  EXPECT_EQ(sender.totals.sent_packets, 4U);
  EXPECT_EQ(sender.totals.sent_bytes, 231U);
  EXPECT_EQ(sender.totals.kernel_lost_packets, 3U);
  EXPECT_EQ(sender.totals.rate_bytes_per_second, 1'000'000U);
  EXPECT_EQ(sender.totals.state, ShaperState::kSquash);
  EXPECT_EQ(sender.totals.dropped_packets[static_cast<size_t>(DropReason::kShed)], 1U);
  EXPECT_EQ(sender.totals.dropped_packets[static_cast<size_t>(DropReason::kZmqHwm)], 2U);
}

TEST(GoldenFrames, DataAndControlFrameTogetherLoseNothing) {
  Receiving receiving;
  receiving.Decode(ReadGolden("zstd.frame"));
  receiving.Decode(ReadGolden("control.frame"));
  receiving.Pass(SenderTable::kSettleTime);
  EXPECT_EQ(receiving.Sender("gw1").packets, 4U);
  EXPECT_EQ(receiving.Sender("gw1").lost_packets, 0U);
}

TEST(GoldenFrames, LegacyMessagesDecodeToTheirPackets) {
  const std::vector<Record> expected = {
      {1'350'000'000, 123'456'000, 34, 34, "python"},
      {1'350'000'000, 999'999'000, 68, 68, "python"},
      {1'350'000'001, 0, 5, 1500, std::string("\x45\x00\x05\xdc\x00", 5)},
  };
  Receiving receiving;
  EXPECT_EQ(RecordsIn(receiving.Decode(ReadGolden("legacy-plain.message"))),
            std::vector<Record>(expected.begin(), expected.begin() + 1));
  const auto squashed = receiving.Decode(ReadGolden("legacy-squashed.message"));
  EXPECT_EQ(RecordsIn(squashed), expected);
  EXPECT_EQ(RecordsOf(squashed), RecordsOf(testing::GoldenLegacyPackets()));
  EXPECT_EQ(receiving.Rejected(), 0U);
}

}  // namespace
}  // namespace pcap_zmq
