// SPDX-License-Identifier: MIT
//
// The conservation law in numbers: where every packet is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/stats.h"
#include "codec/sender_table.h"

namespace pcap_zmq {

/// A sender's account; captured = sent + sum(dropped) + held + buffered.
struct SenderLedger {
  uint64_t kernel_lost = 0;
  uint64_t captured = 0;
  uint64_t sent = 0;
  uint64_t sent_bytes = 0;
  uint64_t held = 0;      ///< in frames under construction
  uint64_t buffered = 0;  ///< in ZeroMQ's buffers
  std::array<uint64_t, kReasonCount<DropReason>> dropped{};
  uint64_t rate_bytes_per_second = 0;
  ShaperState state = ShaperState::kPass;  ///< the severest of all pumps
};

/// The pumps' accounts together.  While packets move the parts are read one after another and may
/// disagree by what moved meanwhile.
SenderLedger SumLedger(const std::vector<const PumpStats*>& pumps);

/// "captured 10 packets, sent 8, dropped 2 (shed 2), lost in the kernel 0"
std::string Summary(const SenderLedger& ledger);

/// The payload of control frames, of the process `instance` (see ControlReport) at the time `wall`.
std::string ControlPayload(const std::string& name, uint64_t instance, const SenderLedger& ledger,
                           Nanoseconds wall);
/// A number that no other process is likely to have.
uint64_t RandomInstance();

/// A receiver's account of its senders; sent = received + (lost - late) + unseen + on the way.
struct ReceiverLedger {
  uint64_t received = 0;
  uint64_t lost = 0;
  uint64_t late = 0;  ///< of `received`; had been counted as lost or unseen
  uint64_t unseen = 0;
};
ReceiverLedger SumLedger(const std::vector<SenderSnapshot>& senders);

/// "received 10 packets, lost 0 in transit; /run/snort.pcap: delivered 8, dropped 2 (shutdown 2)".
/// It says how many of the lost ones came late, and where several sinks share the flows: there the
/// sum of theirs is what was received.
std::string Summary(const ReceiverLedger& ledger, const std::vector<const SinkStats*>& sinks,
                    OutputMode mode = OutputMode::kCopy);

/// Lines like "received up to packet 10 of gateway, 7 of other", counted from each stream's first
/// packet; a sender appears once for each of its streams.
std::vector<std::string> Summary(const std::vector<SenderTable::Position>& positions);

}  // namespace pcap_zmq
