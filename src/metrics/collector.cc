// SPDX-License-Identifier: MIT
#include "metrics/collector.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "metrics/exposition.h"
#include "metrics/process_metrics.h"

namespace pcap_zmq {
namespace {

constexpr std::array<std::string_view, 3> kStateNames = {"pass", "squash", "shed"};
static_assert(static_cast<size_t>(ShaperState::kShed) + 1 == kStateNames.size());
constexpr std::array<std::string_view, 3> kEffortNames = {"full", "fast", "plain"};
static_assert(static_cast<size_t>(SquashEffort::kPlain) + 1 == kEffortNames.size());
constexpr std::array<std::string_view, 2> kOutputModeNames = {"copy", "spread"};
static_assert(static_cast<size_t>(OutputMode::kSpread) + 1 == kOutputModeNames.size());

using Labels = Exposition::Labels;

/// One series a name, of which the one at `current` is 1; the name is the last label.
template <size_t kNames>
void AddChoice(Exposition* out, Metric metric, const Labels& labels,
               const std::array<std::string_view, kNames>& names, int64_t current) {
  for (size_t i = 0; i < kNames; ++i) {
    Labels with_name = labels;
    with_name.push_back(names[i]);
    out->Add(metric, with_name, static_cast<int64_t>(i) == current ? 1.0 : 0.0);
  }
}

/// Every reason, also those that never occurred: a rate() needs the 0 that comes before the first.
template <typename Reason>
void AddReasons(Exposition* out, Metric metric, const Labels& labels,
                const ReasonCounters<Reason>& counters) {
  for (size_t i = 0; i < kReasonCount<Reason>; ++i) {
    const auto reason = static_cast<Reason>(i);
    Labels with_reason = labels;
    with_reason.push_back(Label(reason));
    out->Add(metric, with_reason, counters.Value(reason));
  }
}

void AddProgram(Exposition* out, const ProgramInfo& info) {
  out->Add(Metric::kBuildInfo, {info.version, info.program}, 1.0);
  if (!info.sender.empty()) {
    out->Add(Metric::kSenderInfo, {info.sender}, 1.0);
  }
  AddProcessMetrics(out);
}

void AddPump(Exposition* out, const PumpStats& pump) {
  for (const SourceStats& source : pump.sources) {
    out->Add(Metric::kSenderPackets, {source.label}, source.captured_packets);
    out->Add(Metric::kSenderBytes, {source.label}, source.captured_bytes);
    out->Add(Metric::kSenderKernelLostPackets, {source.label}, source.kernel_lost_packets);
  }
  out->Add(Metric::kSenderSentPackets, {}, pump.sent_packets);
  out->Add(Metric::kSenderSentBytes, {}, pump.sent_bytes);
  out->Add(Metric::kSenderSentFrames, {}, pump.sent_frames);
  AddReasons(out, Metric::kSenderDroppedPackets, {}, pump.dropped);
  out->Add(Metric::kSenderZmqHwmHits, {}, pump.zmq_hwm_hits);

  out->Add(Metric::kSenderSquashedPackets, {}, pump.squashed_packets);
  out->Add(Metric::kSenderSquashInputBytes, {}, pump.squash_input_bytes);
  out->Add(Metric::kSenderSquashOutputBytes, {}, pump.squash_output_bytes);
  out->Add(Metric::kSenderRate, {}, pump.rate_bytes_per_second);
  out->Add(Metric::kSenderLowWatermark, {}, pump.low_watermark);
  out->Add(Metric::kSenderHighWatermark, {}, pump.high_watermark);
  AddChoice(out, Metric::kSenderState, {}, kStateNames, pump.state.Value());
  AddChoice(out, Metric::kSenderSquashEffort, {}, kEffortNames, pump.effort.Value());

  out->Add(Metric::kSenderHeldPackets, {}, pump.held_packets);
  out->Add(Metric::kSenderBufferedPackets, {}, pump.buffered_packets);
  out->Add(Metric::kSenderBufferedBytes, {}, pump.buffered_bytes);
  out->Add(Metric::kSenderConnectedEndpoints, {}, pump.connected_endpoints);
  out->Add(Metric::kSenderHandshakeFailures, {}, pump.handshake_failures);

  out->Add(Metric::kSenderNflogOverruns, {}, pump.overruns);
  out->Add(Metric::kSenderNflogTruncatedDatagrams, {}, pump.truncated_datagrams);
  out->Add(Metric::kSenderNflogDamagedRecords, {}, pump.damaged_records);
  out->Add(Metric::kSenderNflogReceiveBuffer, {}, pump.receive_buffer_bytes);
  out->Add(Metric::kSenderNflogThreshold, {}, pump.nflog_threshold);
  out->Add(Metric::kSenderCaptureToSend, {}, pump.capture_to_send);
}

void AddEndpoints(Exposition* out, const std::vector<const PumpStats*>& pumps) {
  for (const EndpointCounts& row : SumEndpoints(pumps)) {
    const Labels labels = {row.endpoint};
    out->Add(Metric::kSenderEndpointConnected, labels, row.connected ? 1.0 : 0.0);
    out->Add(Metric::kSenderEndpointSentPackets, labels, row.sent_packets);
    out->Add(Metric::kSenderEndpointDroppedPackets, labels, row.dropped_packets);
    out->Add(Metric::kSenderEndpointBufferedPackets, labels, row.buffered_packets);
  }
}

void AddReceiver(Exposition* out, const ReceiverStats& receiver) {
  AddReasons(out, Metric::kReceiverRejectedFrames, {}, receiver.rejected_frames);
  out->Add(Metric::kReceiverReceivedBytes, {}, receiver.received_bytes);
  const ConnectionStats& connections = receiver.connections;
  out->Add(Metric::kReceiverConnectedPeers, {}, connections.connected_peers);
  out->Add(Metric::kReceiverDisconnects, {}, connections.disconnects);
  AddReasons(out, Metric::kReceiverRefusedConnections, {}, connections.refused);
  out->Add(Metric::kReceiverAuthorizedKeys, {}, connections.authorized_keys);
  for (size_t i = 0; i < kMemoryHolderNames.size(); ++i) {
    out->Add(Metric::kReceiverMemory, {kMemoryHolderNames[i]},
             receiver.memory.Held(static_cast<MemoryBudget::Holder>(i)));
  }
  out->Add(Metric::kReceiverMemoryLimit, {}, receiver.memory.limit());
  AddChoice(out, Metric::kReceiverOutputMode, {}, kOutputModeNames, receiver.output_mode.Value());
}

void AddSink(Exposition* out, const SinkStats& sink) {
  const Labels labels = {sink.label};
  out->Add(Metric::kReceiverSinkPackets, labels, sink.delivered_packets);
  out->Add(Metric::kReceiverSinkBytes, labels, sink.delivered_bytes);
  out->Add(Metric::kReceiverSinkRewrittenPackets, labels, sink.rewritten_packets);
  AddReasons(out, Metric::kReceiverSinkDroppedPackets, labels, sink.dropped);
  out->Add(Metric::kReceiverSinkQueuedPackets, labels, sink.queued_packets);
  out->Add(Metric::kReceiverSinkReaderAttached, labels, sink.reader_attached);
  out->Add(Metric::kReceiverSinkReopens, labels, sink.reopens);
  out->Add(Metric::kReceiverSinkBlocked, labels,
           static_cast<double>(sink.blocked_nanos.Value()) / kNanosPerSecond);
  out->Add(Metric::kReceiverDelivery, labels, sink.delivery);
}

void AddSender(Exposition* out, const SenderSnapshot& sender) {
  const Labels labels = {sender.name};
  out->Add(Metric::kReceiverFrames, labels, sender.frames);
  out->Add(Metric::kReceiverPackets, labels, sender.packets);
  out->Add(Metric::kReceiverBytes, labels, sender.bytes);
  out->Add(Metric::kReceiverLostPackets, labels, sender.lost_packets);
  out->Add(Metric::kReceiverLatePackets, labels, sender.late_packets);
  out->Add(Metric::kReceiverUnseenPackets, labels, sender.unseen_packets);
  out->Add(Metric::kReceiverShiftedPackets, labels, sender.shifted_packets);
  out->Add(Metric::kReportedLastHeard, labels, sender.seconds_since_heard);
  if (sender.clock_offset_seconds) {
    out->Add(Metric::kReportedClockOffset, labels, *sender.clock_offset_seconds);
  }
  if (!sender.has_totals) {
    return;  // no control frame yet: absent says that better than zeros
  }
  const SenderTotals& totals = sender.totals;
  out->Add(Metric::kReportedCapturedPackets, labels, totals.captured_packets);
  out->Add(Metric::kReportedKernelLostPackets, labels, totals.kernel_lost_packets);
  out->Add(Metric::kReportedSentPackets, labels, totals.sent_packets);
  out->Add(Metric::kReportedSentBytes, labels, totals.sent_bytes);
  for (size_t i = 0; i < totals.dropped_packets.size(); ++i) {
    out->Add(Metric::kReportedDroppedPackets, {sender.name, kDropReasonNames[i]},
             totals.dropped_packets[i]);
  }
  out->Add(Metric::kReportedRate, labels, totals.rate_bytes_per_second);
  AddChoice(out, Metric::kReportedState, labels, kStateNames, static_cast<int64_t>(totals.state));
}

}  // namespace

MetricsSource SenderMetrics(ProgramInfo info, std::vector<const PumpStats*> pumps) {
  return [info = std::move(info), pumps = std::move(pumps)] {
    Exposition out;
    for (const PumpStats* pump : pumps) {
      AddPump(&out, *pump);
    }
    AddEndpoints(&out, pumps);
    AddProgram(&out, info);
    return out.Text();
  };
}

MetricsSource ReceiverMetrics(ProgramInfo info, const ReceiverStats* receiver,
                              std::vector<const SinkStats*> sinks,
                              std::function<std::vector<SenderSnapshot>()> senders) {
  return
      [info = std::move(info), receiver, sinks = std::move(sinks), senders = std::move(senders)] {
        Exposition out;
        AddReceiver(&out, *receiver);
        for (const SinkStats* sink : sinks) {
          AddSink(&out, *sink);
        }
        const std::vector<SenderSnapshot> snapshots = senders();
        for (const SenderSnapshot& sender : snapshots) {
          AddSender(&out, sender);
        }
        AddProgram(&out, info);
        return out.Text();
      };
}

}  // namespace pcap_zmq
