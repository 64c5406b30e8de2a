// SPDX-License-Identifier: MIT
#include "tests/support/ledger.h"

#include <cmath>

namespace pcap_zmq::testing {
namespace {

// Reads counters, remembering the first that is missing.
class Reader {
 public:
  explicit Reader(const MetricsSnapshot& metrics) : metrics_(metrics) {}

  uint64_t Sum(const std::string& name, const Labels& labels = {}) {
    const double value = metrics_.Sum(name, labels);
    if (std::isnan(value) || value < 0) {
      missing_ = missing_.empty() ? name : missing_;
      return 0;
    }
    return static_cast<uint64_t>(value);
  }

  // A series that only exists once there is something to say.
  uint64_t SumOrZero(const std::string& name, const Labels& labels) {
    const double value = metrics_.Sum(name, labels);
    return std::isnan(value) ? 0 : static_cast<uint64_t>(value);
  }

  const std::string& missing() const { return missing_; }

 private:
  const MetricsSnapshot& metrics_;
  std::string missing_;
};

}  // namespace

Result<SenderLedger> SenderLedger::From(const MetricsSnapshot& metrics) {
  Reader reader(metrics);
  SenderLedger ledger;
  ledger.captured = reader.Sum("pcap_zmq_sender_packets_total");
  ledger.kernel_lost = reader.Sum("pcap_zmq_sender_kernel_lost_packets_total");
  ledger.sent = reader.Sum("pcap_zmq_sender_sent_packets_total");
  ledger.dropped = reader.Sum("pcap_zmq_sender_dropped_packets_total");
  ledger.held = reader.Sum("pcap_zmq_sender_held_packets");
  ledger.buffered = reader.Sum("pcap_zmq_sender_buffered_packets");
  if (!reader.missing().empty()) {
    return RuntimeError("the sender has no metric " + reader.missing());
  }
  return ledger;
}

Status SenderLedger::Check(uint64_t logged) const {
  if (logged != kernel_lost + captured) {
    return RuntimeError("logged " + std::to_string(logged) +
                        " != kernel lost + captured: " + Text());
  }
  if (captured != sent + dropped + held + buffered) {
    return RuntimeError("captured != sent + dropped + held + buffered: " + Text());
  }
  return {};
}

std::string SenderLedger::Text() const {
  return "captured " + std::to_string(captured) + ", kernel lost " + std::to_string(kernel_lost) +
         ", sent " + std::to_string(sent) + ", dropped " + std::to_string(dropped) + ", held " +
         std::to_string(held) + ", buffered " + std::to_string(buffered);
}

Result<ReceiverLedger> ReceiverLedger::From(const MetricsSnapshot& metrics,
                                            const std::string& sender, const std::string& sink) {
  Reader reader(metrics);
  const Labels from = sender.empty() ? Labels{} : Labels{{"sender", sender}};
  const Labels to = {{"sink", sink}};
  ReceiverLedger ledger;
  ledger.received = reader.SumOrZero("pcap_zmq_receiver_packets_total", from);
  ledger.unseen = reader.SumOrZero("pcap_zmq_receiver_unseen_packets_total", from);
  ledger.lost = reader.SumOrZero("pcap_zmq_receiver_lost_packets_total", from);
  ledger.late = reader.SumOrZero("pcap_zmq_receiver_late_packets_total", from);
  ledger.sink_delivered = reader.Sum("pcap_zmq_receiver_sink_packets_total", to);
  ledger.sink_dropped = reader.Sum("pcap_zmq_receiver_sink_dropped_packets_total", to);
  ledger.sink_queued = reader.Sum("pcap_zmq_receiver_sink_queued_packets", to);
  if (!reader.missing().empty()) {
    return RuntimeError("the receiver has no metric " + reader.missing() + " for " + sink);
  }
  return ledger;
}

Status ReceiverLedger::Check(uint64_t sent) const {
  if (sent != unseen + received + gone()) {
    return RuntimeError("sent " + std::to_string(sent) +
                        " != unseen + received + (lost - late): " + Text());
  }
  if (received != sink_delivered + sink_dropped || sink_queued != 0) {
    return RuntimeError("received != delivered + dropped: " + Text());
  }
  return {};
}

std::string ReceiverLedger::Text() const {
  return "received " + std::to_string(received) + ", unseen " + std::to_string(unseen) + ", lost " +
         std::to_string(lost) + ", late " + std::to_string(late) + ", delivered " +
         std::to_string(sink_delivered) + ", dropped at the sink " + std::to_string(sink_dropped) +
         ", queued " + std::to_string(sink_queued);
}

}  // namespace pcap_zmq::testing
