// SPDX-License-Identifier: MIT
//
// HTTP as a scraper speaks it, and what a scrape says.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pcap_zmq::testing {

struct HttpResponse {
  int status = 0;
  std::string body;
};

/// GET `path` from 127.0.0.1:`port`.
/// Errors:  kRuntime when nobody listens, or the answer is not HTTP or takes longer than tests wait
///          for anything.
Result<HttpResponse> HttpGet(uint16_t port, const std::string& path);

using Labels = std::map<std::string, std::string>;

/// One scrape of a program's /metrics.
class MetricsSnapshot {
 public:
  static Result<MetricsSnapshot> Fetch(uint16_t port);

  /// Errors:  kRuntime, naming the line that is not in the text exposition format.
  static Result<MetricsSnapshot> Parse(std::string_view text);

  /// The value of the series with exactly these labels; NaN, which equals nothing, if it is
  /// missing.
  double Value(const std::string& name, const Labels& labels = {}) const;

  /// The sum of all series that have at least these labels; NaN when there is none.
  double Sum(const std::string& name, const Labels& labels = {}) const;

  /// Observations of a histogram that are at most `bound`, which must be one of its bounds; NaN
  /// otherwise.
  double CountUpTo(const std::string& name, double bound) const;

  /// The values that `label` takes in the series of `name`.
  std::vector<std::string> LabelValues(const std::string& name, const std::string& label) const;

 private:
  std::map<std::string, std::vector<std::pair<Labels, double>>> series_;
};

}  // namespace pcap_zmq::testing
