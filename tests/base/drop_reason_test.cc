// SPDX-License-Identifier: MIT
#include "base/drop_reason.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string_view>

namespace pcap_zmq {
namespace {

// Labels are what dashboards and alerts match on: renaming one has to be a decision.
TEST(DropReason, LabelsAreTheOnesThatOperatorsQuery) {
  EXPECT_EQ(Label(DropReason::kShed), "shed");
  EXPECT_EQ(Label(DropReason::kZmqHwm), "zmq_hwm");
  EXPECT_EQ(Label(DropReason::kZmqBytes), "zmq_bytes");
  EXPECT_EQ(Label(DropReason::kLinkType), "linktype");
  EXPECT_EQ(Label(DropReason::kNoPayload), "no_payload");
  EXPECT_EQ(Label(DropReason::kOversized), "oversized");
  EXPECT_EQ(Label(DropReason::kEndpointGone), "endpoint_gone");
  EXPECT_EQ(Label(DropReason::kShutdown), "shutdown");
  EXPECT_EQ(Label(SinkDropReason::kQueueFull), "queue_full");
  EXPECT_EQ(Label(SinkDropReason::kWriteError), "write_error");
  EXPECT_EQ(Label(SinkDropReason::kLinkType), "linktype");
  EXPECT_EQ(Label(SinkDropReason::kShutdown), "shutdown");
  EXPECT_EQ(Label(RejectReason::kTooShort), "too_short");
  EXPECT_EQ(Label(RejectReason::kMagic), "magic");
  EXPECT_EQ(Label(RejectReason::kVersion), "version");
  EXPECT_EQ(Label(RejectReason::kHeader), "header");
  EXPECT_EQ(Label(RejectReason::kCodec), "codec");
  EXPECT_EQ(Label(RejectReason::kInflate), "inflate");
  EXPECT_EQ(Label(RejectReason::kRawLength), "raw_length");
  EXPECT_EQ(Label(RejectReason::kRecordChain), "record_chain");
  EXPECT_EQ(Label(RejectReason::kLegacy), "legacy");
  EXPECT_EQ(Label(RejectReason::kControl), "control");
  EXPECT_EQ(Label(RejectReason::kDuplicate), "duplicate");
  EXPECT_EQ(Label(RejectReason::kRevoked), "revoked");
  EXPECT_EQ(Label(RejectReason::kForeign), "foreign");
  EXPECT_EQ(Label(ConnectionRefusal::kUnknownKey), "unknown_key");
  EXPECT_EQ(Label(ConnectionRefusal::kMechanism), "mechanism");
  EXPECT_EQ(Label(ConnectionRefusal::kProtocol), "protocol");
  EXPECT_EQ(Label(ConnectionRefusal::kIncomplete), "incomplete");
  EXPECT_EQ(Label(ConnectionRefusal::kLimit), "limit");
}

template <typename Names>
void ExpectDistinctLabelValues(const Names& names) {
  std::set<std::string_view> seen;
  for (const std::string_view name : names) {
    EXPECT_FALSE(name.empty());
    for (const char c : name) {
      EXPECT_TRUE(std::islower(static_cast<unsigned char>(c)) != 0 || c == '_') << name;
    }
    EXPECT_TRUE(seen.insert(name).second) << name << " stands for two reasons";
  }
}

TEST(DropReason, EveryReasonHasALabelOfItsOwn) {
  ExpectDistinctLabelValues(kDropReasonNames);
  ExpectDistinctLabelValues(kSinkDropReasonNames);
  ExpectDistinctLabelValues(kRejectReasonNames);
  ExpectDistinctLabelValues(kConnectionRefusalNames);
}

}  // namespace
}  // namespace pcap_zmq
