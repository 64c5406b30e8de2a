// SPDX-License-Identifier: MIT
#include "app/status.h"

#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

#include "app/config_loader.h"
#include "app/ledger.h"
#include "app/version.h"

namespace pcap_zmq {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 3> kStates = {"pass", "squash", "shed"};
constexpr std::array<std::string_view, 3> kEfforts = {"full", "fast", "plain"};

template <typename Names, typename Values>
Json ByReason(const Names& names, const Values& values) {
  Json object = Json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    object[std::string(names[i])] = values(i);
  }
  return object;
}

Json PumpRow(const PumpStats& pump) {
  Json sources = Json::array();
  for (const SourceStats& source : pump.sources) {
    sources.push_back({{"source", source.label},
                       {"captured", source.captured_packets.Value()},
                       {"captured_bytes", source.captured_bytes.Value()},
                       {"kernel_lost", source.kernel_lost_packets.Value()}});
  }
  return {{"sources", std::move(sources)},
          {"state", kStates[static_cast<size_t>(pump.state.Value())]},
          {"squash_effort", kEfforts[static_cast<size_t>(pump.effort.Value())]},
          {"rate_bytes_per_second", pump.rate_bytes_per_second.Value()},
          {"connected_endpoints", pump.connected_endpoints.Value()},
          {"receive_buffer_bytes", pump.receive_buffer_bytes.Value()},
          {"nflog_threshold", pump.nflog_threshold.Value()}};
}

Json EndpointTable(const std::vector<const PumpStats*>& pumps) {
  Json table = Json::array();
  for (const EndpointCounts& row : SumEndpoints(pumps)) {
    table.push_back({{"endpoint", row.endpoint},
                     {"connected", row.connected},
                     {"sent", row.sent_packets},
                     {"dropped", row.dropped_packets},
                     {"buffered", row.buffered_packets}});
  }
  return table;
}

Json SinkRow(const SinkStats& sink) {
  return {{"output", sink.label},
          {"reader_attached", sink.reader_attached.Value() != 0},
          {"delivered", sink.delivered_packets.Value()},
          {"rewritten", sink.rewritten_packets.Value()},
          {"queued", sink.queued_packets.Value()},
          {"dropped", ByReason(kSinkDropReasonNames, [&](size_t i) {
             return sink.dropped.Value(static_cast<SinkDropReason>(i));
           })}};
}

Json SenderRow(const SenderSnapshot& sender) {
  Json row = {
      {"sender", sender.name},           {"received", sender.packets},
      {"received_bytes", sender.bytes},  {"frames", sender.frames},
      {"lost", sender.lost_packets},     {"late", sender.late_packets},
      {"unseen", sender.unseen_packets}, {"last_heard_seconds", sender.seconds_since_heard}};
  if (sender.clock_offset_seconds) {
    row["clock_offset_seconds"] = *sender.clock_offset_seconds;
  }
  if (sender.has_totals) {
    row["version"] = sender.version;
    row["captured"] = sender.totals.captured_packets;
    row["sent"] = sender.totals.sent_packets;
    row["kernel_lost"] = sender.totals.kernel_lost_packets;
    row["rate_bytes_per_second"] = sender.totals.rate_bytes_per_second;
    row["state"] = kStates[static_cast<size_t>(sender.totals.state)];
    row["dropped"] =
        ByReason(kDropReasonNames, [&](size_t i) { return sender.totals.dropped_packets[i]; });
  }
  return row;
}

std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string SenderStatus(const SenderConfig& config, const std::vector<const PumpStats*>& pumps) {
  const SenderLedger ledger = SumLedger(pumps);
  Json rows = Json::array();
  for (const PumpStats* pump : pumps) {
    rows.push_back(PumpRow(*pump));
  }
  return Dump(
      {{"program", kSenderProgram},
       {"version", kVersion},
       {"ledger",
        {{"kernel_lost", ledger.kernel_lost},
         {"captured", ledger.captured},
         {"sent", ledger.sent},
         {"held", ledger.held},
         {"buffered", ledger.buffered},
         {"dropped", ByReason(kDropReasonNames, [&](size_t i) { return ledger.dropped[i]; })}}},
       {"encryption", config.curve_key.empty() ? "none" : "curve"},
       {"watermarks_bytes_per_second", {{"low", LowWatermark(config)}, {"high", config.hwm}}},
       {"endpoints", EndpointTable(pumps)},
       {"pumps", std::move(rows)},
       {"config", Json::parse(EffectiveConfigJson(config), nullptr, false)}});
}

std::string ReceiverStatus(const ReceiverConfig& config, const std::string& bound_endpoint,
                           const ReceiverStats& stats, const std::vector<const SinkStats*>& sinks,
                           const std::vector<SenderSnapshot>& senders) {
  const ReceiverLedger ledger = SumLedger(senders);
  Json outputs = Json::array();
  for (const SinkStats* sink : sinks) {
    outputs.push_back(SinkRow(*sink));
  }
  Json rows = Json::array();
  for (const SenderSnapshot& sender : senders) {
    rows.push_back(SenderRow(sender));
  }
  return Dump({{"program", kReceiverProgram},
               {"version", kVersion},
               {"bound_endpoint", bound_endpoint},
               {"connected_peers", stats.connections.connected_peers.Value()},
               {"encryption", config.curve_key.empty() ? "none" : "curve"},
               {"ledger",
                {{"received", ledger.received},
                 {"lost", ledger.lost},
                 {"late", ledger.late},
                 {"unseen", ledger.unseen},
                 {"rejected_frames", ByReason(kRejectReasonNames,
                                              [&](size_t i) {
                                                return stats.rejected_frames.Value(
                                                    static_cast<RejectReason>(i));
                                              })}}},
               {"memory_bytes", ByReason(kMemoryHolderNames,
                                         [&](size_t i) {
                                           return stats.memory.Held(
                                               static_cast<MemoryBudget::Holder>(i));
                                         })},
               {"outputs", std::move(outputs)},
               {"senders", std::move(rows)},
               {"config", Json::parse(EffectiveConfigJson(config), nullptr, false)}});
}

}  // namespace pcap_zmq
