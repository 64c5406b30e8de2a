// SPDX-License-Identifier: MIT
//
// What the metrics tests share: programs with a number behind every metric, and a strict reader of
// the text format.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/stats.h"
#include "metrics/collector.h"

namespace pcap_zmq::testing {

/// Text format 0.0.4, taken apart.  Whatever is not a HELP, TYPE or sample line, and a series that
/// comes twice, is listed in `errors`.
struct Scrape {
  explicit Scrape(const std::string& text);

  std::map<std::string, std::string> types;    ///< by metric name
  std::map<std::string, std::string> helps;    ///< by metric name
  std::map<std::string, std::string> samples;  ///< the value as written, by `name{labels}`
  std::vector<std::string> errors;
};

/// A sender of one pump with two sources, every counter at a different number.
struct FilledSender {
  FilledSender();
  std::string Text() const;

  PumpStats pump;
};

/// A receiver with two sinks and two senders, one of which has sent its totals.
struct FilledReceiver {
  FilledReceiver();
  std::string Text() const;

  ReceiverStats receiver;
  SinkStats fifo{"/run/snort.pcap"};
  SinkStats file{"file:/var/lib/trace.pcap"};
  std::vector<SenderSnapshot> senders;
};

}  // namespace pcap_zmq::testing
