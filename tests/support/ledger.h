// SPDX-License-Identifier: MIT
//
// The conservation law, checked on what the programs say of themselves.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "tests/support/http_client.h"

namespace pcap_zmq::testing {

/// What a sender's metrics say became of the packets, in packets.
struct SenderLedger {
  uint64_t captured = 0;
  uint64_t kernel_lost = 0;
  uint64_t sent = 0;      ///< handed to the network
  uint64_t dropped = 0;   ///< for all reasons
  uint64_t held = 0;      ///< in the squash buffer
  uint64_t buffered = 0;  ///< in ZeroMQ's buffer

  /// Errors:  kRuntime naming a metric that is missing.
  static Result<SenderLedger> From(const MetricsSnapshot& metrics);

  /// The law: logged = kernel lost + captured; captured = sent + dropped + held +
  /// buffered.
  /// Shape:   `logged` is the kernel's count, taken when no packet was on its way to the sender.
  /// Errors:  kRuntime with all the numbers when it does not close to the packet.
  Status Check(uint64_t logged) const;

  /// Whether the law closes with nothing on its way any more.  A scrape may fall between the
  /// updates of two counters, and the kernel keeps packets until its flush timer fires, so one that
  /// does not add up yet is no verdict.
  bool Settled(uint64_t logged) const { return Check(logged).ok() && held == 0 && buffered == 0; }

  std::string Text() const;
};

/// What a receiver's metrics say of one sender and one sink, in packets.
struct ReceiverLedger {
  uint64_t received = 0;
  uint64_t unseen = 0;  ///< sent before the receiver first heard of the stream
  uint64_t lost = 0;
  uint64_t late = 0;  ///< of `received`; had been counted as lost or unseen
  uint64_t sink_delivered = 0;
  uint64_t sink_dropped = 0;  ///< for all reasons
  uint64_t sink_queued = 0;

  /// Of the senders named `sender` ("" for the sum of all) and the output `sink`.
  static Result<ReceiverLedger> From(const MetricsSnapshot& metrics, const std::string& sender,
                                     const std::string& sink);

  /// Of those counted as lost, the ones that never came; modulo 2^64, as more may have come late.
  uint64_t gone() const { return lost - late; }

  /// Whether every packet of `sent` is accounted for, so that nothing is on its way any more.
  bool Settled(uint64_t sent) const {
    return unseen + received + gone() == sent && sink_queued == 0 &&
           sink_delivered + sink_dropped == received;
  }

  /// The law with nothing on its way: sent = unseen + received + (lost - late);
  /// received = delivered + dropped.
  Status Check(uint64_t sent) const;

  std::string Text() const;
};

}  // namespace pcap_zmq::testing
