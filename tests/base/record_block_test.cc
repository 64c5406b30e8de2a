// SPDX-License-Identifier: MIT
#include "base/record_block.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace pcap_zmq {
namespace {

TEST(RecordBlock, RecordSizeCountsHeaderAndCapturedBytesButNotWhatWasCutOff) {
  testing::Bytes records;
  const testing::Bytes packet = testing::Ipv4Packet("payload");
  testing::AppendRecord(&records, packet, 1, 9000);
  EXPECT_EQ(RecordSize(records.data()), records.size());
  EXPECT_EQ(RecordSize(records.data()), kRecordHeaderBytes + packet.size());
}

}  // namespace
}  // namespace pcap_zmq
