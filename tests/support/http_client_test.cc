// SPDX-License-Identifier: MIT
#include "tests/support/http_client.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pcap_zmq::testing {
namespace {

constexpr std::string_view kText =
    "# HELP a_total Things.\n"
    "# TYPE a_total counter\n"
    "a_total{reason=\"shed\",sink=\"x\"} 12345678901\n"
    "a_total{reason=\"zmq_hwm\",sink=\"x\"} 2\n"
    "b 1.5e-3\n"
    "odd{name=\"a \\\"quoted\\\" \\\\ \\n}\"} 7\n"
    "h_seconds_bucket{le=\"0.05\"} 3\n"
    "h_seconds_bucket{le=\"+Inf\"} 4\n"
    "h_seconds_count 4\n";

TEST(MetricsSnapshot, FindsASeriesByItsLabels) {
  const auto metrics = MetricsSnapshot::Parse(kText);
  ASSERT_TRUE(metrics.ok()) << metrics.error().message;
  EXPECT_EQ(metrics.value().Value("a_total", {{"reason", "shed"}, {"sink", "x"}}), 12345678901);
  EXPECT_EQ(metrics.value().Value("b"), 1.5e-3);
  EXPECT_EQ(metrics.value().Value("odd", {{"name", "a \"quoted\" \\ \n}"}}), 7);
  EXPECT_EQ(metrics.value().LabelValues("a_total", "reason"),
            (std::vector<std::string>{"shed", "zmq_hwm"}));
}

TEST(MetricsSnapshot, SumsTheSeriesThatMatch) {
  const auto metrics = MetricsSnapshot::Parse(kText);
  ASSERT_TRUE(metrics.ok()) << metrics.error().message;
  EXPECT_EQ(metrics.value().Sum("a_total"), 12345678903);
  EXPECT_EQ(metrics.value().Sum("a_total", {{"reason", "zmq_hwm"}}), 2);
  EXPECT_EQ(metrics.value().CountUpTo("h_seconds", 0.05), 3);
}

TEST(MetricsSnapshot, WhatIsMissingEqualsNothing) {
  const auto metrics = MetricsSnapshot::Parse(kText);
  ASSERT_TRUE(metrics.ok()) << metrics.error().message;
  EXPECT_TRUE(std::isnan(metrics.value().Value("a_total", {{"reason", "shed"}})));
  EXPECT_TRUE(std::isnan(metrics.value().Sum("c_total")));
  EXPECT_TRUE(std::isnan(metrics.value().Sum("a_total", {{"reason", "other"}})));
  EXPECT_TRUE(std::isnan(metrics.value().CountUpTo("h_seconds", 0.07)));
}

TEST(MetricsSnapshot, TextThatIsNoExpositionIsAnError) {
  EXPECT_FALSE(MetricsSnapshot::Parse("a{b=\"c} 1\n").ok());
  EXPECT_FALSE(MetricsSnapshot::Parse("a one\n").ok());
  EXPECT_FALSE(MetricsSnapshot::Parse("nothing\n").ok());
}

TEST(HttpGet, SaysThatNobodyListens) {
  EXPECT_FALSE(HttpGet(1, "/metrics").ok());
}

}  // namespace
}  // namespace pcap_zmq::testing
