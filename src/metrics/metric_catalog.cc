// SPDX-License-Identifier: MIT
#include "metrics/metric_catalog.h"

namespace pcap_zmq {
namespace {

using enum Metric;
using enum MetricKind;
using enum Merge;

constexpr size_t kMetrics = static_cast<size_t>(Metric::kCount);

// A table reads better with its rows as they are.
// clang-format off
constexpr std::array<MetricSpec, kMetrics> kCatalog = {{
    // The sender's account of its packets.
    {kSenderPackets, "pcap_zmq_sender_packets_total", kCounter, {"source"}, kSum,
     "Packets captured from the source, whatever became of them."},
    {kSenderBytes, "pcap_zmq_sender_bytes_total", kCounter, {"source"}, kSum,
     "Captured bytes of the packets from the source."},
    {kSenderKernelLostPackets, "pcap_zmq_sender_kernel_lost_packets_total", kCounter,
     {"source"}, kSum,
     "Packets that the kernel logged for the source and the sender never read."},
    {kSenderSentPackets, "pcap_zmq_sender_sent_packets_total", kCounter, {}, kSum,
     "Packets in frames that ZeroMQ has let go of: on their way to a receiver, or lost with one."},
    {kSenderSentBytes, "pcap_zmq_sender_sent_bytes_total", kCounter, {}, kSum,
     "Bytes on the wire, with the headers of frames and with control frames."},
    {kSenderSentFrames, "pcap_zmq_sender_sent_frames_total", kCounter, {}, kSum,
     "Frames that ZeroMQ has let go of, control frames included."},
    {kSenderDroppedPackets, "pcap_zmq_sender_dropped_packets_total", kCounter, {"reason"}, kSum,
     "Captured packets that were not sent, by the reason for it."},
    {kSenderZmqHwmHits, "pcap_zmq_sender_zmq_hwm_hits_total", kCounter, {}, kSum,
     "Times that ZeroMQ refused a frame because its buffer was full."},

    // Rate control and buffers of the sender.
    {kSenderSquashedPackets, "pcap_zmq_sender_squashed_packets_total", kCounter, {}, kSum,
     "Packets that were merged into compressed frames."},
    {kSenderSquashInputBytes, "pcap_zmq_sender_squash_input_bytes_total", kCounter, {}, kSum,
     "Bytes that went into the compressor."},
    {kSenderSquashOutputBytes, "pcap_zmq_sender_squash_output_bytes_total", kCounter, {}, kSum,
     "Bytes that came out of the compressor."},
    {kSenderRate, "pcap_zmq_sender_rate_bytes_per_second", kGauge, {}, kSum,
     "Captured bytes per second, measured over the rate window."},
    {kSenderLowWatermark, "pcap_zmq_sender_low_watermark_bytes_per_second", kGauge, {}, kSum,
     "Low watermark: above this capture rate packets are merged and compressed; 0: never."},
    {kSenderHighWatermark, "pcap_zmq_sender_high_watermark_bytes_per_second", kGauge, {}, kSum,
     "High watermark: what would exceed it on the wire is dropped; 0: never."},
    {kSenderState, "pcap_zmq_sender_state", kGauge, {"state"}, kMax,
     "1 for what the sender does with the traffic at the moment, 0 for the other states."},
    {kSenderSquashEffort, "pcap_zmq_sender_squash_effort", kGauge, {"effort"}, kMax,
     "1 for how hard the sender compresses when it squashes, 0 for the other efforts."},
    {kSenderHeldPackets, "pcap_zmq_sender_held_packets", kGauge, {}, kSum,
     "Packets that wait in the squash buffer for their frame to fill."},
    {kSenderBufferedPackets, "pcap_zmq_sender_buffered_packets", kGauge, {}, kSum,
     "Packets in the send buffer of ZeroMQ."},
    {kSenderBufferedBytes, "pcap_zmq_sender_buffered_bytes", kGauge, {}, kSum,
     "Bytes in the send buffer of ZeroMQ."},
    {kSenderConnectedEndpoints, "pcap_zmq_sender_connected_endpoints", kGauge, {}, kSum,
     "Connections to receivers that are up and have passed the handshake."},
    {kSenderEndpointConnected, "pcap_zmq_sender_endpoint_connected", kGauge, {"endpoint"}, kMin,
     "1 while the connections to the endpoint are up and have passed the handshake, else 0."},
    {kSenderEndpointSentPackets, "pcap_zmq_sender_endpoint_sent_packets_total", kCounter,
     {"endpoint"}, kSum,
     "Packets in frames for the endpoint that ZeroMQ has let go of."},
    {kSenderEndpointDroppedPackets, "pcap_zmq_sender_endpoint_dropped_packets_total", kCounter,
     {"endpoint"}, kSum,
     "Packets that were for the endpoint and were not sent."},
    {kSenderEndpointBufferedPackets, "pcap_zmq_sender_endpoint_buffered_packets", kGauge,
     {"endpoint"}, kSum,
     "Packets for the endpoint in the send buffer of ZeroMQ."},
    {kSenderHandshakeFailures, "pcap_zmq_sender_handshake_failures_total", kCounter, {}, kSum,
     "Connections to receivers that ended before the handshake was over."},
    {kSenderNflogOverruns, "pcap_zmq_sender_nflog_overruns_total", kCounter, {}, kSum,
     "Times that the kernel found the NFLOG socket full (ENOBUFS)."},
    {kSenderNflogTruncatedDatagrams, "pcap_zmq_sender_nflog_truncated_datagrams_total", kCounter,
     {}, kSum,
     "Netlink messages that were cut because they exceeded the read buffer."},
    {kSenderNflogDamagedRecords, "pcap_zmq_sender_nflog_damaged_records_total", kCounter, {}, kSum,
     "Netlink messages that could not be parsed."},
    {kSenderNflogReceiveBuffer, "pcap_zmq_sender_nflog_receive_buffer_bytes", kGauge, {}, kSum,
     "Socket receive buffer that the kernel granted to NFLOG."},
    {kSenderNflogThreshold, "pcap_zmq_sender_nflog_threshold_packets", kGauge, {}, kMax,
     "Packets that the kernel gathers in one NFLOG batch, as last asked for."},
    {kSenderCaptureToSend, "pcap_zmq_sender_capture_to_send_seconds", kHistogram, {}, kSum,
     "Time from the capture of a packet to its hand-over to ZeroMQ."},

    // The receiver's account of what arrived, sender by sender.
    {kReceiverFrames, "pcap_zmq_receiver_frames_total", kCounter, {"sender"}, kSum,
     "Frames accepted from the sender."},
    {kReceiverPackets, "pcap_zmq_receiver_packets_total", kCounter, {"sender"}, kSum,
     "Packets accepted from the sender."},
    {kReceiverBytes, "pcap_zmq_receiver_bytes_total", kCounter, {"sender"}, kSum,
     "Captured bytes of the packets accepted from the sender, with their record headers."},
    {kReceiverLostPackets, "pcap_zmq_receiver_lost_packets_total", kCounter, {"sender"}, kSum,
     "Packets that the sender sent and that had not arrived when they were given up."},
    {kReceiverLatePackets, "pcap_zmq_receiver_late_packets_total", kCounter, {"sender"}, kSum,
     "Packets accepted from the sender after they had been counted as lost or unseen."},
    {kReceiverUnseenPackets, "pcap_zmq_receiver_unseen_packets_total", kCounter, {"sender"}, kSum,
     "Packets that the sender had sent before this receiver first heard of it."},
    {kReceiverShiftedPackets, "pcap_zmq_receiver_shifted_packets_total", kCounter, {"sender"}, kSum,
     "Packets of the sender whose times were moved, as its clock is off (--max-clock-skew)."},
    {kReceiverRejectedFrames, "pcap_zmq_receiver_rejected_frames_total", kCounter, {"reason"}, kSum,
     "Frames refused as damaged, foreign or repeated, by what was wrong with them."},
    {kReceiverReceivedBytes, "pcap_zmq_receiver_received_bytes_total", kCounter, {}, kSum,
     "Bytes of all frames on the wire, the refused ones included."},
    {kReceiverConnectedPeers, "pcap_zmq_receiver_connected_peers", kGauge, {}, kSum,
     "Connections from senders that are up."},
    {kReceiverDisconnects, "pcap_zmq_receiver_disconnects_total", kCounter, {}, kSum,
     "Connections from senders that ended."},
    {kReceiverRefusedConnections, "pcap_zmq_receiver_refused_connections_total", kCounter,
     {"reason"}, kSum,
     "Connections that came to nothing, by what was wrong with them."},
    {kReceiverAuthorizedKeys, "pcap_zmq_receiver_authorized_keys", kGauge, {}, kSum,
     "Keys that may send; 0 where nothing is encrypted."},
    {kReceiverMemory, "pcap_zmq_receiver_memory_bytes", kGauge, {"holder"}, kSum,
     "Memory of what was received and waits to be delivered, by where it waits."},
    {kReceiverMemoryLimit, "pcap_zmq_receiver_memory_limit_bytes", kGauge, {}, kSum,
     "Bound of that memory, beyond which the senders wait."},

    // The receiver's outputs.
    {kReceiverOutputMode, "pcap_zmq_receiver_output_mode", kGauge, {"mode"}, kMax,
     "1 for what several sinks get: a copy of everything each, or the flows spread over them."},
    {kReceiverSinkPackets, "pcap_zmq_receiver_sink_packets_total", kCounter, {"sink"}, kSum,
     "Packets written to the sink, each counted once."},
    {kReceiverSinkBytes, "pcap_zmq_receiver_sink_bytes_total", kCounter, {"sink"}, kSum,
     "Capture bytes written to the sink, headers included."},
    {kReceiverSinkRewrittenPackets, "pcap_zmq_receiver_sink_rewritten_packets_total", kCounter,
     {"sink"}, kSum,
     "Packets written again because a reader left without having read them."},
    {kReceiverSinkDroppedPackets, "pcap_zmq_receiver_sink_dropped_packets_total", kCounter,
     {"sink", "reason"}, kSum,
     "Accepted packets that the sink did not deliver, by the reason."},
    {kReceiverSinkQueuedPackets, "pcap_zmq_receiver_sink_queued_packets", kGauge, {"sink"}, kSum,
     "Packets that wait for the sink."},
    {kReceiverSinkReaderAttached, "pcap_zmq_receiver_sink_reader_attached", kGauge, {"sink"}, kMax,
     "1 while somebody reads what the sink writes, else 0."},
    {kReceiverSinkReopens, "pcap_zmq_receiver_sink_reopens_total", kCounter, {"sink"}, kSum,
     "Readers that came after the first one."},
    {kReceiverSinkBlocked, "pcap_zmq_receiver_sink_blocked_seconds_total", kCounter, {"sink"}, kSum,
     "Time that the sink spent waiting for its reader."},
    {kReceiverDelivery, "pcap_zmq_receiver_delivery_seconds", kHistogram, {"sink"}, kSum,
     "Time from the capture of a packet at the sender to its write to the sink."},

    // What the senders say of themselves in their control frames.
    {kReportedLastHeard, "pcap_zmq_receiver_sender_last_heard_seconds", kGauge, {"sender"}, kMin,
     "Time since the last frame of the sender."},
    {kReportedClockOffset, "pcap_zmq_receiver_sender_clock_offset_seconds", kGauge, {"sender"}, kMax,
     "By how much the sender's clock is ahead of this one, less what its reports were on the way."},
    {kReportedCapturedPackets, "pcap_zmq_receiver_sender_captured_packets_total", kCounter,
     {"sender"}, kSum,
     "Packets captured, as the sender reports it."},
    {kReportedKernelLostPackets, "pcap_zmq_receiver_sender_kernel_lost_packets_total", kCounter,
     {"sender"}, kSum,
     "Packets logged by the kernel and never read, as the sender reports it."},
    {kReportedSentPackets, "pcap_zmq_receiver_sender_sent_packets_total", kCounter,
     {"sender"}, kSum,
     "Packets handed to ZeroMQ, as the sender reports it."},
    {kReportedSentBytes, "pcap_zmq_receiver_sender_sent_bytes_total", kCounter, {"sender"}, kSum,
     "Bytes on the wire, as the sender reports it."},
    {kReportedDroppedPackets, "pcap_zmq_receiver_sender_dropped_packets_total", kCounter,
     {"sender", "reason"}, kSum,
     "Captured packets that were not sent, as the sender reports it."},
    {kReportedRate, "pcap_zmq_receiver_sender_rate_bytes_per_second", kGauge, {"sender"}, kSum,
     "Captured bytes per second, as the sender reports it."},
    {kReportedState, "pcap_zmq_receiver_sender_state", kGauge, {"sender", "state"}, kMax,
     "1 for what the sender says it does with its traffic, 0 for the other states."},

    // Both programs.
    {kBuildInfo, "pcap_zmq_build_info", kGauge, {"version", "program"}, kMax,
     "Always 1; the labels name the program and its version."},
    {kSenderInfo, "pcap_zmq_sender_info", kGauge, {"name"}, kMax,
     "Always 1; the label is what the sender calls itself, as receivers without keys do too."},
    {kProcessCpu, "process_cpu_seconds_total", kCounter, {}, kSum,
     "User and system CPU time of the process."},
    {kProcessResidentMemory, "process_resident_memory_bytes", kGauge, {}, kSum,
     "Memory of the process that is resident."},
    {kProcessVirtualMemory, "process_virtual_memory_bytes", kGauge, {}, kSum,
     "Address space of the process."},
    {kProcessOpenFds, "process_open_fds", kGauge, {}, kSum,
     "File descriptors that the process has open."},
    {kProcessMaxFds, "process_max_fds", kGauge, {}, kSum,
     "File descriptors that the process may open."},
    {kProcessStartTime, "process_start_time_seconds", kGauge, {}, kSum,
     "Start of the process, since the Unix epoch."},
    {kProcessThreads, "process_threads", kGauge, {}, kSum,
     "Threads of the process."},
}};
// clang-format on

constexpr bool RowsAreInOrder() {
  for (size_t i = 0; i < kCatalog.size(); ++i) {
    if (kCatalog[i].id != static_cast<Metric>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(RowsAreInOrder(), "the table and the Metric enum differ");

}  // namespace

std::span<const MetricSpec> MetricCatalog() {
  return kCatalog;
}

}  // namespace pcap_zmq
