// SPDX-License-Identifier: MIT
//
// The values of one scrape, gathered and then written in Prometheus' text format.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "metrics/metric_catalog.h"

namespace pcap_zmq {

/// Collects values by metric and labels; values that meet under the same labels are merged by the
/// metric's rule, so that no scrape holds a series twice.
/// Threads: not thread-safe; one a scrape.
class Exposition {
 public:
  /// Label values in the order of the metric's label names, one for each.
  using Labels = std::vector<std::string_view>;

  /// Counts above 2^53 lose their last digits: the format holds doubles.
  void Add(Metric metric, const Labels& labels, uint64_t value);
  void Add(Metric metric, const Labels& labels, double value);
  void Add(Metric metric, const Labels& labels, const Counter& counter);
  void Add(Metric metric, const Labels& labels, const Gauge& gauge);
  void Add(Metric metric, const Labels& labels, const LatencyHistogram& histogram);

  /// All that was added, in text format 0.0.4, metrics in the catalog's order.  A metric without
  /// values is left out.
  std::string Text() const;

 private:
  struct Histogram {
    std::array<uint64_t, LatencyHistogram::kBounds.size() + 1> buckets{};  ///< not cumulated
    double sum_seconds = 0;
  };
  template <typename Value>
  using Family = std::map<std::vector<std::string>, Value>;

  std::map<Metric, Family<double>> values_;
  std::map<Metric, Family<Histogram>> histograms_;
};

}  // namespace pcap_zmq
