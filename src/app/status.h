// SPDX-License-Identifier: MIT
//
// /status: one JSON document on what a program does, for people and scripts.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "base/stats.h"

namespace pcap_zmq {

/// The sender's configuration (without secrets), ledger and state.
std::string SenderStatus(const SenderConfig& config, const std::vector<const PumpStats*>& pumps);

/// The receiver's configuration, ledger, outputs and a row for each sender.
std::string ReceiverStatus(const ReceiverConfig& config, const std::string& bound_endpoint,
                           const ReceiverStats& stats, const std::vector<const SinkStats*>& sinks,
                           const std::vector<SenderSnapshot>& senders);

}  // namespace pcap_zmq
