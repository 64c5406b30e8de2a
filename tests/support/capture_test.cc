// SPDX-License-Identifier: MIT
#include "tests/support/capture.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {
namespace {

Bytes Header() {
  Bytes header(24);
  StoreLe<uint32_t>(header.data(), 0xa1b23c4d);
  StoreLe<uint16_t>(header.data() + 4, 2);
  StoreLe<uint16_t>(header.data() + 6, 4);
  StoreLe<uint32_t>(header.data() + 16, 262144);
  StoreLe<uint32_t>(header.data() + 20, 101);
  return header;
}

TEST(ParseCapture, ReadsEveryRecordWithItsTimestampAndLengths) {
  Bytes bytes = Header();
  const Bytes first = Ipv4Packet("one");
  const Bytes second = Ipv6Packet("second");
  AppendRecord(&bytes, first, 1'700'000'000'000'000'001);
  AppendRecord(&bytes, second, 1'700'000'001'999'999'999, 900);

  const Capture capture = ParseCapture(bytes);

  EXPECT_EQ(capture.error, "");
  EXPECT_EQ(capture.link_type, 101u);
  EXPECT_EQ(capture.trailing_bytes, 0u);
  ASSERT_EQ(capture.packets.size(), 2u);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), capture.packets[0].data.begin(),
                         capture.packets[0].data.end()));
  EXPECT_EQ(capture.packets[0].timestamp, 1'700'000'000'000'000'001);
  EXPECT_EQ(capture.packets[1].timestamp, 1'700'000'001'999'999'999);
  EXPECT_EQ(capture.packets[1].original_length, 900u);
}

TEST(ParseCapture, CountsTheBytesOfARecordThatIsCutAnywhere) {
  Bytes whole = Header();
  AppendRecord(&whole, Ipv4Packet("one"), 1'000'000'000);
  const size_t first_end = whole.size();
  AppendRecord(&whole, Ipv4Packet("two"), 2'000'000'000);
  for (size_t cut = first_end; cut < whole.size(); ++cut) {
    const Capture capture = ParseCapture({whole.data(), cut});
    EXPECT_EQ(capture.error, "");
    EXPECT_EQ(capture.packets.size(), 1u);
    EXPECT_EQ(capture.trailing_bytes, cut - first_end);
  }
}

TEST(ParseCapture, AHeaderInMidStreamIsAnError) {
  Bytes bytes = Header();
  AppendRecord(&bytes, Ipv4Packet("one"), 1'000'000'000);
  const Bytes again = Header();
  bytes.insert(bytes.end(), again.begin(), again.end());
  AppendRecord(&bytes, Ipv4Packet("two"), 2'000'000'000);

  const Capture capture = ParseCapture(bytes);

  EXPECT_NE(capture.error, "");
  EXPECT_EQ(capture.packets.size(), 1u);
}

TEST(ParseCapture, BytesWithoutAHeaderAreAnError) {
  EXPECT_NE(ParseCapture({}).error, "");
  Bytes bytes = Header();
  bytes[0] ^= 1;
  EXPECT_NE(ParseCapture(bytes).error, "");
}

}  // namespace
}  // namespace pcap_zmq::testing
