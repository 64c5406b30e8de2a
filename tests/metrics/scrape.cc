// SPDX-License-Identifier: MIT
#include "tests/metrics/scrape.h"

#include <sstream>

namespace pcap_zmq::testing {
namespace {

/// Cuts `line` at the first blank after `from`.
std::pair<std::string, std::string> CutAtBlank(const std::string& line, size_t from) {
  const size_t blank = line.find(' ', from);
  if (blank == std::string::npos) {
    return {line.substr(from), ""};
  }
  return {line.substr(from, blank - from), line.substr(blank + 1)};
}

/// Where the series of a sample line ends: at the closing brace or, without labels, at the blank.
size_t SeriesEnd(const std::string& line) {
  const size_t brace = line.find('{');
  if (brace == std::string::npos || brace > line.find(' ')) {
    return line.find(' ');
  }
  bool quoted = false;
  for (size_t at = brace; at < line.size(); ++at) {
    if (quoted && line[at] == '\\') {
      ++at;
    } else if (line[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && line[at] == '}') {
      return at + 1;
    }
  }
  return std::string::npos;
}

}  // namespace

Scrape::Scrape(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      helps.insert(CutAtBlank(line, 7));
    } else if (line.starts_with("# TYPE ")) {
      types.insert(CutAtBlank(line, 7));
    } else if (const size_t end = SeriesEnd(line);
               end == std::string::npos || end + 1 >= line.size() || line[end] != ' ') {
      errors.push_back("not a sample: " + line);
    } else if (!samples.emplace(line.substr(0, end), line.substr(end + 1)).second) {
      errors.push_back("comes twice: " + line);
    }
  }
}

FilledSender::FilledSender() {
  pump.sources.emplace_back("nflog:0");
  pump.sources.emplace_back("nflog:1");
  pump.sources[0].captured_packets.Add(101);
  pump.sources[0].captured_bytes.Add(12345678901);
  pump.sources[0].kernel_lost_packets.Add(103);
  pump.sources[1].captured_packets.Add(104);
  pump.sources[1].captured_bytes.Add(105);
  pump.overruns.Add(107);
  pump.truncated_datagrams.Add(108);
  pump.damaged_records.Add(109);
  pump.receive_buffer_bytes.Set(110);
  pump.nflog_threshold.Set(111);
  pump.dropped.Add(DropReason::kShed, 112);
  pump.dropped.Add(DropReason::kShutdown, 113);
  pump.rate_bytes_per_second.Set(114);
  pump.state.Set(static_cast<int64_t>(ShaperState::kSquash));
  pump.effort.Set(static_cast<int64_t>(SquashEffort::kPlain));
  pump.held_packets.Set(115);
  pump.sent_packets.Add(116);
  pump.sent_bytes.Add(117);
  pump.sent_frames.Add(118);
  pump.squashed_packets.Add(119);
  pump.squash_input_bytes.Add(120);
  pump.squash_output_bytes.Add(121);
  pump.zmq_hwm_hits.Add(122);
  pump.buffered_bytes.Set(123);
  pump.buffered_packets.Set(124);
  pump.connected_endpoints.Set(125);
  pump.handshake_failures.Add(126);
  pump.endpoints.Post(
      {{"tcp://10.0.0.1:1234", true, 127, 128, 129}, {"tcp://10.0.0.2:1234", false, 0, 130, 131}});
  pump.low_watermark.Set(132);
  pump.high_watermark.Set(133);
  pump.capture_to_send.Observe(30 * kNanosPerMicro, 2);
  pump.capture_to_send.Observe(60 * kNanosPerSecond, 1);
}

std::string FilledSender::Text() const {
  return SenderMetrics({"pcap-zmq-send", "0.1.0", "gw1"}, {&pump})();
}

FilledReceiver::FilledReceiver() {
  receiver.rejected_frames.Add(RejectReason::kMagic, 201);
  receiver.received_bytes.Add(202);
  receiver.output_mode.Set(static_cast<int64_t>(OutputMode::kSpread));
  receiver.connections.connected_peers.Set(203);
  receiver.connections.disconnects.Add(204);
  receiver.connections.refused.Add(ConnectionRefusal::kUnknownKey, 223);
  receiver.connections.authorized_keys.Set(224);
  receiver.memory.Set(MemoryBudget::Holder::kTransport, 225);
  receiver.memory.Set(MemoryBudget::Holder::kInbox, 226);
  receiver.memory.Set(MemoryBudget::Holder::kQueues, 227);
  receiver.memory.SetLimit(228);
  fifo.delivered_packets.Add(205);
  fifo.delivered_bytes.Add(206);
  fifo.rewritten_packets.Add(207);
  fifo.dropped.Add(SinkDropReason::kWriteError, 208);
  fifo.queued_packets.Set(209);
  fifo.reader_attached.Set(1);
  fifo.reopens.Add(210);
  fifo.blocked_nanos.Add(2'500'000'000);
  fifo.delivery.Observe(3 * kNanosPerMilli, 4);

  SenderSnapshot gateway;
  gateway.name = "gateway";
  gateway.version = "0.1.0";
  gateway.frames = 211;
  gateway.packets = 212;
  gateway.bytes = 213;
  gateway.lost_packets = 214;
  gateway.late_packets = 103;
  gateway.shifted_packets = 104;
  gateway.clock_offset_seconds = -1.5;
  gateway.unseen_packets = 215;
  gateway.has_totals = true;
  gateway.totals.captured_packets = 216;
  gateway.totals.sent_packets = 217;
  gateway.totals.sent_bytes = 218;
  gateway.totals.kernel_lost_packets = 219;
  gateway.totals.rate_bytes_per_second = 220;
  gateway.totals.state = ShaperState::kShed;
  gateway.totals.dropped_packets[static_cast<size_t>(DropReason::kZmqHwm)] = 221;
  gateway.seconds_since_heard = 0.25;
  SenderSnapshot legacy;
  legacy.name = "legacy";
  legacy.frames = 222;
  senders = {gateway, legacy};
}

std::string FilledReceiver::Text() const {
  return ReceiverMetrics({"pcap-zmq-recv", "0.1.0"}, &receiver, {&fifo, &file},
                         [this] { return senders; })();
}

}  // namespace pcap_zmq::testing
