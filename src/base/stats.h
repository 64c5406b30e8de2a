// SPDX-License-Identifier: MIT
//
// What the stages count: written by their one thread, read by the metrics endpoint and /status.
// The conservation law in these names:
//   sender    logged = kernel_lost + captured;
//             captured = sent + sum(dropped) + held + buffered
//   receiver  sent = unseen + received + (lost - late) + in transit, for each sender
//   sink      received = delivered + sum(dropped) + queued; in each, or where flows are spread
//             over the sinks in all of them together
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/endpoint_board.h"
#include "base/heartbeat.h"
#include "base/memory_budget.h"

namespace pcap_zmq {

/// One place where packets enter, such as one NFLOG group.
struct SourceStats {
  explicit SourceStats(std::string source_label) : label(std::move(source_label)) {}

  const std::string label;      ///< as the user would write it: "nflog:0", "pcap:eth0"
  Counter captured_packets;     ///< read from the source, whatever becomes of them
  Counter captured_bytes;       ///< their captured lengths
  Counter kernel_lost_packets;  ///< logged by the kernel and never read
};

/// What the sender does with the traffic at the moment.
enum class ShaperState { kPass, kSquash, kShed };

/// How hard the sender compresses at the moment (see shaper/effort_controller.h).
enum class SquashEffort { kFull, kFast, kPlain };

/// One pump of the sender.
/// Threads: written by the pump alone.
struct PumpStats {
  std::deque<SourceStats> sources;  ///< fixed before the pump starts
  Heartbeat heartbeat;              ///< once a turn of the pump's loops

  Counter overruns;             ///< times the kernel reported a full socket (ENOBUFS)
  Counter truncated_datagrams;  ///< netlink messages cut by our buffer; their packets are lost
  Counter damaged_records;      ///< netlink messages that could not be parsed
  Gauge receive_buffer_bytes;   ///< what the kernel granted
  Gauge nflog_threshold;        ///< packets a kernel batch, as last asked for
  ReasonCounters<DropReason> dropped;

  Gauge low_watermark;   ///< bytes/s, this pump's part; fixed before the pump starts, as the next
  Gauge high_watermark;  ///< likewise
  Gauge rate_bytes_per_second;
  Gauge state;         ///< a ShaperState
  Gauge effort;        ///< a SquashEffort
  Gauge held_packets;  ///< in frames under construction, not yet handed to ZeroMQ

  Counter sent_packets;  ///< in frames that ZeroMQ has let go of, for the network or lost with it
  Counter sent_bytes;    ///< likewise, frame headers and control frames included
  Counter sent_frames;   ///< likewise
  Counter squashed_packets;
  Counter squash_input_bytes;
  Counter squash_output_bytes;
  Counter zmq_hwm_hits;
  Gauge buffered_bytes;        ///< in ZeroMQ's buffer
  Gauge buffered_packets;      ///< in ZeroMQ's buffer
  Gauge connected_endpoints;   ///< of those that there are; endpoints that leave are not counted
  Counter handshake_failures;  ///< connections to receivers that came to nothing
  EndpointBoard endpoints;     ///< the account of each, a few times a second
  LatencyHistogram capture_to_send;
};

/// The endpoints of all pumps together.
inline EndpointRows SumEndpoints(const std::vector<const PumpStats*>& pumps) {
  std::vector<EndpointRows> rows;
  rows.reserve(pumps.size());
  for (const PumpStats* pump : pumps) {
    rows.push_back(pump->endpoints.Read());
  }
  return MergeEndpoints(rows);
}

/// What several outputs of the receiver do with the traffic.
enum class OutputMode {
  kCopy,    ///< each gets all of it
  kSpread,  ///< they share it: each flow goes to one of them
};

/// One output of the receiver.  Written by the sink's thread alone.
struct SinkStats {
  explicit SinkStats(std::string sink_label) : label(std::move(sink_label)) {}

  const std::string label;    ///< as the user would write it: a path, "file:PATH", "-"
  Counter delivered_packets;  ///< written to the reader or the file, each counted once
  Counter delivered_bytes;    ///< capture bytes written, headers included
  Counter rewritten_packets;  ///< written again because a reader left them unread in the FIFO
  ReasonCounters<SinkDropReason> dropped;
  Gauge queued_packets;
  Gauge reader_attached;      ///< 1 while somebody reads
  Counter reopens;            ///< readers that came after the first one
  Counter blocked_nanos;      ///< time spent waiting for a reader
  LatencyHistogram delivery;  ///< capture to write, weighted by packets
  Heartbeat heartbeat;        ///< after each delivery, and while it waits for its reader
};

/// What a sender says of itself in its control frames; nothing in it is trusted.
struct SenderTotals {
  uint64_t captured_packets = 0;
  uint64_t sent_packets = 0;
  uint64_t sent_bytes = 0;
  uint64_t kernel_lost_packets = 0;
  uint64_t rate_bytes_per_second = 0;
  ShaperState state = ShaperState::kPass;
  std::array<uint64_t, kReasonCount<DropReason>> dropped_packets{};
};

/// A copy of what the receiver knows of one sender.
struct SenderSnapshot {
  std::string name;  ///< made safe: bounded, printable, one of a bounded number
  std::string version;
  uint64_t frames = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;           ///< captured bytes of those packets, record headers included
  uint64_t lost_packets = 0;    ///< sent, settled as never having arrived; never falls
  uint64_t late_packets = 0;    ///< of `packets`, those that had been settled as lost or unseen
  uint64_t unseen_packets = 0;  ///< sent before this receiver first heard of the stream
  bool has_totals = false;
  SenderTotals totals;
  double seconds_since_heard = 0;
  uint64_t shifted_packets = 0;  ///< of `packets`, those whose time was moved (--max-clock-skew)
  /// Of the sender's clock, positive where it is ahead of ours; nothing if it does not say.
  std::optional<double> clock_offset_seconds{};
};

/// The receiver's door.  Written by the guard's thread alone.
struct ConnectionStats {
  Gauge connected_peers;  ///< TCP connections, also those whose handshake is under way
  Counter disconnects;
  ReasonCounters<ConnectionRefusal> refused;
  Gauge authorized_keys;
};

/// The receiver's decoder.  Written by the decoder thread alone, but for `connections` and
/// `memory`.
struct ReceiverStats {
  ReasonCounters<RejectReason> rejected_frames;
  Counter received_bytes;  ///< wire bytes of all frames, refused ones included
  Gauge output_mode;       ///< an OutputMode; fixed before the decoder starts
  ConnectionStats connections;
  MemoryBudget memory;  ///< of what waits to be delivered; written by all threads
  Heartbeat heartbeat;  ///< once a turn of the decoder's loops
};

}  // namespace pcap_zmq
