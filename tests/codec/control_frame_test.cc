// SPDX-License-Identifier: MIT
#include "codec/control_frame.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/codec/codec_testing.h"

namespace pcap_zmq {
namespace {

std::optional<ControlReport> Parse(std::string_view json) {
  const Frame message = testing::MessageOf(testing::ToBytes(json));
  return ParseControl(message.bytes());
}

std::string NameIn(std::string_view json) {
  const auto report = Parse(json);
  return report.has_value() ? report->name : "<refused>";
}

ControlReport FullReport() {
  ControlReport report;
  report.name = "gw1.example-net_2";
  report.version = "0.1.0";
  report.instance = (uint64_t{1} << 53) - 1;
  report.totals.captured_packets = 1;
  report.totals.sent_packets = 2;
  report.totals.sent_bytes = UINT64_MAX;
  report.totals.kernel_lost_packets = 4;
  report.totals.rate_bytes_per_second = 5;
  report.totals.state = ShaperState::kShed;
  for (size_t i = 0; i < report.totals.dropped_packets.size(); ++i) {
    report.totals.dropped_packets[i] = 100 + i;
  }
  return report;
}

TEST(ControlFrame, WhatIsSaidIsReadBack) {
  const ControlReport said = FullReport();
  const auto read = Parse(SerializeControl(said));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->name, said.name);
  EXPECT_EQ(read->version, said.version);
  EXPECT_EQ(read->instance, said.instance);
  EXPECT_EQ(read->totals.captured_packets, 1U);
  EXPECT_EQ(read->totals.sent_packets, 2U);
  EXPECT_EQ(read->totals.sent_bytes, UINT64_MAX);
  EXPECT_EQ(read->totals.kernel_lost_packets, 4U);
  EXPECT_EQ(read->totals.rate_bytes_per_second, 5U);
  EXPECT_EQ(read->totals.state, ShaperState::kShed);
  EXPECT_EQ(read->totals.dropped_packets, said.totals.dropped_packets);
}

TEST(ControlFrame, ItsLargestNumbersFitAControlFrame) {
  ControlReport report = FullReport();
  report.name = std::string(64, 'n');
  report.totals.captured_packets = report.totals.sent_packets = UINT64_MAX;
  report.totals.dropped_packets.fill(UINT64_MAX);
  EXPECT_LE(SerializeControl(report).size(), 1024U);
}

TEST(ControlFrame, MissingKeysAreZeroAndUnknownOnesIgnored) {
  const auto report = Parse(R"({"future": [1, {"x": null}], "sent": 7, "dropped": {"new": "?"}})");
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->name, "");
  EXPECT_EQ(report->instance, 0U);
  EXPECT_EQ(report->totals.sent_packets, 7U);
  EXPECT_EQ(report->totals.captured_packets, 0U);
  EXPECT_EQ(report->totals.state, ShaperState::kPass);
  EXPECT_EQ(report->totals.dropped_packets, SenderTotals{}.dropped_packets);
}

TEST(ControlFrame, StatesAreReadByNameAndAnUnknownOneIsPass) {
  EXPECT_EQ(Parse(R"({"state": "squash"})")->totals.state, ShaperState::kSquash);
  EXPECT_EQ(Parse(R"({"state": "shed"})")->totals.state, ShaperState::kShed);
  EXPECT_EQ(Parse(R"({"state": "levitate"})")->totals.state, ShaperState::kPass);
}

TEST(ControlFrame, DropReasonsGoByTheirLabels) {
  const auto report = Parse(R"({"dropped": {"shutdown": 3, "shed": 2}})");
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->totals.dropped_packets[static_cast<size_t>(DropReason::kShed)], 2U);
  EXPECT_EQ(report->totals.dropped_packets[static_cast<size_t>(DropReason::kShutdown)], 3U);
}

TEST(ControlFrame, NamesAreMadeSafe) {
  EXPECT_EQ(NameIn(R"({"name": "AZaz09._-"})"), "AZaz09._-");
  EXPECT_EQ(NameIn(R"({"name": "a\"b\\c\nd\u0000e{}=,/ f"})"), "a_b_c_d_e______f");
  EXPECT_EQ(NameIn("{\"name\": \"gr\u00fc\u00df\"}"), "gr____") << "bytes above 7f, one by one";
  EXPECT_EQ(NameIn(R"({"name": ")" + std::string(65, 'x') + "\"}"), std::string(64, 'x'));
  EXPECT_EQ(NameIn(R"({"name": ")" + std::string(10'000, 'x') + "\"}"), std::string(64, 'x'));
  EXPECT_EQ(Parse(R"({"version": "1<script>"})")->version, "1_script_");
}

TEST(ControlFrame, WhatIsNotAnObjectOfTheKnownShapeIsRefused) {
  for (const char* json : {"",
                           " ",
                           "null",
                           "7",
                           "\"name\"",
                           "[]",
                           "[{}]",
                           "{",
                           "{}x",
                           "{} {}",
                           "{'name': 1}",
                           R"({"name": 7})",
                           R"({"name": null})",
                           R"({"version": []})",
                           R"({"state": 1})",
                           R"({"sent": "7"})",
                           R"({"sent": -1})",
                           R"({"sent": 1.5})",
                           R"({"sent": 1e400})",
                           R"({"sent": 18446744073709551616})",
                           R"({"sent": null})",
                           R"({"sent": true})",
                           R"({"dropped": 7})",
                           R"({"dropped": []})",
                           R"({"dropped": {"shed": -1}})",
                           R"({"dropped": {"shed": "1"}})",
                           "{\"name\": \"\xff\"}",
                           "{\"name\": \"a\nb\"}"}) {
    EXPECT_FALSE(Parse(json).has_value()) << json;
  }
}

TEST(ControlFrame, EveryTruncationIsRefused) {
  const std::string whole = SerializeControl(FullReport());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Parse(std::string_view(whole).substr(0, size)).has_value()) << size;
  }
}

TEST(ControlFrame, DeepNestingIsSurvived) {
  const std::string open(8000, '[');
  const std::string close(8000, ']');
  EXPECT_FALSE(Parse(open).has_value());
  EXPECT_TRUE(Parse("{\"x\":" + open + close + "}").has_value());
}

TEST(ControlFrame, NameThatIsNotUtf8IsStillSaidInJson) {
  ControlReport report;
  report.name = "gw\xff";
  const auto read = Parse(SerializeControl(report));
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->name.starts_with("gw_")) << read->name;
}

}  // namespace
}  // namespace pcap_zmq
