// SPDX-License-Identifier: MIT
//
// Every metric that the two programs export: one row each.  The names, types and labels are a
// contract with operators' dashboards and alerts; a row may be added, never changed.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace pcap_zmq {

/// One metric of the catalog.  The rows of the table are in the same order.
enum class Metric {
  kSenderPackets,
  kSenderBytes,
  kSenderKernelLostPackets,
  kSenderSentPackets,
  kSenderSentBytes,
  kSenderSentFrames,
  kSenderDroppedPackets,
  kSenderZmqHwmHits,
  kSenderSquashedPackets,
  kSenderSquashInputBytes,
  kSenderSquashOutputBytes,
  kSenderRate,
  kSenderLowWatermark,
  kSenderHighWatermark,
  kSenderState,
  kSenderSquashEffort,
  kSenderHeldPackets,
  kSenderBufferedPackets,
  kSenderBufferedBytes,
  kSenderConnectedEndpoints,
  kSenderEndpointConnected,
  kSenderEndpointSentPackets,
  kSenderEndpointDroppedPackets,
  kSenderEndpointBufferedPackets,
  kSenderHandshakeFailures,
  kSenderNflogOverruns,
  kSenderNflogTruncatedDatagrams,
  kSenderNflogDamagedRecords,
  kSenderNflogReceiveBuffer,
  kSenderNflogThreshold,
  kSenderCaptureToSend,

  kReceiverFrames,
  kReceiverPackets,
  kReceiverBytes,
  kReceiverLostPackets,
  kReceiverLatePackets,
  kReceiverUnseenPackets,
  kReceiverShiftedPackets,
  kReceiverRejectedFrames,
  kReceiverReceivedBytes,
  kReceiverConnectedPeers,
  kReceiverDisconnects,
  kReceiverRefusedConnections,
  kReceiverAuthorizedKeys,
  kReceiverMemory,
  kReceiverMemoryLimit,
  kReceiverOutputMode,
  kReceiverSinkPackets,
  kReceiverSinkBytes,
  kReceiverSinkRewrittenPackets,
  kReceiverSinkDroppedPackets,
  kReceiverSinkQueuedPackets,
  kReceiverSinkReaderAttached,
  kReceiverSinkReopens,
  kReceiverSinkBlocked,
  kReceiverDelivery,

  kReportedLastHeard,
  kReportedClockOffset,
  kReportedCapturedPackets,
  kReportedKernelLostPackets,
  kReportedSentPackets,
  kReportedSentBytes,
  kReportedDroppedPackets,
  kReportedRate,
  kReportedState,

  kBuildInfo,
  kSenderInfo,
  kProcessCpu,
  kProcessResidentMemory,
  kProcessVirtualMemory,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessStartTime,
  kProcessThreads,
  kCount
};

enum class MetricKind { kCounter, kGauge, kHistogram };

/// What becomes of two values under the same labels, such as those of two pumps.
enum class Merge { kSum, kMax, kMin };

inline constexpr size_t kMaxLabels = 2;

/// One row of the catalog.
struct MetricSpec {
  Metric id;
  std::string_view name;
  MetricKind kind;
  std::array<std::string_view, kMaxLabels> label_names;  ///< unused ones are empty
  Merge merge;
  std::string_view help;  ///< a sentence, with the unit where the name does not give it

  constexpr size_t label_count() const {
    size_t count = 0;
    while (count < kMaxLabels && !label_names[count].empty()) {
      ++count;
    }
    return count;
  }
};

/// All rows, indexed by Metric.
std::span<const MetricSpec> MetricCatalog();

inline const MetricSpec& Spec(Metric metric) {
  return MetricCatalog()[static_cast<size_t>(metric)];
}

}  // namespace pcap_zmq
