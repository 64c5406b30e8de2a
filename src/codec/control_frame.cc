// SPDX-License-Identifier: MIT
#include "codec/control_frame.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/sender_name.h"

namespace pcap_zmq {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxTextLength = 64;
constexpr std::array<std::string_view, 3> kStateNames = {"pass", "squash", "shed"};

std::string MakeSafe(std::string_view text) {
  std::string safe(text.substr(0, kMaxTextLength));
  for (char& c : safe) {
    c = IsSenderNameCharacter(c) ? c : '_';
  }
  return safe;
}

// A getter that remembers whether any key had the wrong type.
class ObjectReader {
 public:
  explicit ObjectReader(const Json& object) : object_(object) {}

  uint64_t Number(std::string_view key) {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      return 0;
    }
    if (!found->is_number_unsigned()) {
      ok_ = false;
      return 0;
    }
    return found->get<uint64_t>();
  }

  std::string Text(std::string_view key) {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      return {};
    }
    if (!found->is_string()) {
      ok_ = false;
      return {};
    }
    return found->get<std::string>();
  }

  bool ok() const { return ok_; }

 private:
  const Json& object_;
  bool ok_ = true;
};

}  // namespace

std::string SerializeControl(const ControlReport& report) {
  const SenderTotals& totals = report.totals;
  Json dropped = Json::object();
  for (size_t i = 0; i < kDropReasonNames.size(); ++i) {
    dropped[std::string(kDropReasonNames[i])] = totals.dropped_packets[i];
  }
  Json json = {{"name", report.name},
               {"version", report.version},
               {"captured", totals.captured_packets},
               {"sent", totals.sent_packets},
               {"sent_bytes", totals.sent_bytes},
               {"kernel_lost", totals.kernel_lost_packets},
               {"rate", totals.rate_bytes_per_second},
               {"state", kStateNames[static_cast<size_t>(totals.state)]},
               {"dropped", std::move(dropped)}};
  if (report.instance != 0) {
    json["instance"] = report.instance;
  }
  if (report.clock_micros != 0) {
    json["clock"] = report.clock_micros;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<ControlReport> ParseControl(std::span<const uint8_t> payload) {
  const Json json =
      Json::parse(payload.begin(), payload.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return std::nullopt;
  }
  ObjectReader reader(json);
  ControlReport report;
  report.name = MakeSafe(reader.Text("name"));
  report.version = MakeSafe(reader.Text("version"));
  report.instance = reader.Number("instance");
  report.clock_micros = reader.Number("clock");
  SenderTotals& totals = report.totals;
  totals.captured_packets = reader.Number("captured");
  totals.sent_packets = reader.Number("sent");
  totals.sent_bytes = reader.Number("sent_bytes");
  totals.kernel_lost_packets = reader.Number("kernel_lost");
  totals.rate_bytes_per_second = reader.Number("rate");
  const std::string state = reader.Text("state");
  const auto known = std::find(kStateNames.begin(), kStateNames.end(), state);
  if (known != kStateNames.end()) {
    totals.state = static_cast<ShaperState>(known - kStateNames.begin());
  }
  const auto dropped = json.find("dropped");
  if (dropped != json.end()) {
    if (!dropped->is_object()) {
      return std::nullopt;
    }
    ObjectReader reasons(*dropped);
    for (size_t i = 0; i < kDropReasonNames.size(); ++i) {
      totals.dropped_packets[i] = reasons.Number(kDropReasonNames[i]);
    }
    if (!reasons.ok()) {
      return std::nullopt;
    }
  }
  return reader.ok() ? std::optional(std::move(report)) : std::nullopt;
}

}  // namespace pcap_zmq
