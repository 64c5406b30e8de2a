// SPDX-License-Identifier: MIT
//
// From the stages' counters to the text that a Prometheus server scrapes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/stats.h"

namespace pcap_zmq {

/// Reads the counters as they are now and returns them in Prometheus' text format 0.0.4.
/// Threads: may be called from any thread, also from several at once.
using MetricsSource = std::function<std::string()>;

/// The labels of pcap_zmq_build_info and, of a sender, pcap_zmq_sender_info.
struct ProgramInfo {
  std::string program;  ///< "pcap-zmq-send"
  std::string version;
  std::string sender{};  ///< what it calls itself; empty: it is none
};

/// The metrics of a sender, those of its pumps together: counts and amounts are summed, a state is
/// 1 when any pump is in it.
/// Owns:    borrows every `pumps` element for as long as the returned function or a copy of it
///          lives.
MetricsSource SenderMetrics(ProgramInfo info, std::vector<const PumpStats*> pumps);

/// The metrics of a receiver.  `senders` is called at each scrape, from the scraping thread;
/// senders of the same name appear as one.
/// Owns:    borrows `receiver` and every `sinks` element for as long as the returned function or a
///          copy of it lives.
MetricsSource ReceiverMetrics(ProgramInfo info, const ReceiverStats* receiver,
                              std::vector<const SinkStats*> sinks,
                              std::function<std::vector<SenderSnapshot>()> senders);

}  // namespace pcap_zmq
