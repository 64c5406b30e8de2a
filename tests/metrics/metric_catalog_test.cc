// SPDX-License-Identifier: MIT
#include "metrics/metric_catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "tests/metrics/scrape.h"

namespace pcap_zmq {
namespace {

using testing::FilledReceiver;
using testing::FilledSender;
using testing::Scrape;

/// What users' dashboards, alerts and scripts rely on: the type of each metric, and each series
/// with all of its labels.  Values stay out of it, and so do those of labels that users choose.
std::set<std::string> Contract(const Scrape& scrape) {
  static const std::regex chosen(R"re(\b(source|endpoint|sender|sink|version)="[^"]*")re");
  std::set<std::string> contract;
  for (const auto& [name, type] : scrape.types) {
    contract.insert("# TYPE " + name + " " + type);
  }
  for (const auto& [series, value] : scrape.samples) {
    contract.insert(std::regex_replace(series, chosen, "$1=*"));
  }
  return contract;
}

/// The catalog's row of a series, whose name may be that of a part of a histogram.
const MetricSpec* SpecOf(const std::string& series_name) {
  static const std::regex part("_(bucket|count|sum)$");
  const std::string whole = std::regex_replace(series_name, part, "");
  for (const MetricSpec& spec : MetricCatalog()) {
    if (spec.name == (spec.kind == MetricKind::kHistogram ? whole : series_name)) {
      return &spec;
    }
  }
  return nullptr;
}

/// "a,b" for the series `name{a="1",b="2"}`, without the bounds of a histogram's buckets.
std::string LabelNames(const std::string& series) {
  static const std::regex label(R"re([{,]([a-z_]+)="[^"]*")re");
  std::string names;
  for (auto found = std::sregex_iterator(series.begin(), series.end(), label);
       found != std::sregex_iterator(); ++found) {
    if (const std::string name = (*found)[1]; name != "le") {
      names += (names.empty() ? "" : ",") + name;
    }
  }
  return names;
}

std::string TypeName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kHistogram:
      return "histogram";
    case MetricKind::kGauge:
      break;
  }
  return "gauge";
}

/// The catalog's rows that the program of this prefix exports.
std::set<std::string> NamesOf(std::string_view prefix) {
  std::set<std::string> names;
  for (const MetricSpec& spec : MetricCatalog()) {
    const bool of_a_program =
        spec.name.starts_with("pcap_zmq_sender_") || spec.name.starts_with("pcap_zmq_receiver_");
    if (!of_a_program || spec.name.starts_with(prefix)) {
      names.emplace(spec.name);
    }
  }
  return names;
}

std::set<std::string> NamesIn(const Scrape& scrape) {
  std::set<std::string> names;
  for (const auto& [name, type] : scrape.types) {
    names.insert(name);
  }
  return names;
}

// tests/data/README.md says how a release is recorded.
TEST(MetricCatalog, WhatAReleaseExportedIsExportedStill) {
  std::set<std::string> now = Contract(Scrape(FilledSender().Text()));
  now.merge(Contract(Scrape(FilledReceiver().Text())));
  if (const char* record = std::getenv("RECORD_METRICS"); record != nullptr) {
    std::ofstream file(record);
    std::copy(now.begin(), now.end(), std::ostream_iterator<std::string>(file, "\n"));
  }
  size_t lines = 0;
  for (const auto& release : std::filesystem::directory_iterator(PCAP_ZMQ_RELEASED_METRICS)) {
    std::ifstream file(release.path());
    for (std::string line; std::getline(file, line); ++lines) {
      EXPECT_TRUE(now.contains(line)) << release.path().stem() << " had: " << line;
    }
  }
  EXPECT_GT(lines, 0U);
}

TEST(MetricCatalog, EverySeriesHasTheLabelsOfTheCatalog) {
  for (const std::string& text : {FilledSender().Text(), FilledReceiver().Text()}) {
    for (const auto& [series, value] : Scrape(text).samples) {
      const MetricSpec* spec = SpecOf(series.substr(0, series.find('{')));
      ASSERT_NE(spec, nullptr) << series;
      std::string names;
      for (size_t i = 0; i < spec->label_count(); ++i) {
        names += (i == 0 ? "" : ",") + std::string(spec->label_names[i]);
      }
      EXPECT_EQ(LabelNames(series), names) << series;
    }
  }
}

TEST(MetricCatalog, OnlyCountersEndInTotal) {
  for (const MetricSpec& spec : MetricCatalog()) {
    EXPECT_EQ(spec.name.ends_with("_total"), spec.kind == MetricKind::kCounter) << spec.name;
  }
}

TEST(MetricCatalog, HelpIsOneSentenceThatNeedsNoEscaping) {
  for (const MetricSpec& spec : MetricCatalog()) {
    EXPECT_TRUE(spec.help.ends_with(".")) << spec.name;
    EXPECT_EQ(spec.help.find_first_of("\\\n"), std::string_view::npos) << spec.name;
  }
}

// What ZeroMQ has accepted may still wait in its buffer, which is another metric's.
TEST(MetricCatalog, WhatIsSentIsWhatZeroMqHasLetGoOf) {
  int sent = 0;
  for (const MetricSpec& spec : MetricCatalog()) {
    if (spec.name.starts_with("pcap_zmq_sender_") &&
        (spec.name.ends_with("sent_packets_total") || spec.name.ends_with("sent_frames_total"))) {
      ++sent;
      EXPECT_NE(spec.help.find("that ZeroMQ has let go of"), std::string_view::npos) << spec.name;
    }
    EXPECT_EQ(spec.help.find("ZeroMQ accepted"), std::string_view::npos) << spec.name;
  }
  EXPECT_EQ(sent, 3);
}

TEST(MetricCatalog, SenderExportsItsMetricsAndNoOthers) {
  EXPECT_EQ(NamesIn(Scrape(FilledSender().Text())), NamesOf("pcap_zmq_sender_"));
}

TEST(MetricCatalog, ReceiverExportsItsMetricsAndNoOthers) {
  EXPECT_EQ(NamesIn(Scrape(FilledReceiver().Text())), NamesOf("pcap_zmq_receiver_"));
}

TEST(MetricCatalog, ScrapeCarriesTypeAndHelpOfTheCatalog) {
  const Scrape sender(FilledSender().Text());
  const Scrape receiver(FilledReceiver().Text());
  for (const MetricSpec& spec : MetricCatalog()) {
    const std::string name(spec.name);
    const Scrape& scrape = sender.types.contains(name) ? sender : receiver;
    ASSERT_TRUE(scrape.types.contains(name)) << name;
    EXPECT_EQ(scrape.types.at(name), TypeName(spec.kind)) << name;
    EXPECT_EQ(scrape.helps.at(name), spec.help) << name;
  }
}

}  // namespace
}  // namespace pcap_zmq
