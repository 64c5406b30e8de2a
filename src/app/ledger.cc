// SPDX-License-Identifier: MIT
#include "app/ledger.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "app/version.h"
#include "base/sender_name.h"
#include "codec/control_frame.h"

namespace pcap_zmq {
namespace {

// Lines longer than some kilobytes are cut by those who collect logs.
constexpr size_t kStreamsInALine = 32;

// " (shed 2, shutdown 1)", or nothing.
template <size_t N>
std::string Reasons(const std::array<std::string_view, N>& names,
                    const std::array<uint64_t, N>& counts) {
  std::string text;
  for (size_t i = 0; i < N; ++i) {
    if (counts[i] != 0) {
      text += text.empty() ? " (" : ", ";
      text += std::string(names[i]) + " " + std::to_string(counts[i]);
    }
  }
  return text.empty() ? text : text + ")";
}

}  // namespace

SenderLedger SumLedger(const std::vector<const PumpStats*>& pumps) {
  SenderLedger sum;
  for (const PumpStats* pump : pumps) {
    for (const SourceStats& source : pump->sources) {
      sum.kernel_lost += source.kernel_lost_packets.Value();
      sum.captured += source.captured_packets.Value();
    }
    sum.sent += pump->sent_packets.Value();
    sum.sent_bytes += pump->sent_bytes.Value();
    sum.held += static_cast<uint64_t>(pump->held_packets.Value());
    sum.buffered += static_cast<uint64_t>(pump->buffered_packets.Value());
    for (size_t i = 0; i < sum.dropped.size(); ++i) {
      sum.dropped[i] += pump->dropped.Value(static_cast<DropReason>(i));
    }
    sum.rate_bytes_per_second += static_cast<uint64_t>(pump->rate_bytes_per_second.Value());
    sum.state = std::max(sum.state, static_cast<ShaperState>(pump->state.Value()));
  }
  return sum;
}

std::string Summary(const SenderLedger& ledger) {
  const uint64_t dropped =
      std::accumulate(ledger.dropped.begin(), ledger.dropped.end(), uint64_t{0});
  return "captured " + std::to_string(ledger.captured) + " packets, sent " +
         std::to_string(ledger.sent) + ", dropped " + std::to_string(dropped) +
         Reasons(kDropReasonNames, ledger.dropped) + ", lost in the kernel " +
         std::to_string(ledger.kernel_lost);
}

uint64_t RandomInstance() {
  std::random_device device;
  const uint64_t random = (uint64_t{device()} << 32) | device();
  return std::max<uint64_t>(random >> 11, 1);  // 0 is nobody's
}

std::string ControlPayload(const std::string& name, uint64_t instance, const SenderLedger& ledger,
                           Nanoseconds wall) {
  ControlReport report;
  report.name = name;
  report.instance = instance;
  report.version = kVersion;
  report.clock_micros = static_cast<uint64_t>(std::max<Nanoseconds>(wall, 0) / kNanosPerMicro);
  report.totals.captured_packets = ledger.captured;
  report.totals.sent_packets = ledger.sent;
  report.totals.sent_bytes = ledger.sent_bytes;
  report.totals.kernel_lost_packets = ledger.kernel_lost;
  report.totals.rate_bytes_per_second = ledger.rate_bytes_per_second;
  report.totals.state = ledger.state;
  report.totals.dropped_packets = ledger.dropped;
  return SerializeControl(report);
}

ReceiverLedger SumLedger(const std::vector<SenderSnapshot>& senders) {
  ReceiverLedger sum;
  for (const SenderSnapshot& sender : senders) {
    sum.received += sender.packets;
    sum.lost += sender.lost_packets;
    sum.late += sender.late_packets;
    sum.unseen += sender.unseen_packets;
  }
  return sum;
}

std::string Summary(const ReceiverLedger& ledger, const std::vector<const SinkStats*>& sinks,
                    OutputMode mode) {
  std::string text = "received " + std::to_string(ledger.received) + " packets, lost " +
                     std::to_string(ledger.lost) + " in transit";
  if (ledger.late > 0) {
    text += ", " + std::to_string(ledger.late) + " came late";
  }
  if (mode == OutputMode::kSpread && sinks.size() > 1) {
    text += "; flows spread over " + std::to_string(sinks.size()) + " outputs";
  }
  for (const SinkStats* sink : sinks) {
    text += "; " + sink->label + ": delivered " + std::to_string(sink->delivered_packets.Value()) +
            ", dropped " + std::to_string(sink->dropped.Total());
    std::array<uint64_t, kReasonCount<SinkDropReason>> dropped{};
    for (size_t i = 0; i < dropped.size(); ++i) {
      dropped[i] = sink->dropped.Value(static_cast<SinkDropReason>(i));
    }
    text += Reasons(kSinkDropReasonNames, dropped);
  }
  return text;
}

std::vector<std::string> Summary(const std::vector<SenderTable::Position>& positions) {
  std::vector<std::string> lines;
  size_t in_line = kStreamsInALine;
  for (const SenderTable::Position& position : positions) {
    if (position.name == kOtherSenders) {
      continue;  // of whom nobody could say which one is meant
    }
    if (in_line == kStreamsInALine) {
      lines.emplace_back("received up to packet ");
      in_line = 0;
    } else {
      lines.back() += ", ";
    }
    lines.back() += std::to_string(position.next_ordinal) + " of " + position.name;
    ++in_line;
  }
  return lines;
}

}  // namespace pcap_zmq
