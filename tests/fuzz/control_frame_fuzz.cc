// SPDX-License-Identifier: MIT
//
// Any bytes as the payload of a control frame, and any report written as one.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "codec/control_frame.h"
#include "codec/frame_format.h"
#include "tests/fuzz/fuzz_support.h"

namespace pcap_zmq {
namespace {

using testing::Require;

bool IsSafe(const std::string& text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

std::optional<ControlReport> Parse(const std::string& json) {
  return ParseControl({reinterpret_cast<const uint8_t*>(json.data()), json.size()});
}

bool operator==(const SenderTotals& a, const SenderTotals& b) {
  return a.captured_packets == b.captured_packets && a.sent_packets == b.sent_packets &&
         a.sent_bytes == b.sent_bytes && a.kernel_lost_packets == b.kernel_lost_packets &&
         a.rate_bytes_per_second == b.rate_bytes_per_second && a.state == b.state &&
         a.dropped_packets == b.dropped_packets;
}

// Written and read back, `report` is the same.
void CheckRoundTrip(const ControlReport& report) {
  const std::string json = SerializeControl(report);
  Require(json.size() <= kMaxControlBytes, "a report fits a control frame");
  const auto again = Parse(json);
  Require(again.has_value(), "what is written can be read");
  Require(again->name == report.name && again->version == report.version &&
              again->instance == report.instance && again->totals == report.totals,
          "what is written is what was read");
}

// A report with the input's bytes for numbers and texts.
ControlReport Made(testing::FuzzInput input) {
  ControlReport report;
  SenderTotals& totals = report.totals;
  totals.state = static_cast<ShaperState>(input.Number(1) % 3);
  for (uint64_t* number : {&totals.captured_packets, &totals.sent_packets, &totals.sent_bytes,
                           &totals.kernel_lost_packets, &totals.rate_bytes_per_second}) {
    *number = input.Number(8);
  }
  for (uint64_t& dropped : totals.dropped_packets) {
    dropped = input.Number(8);
  }
  report.instance = totals.sent_bytes ^ totals.captured_packets;
  for (std::string* text : {&report.name, &report.version}) {
    const auto bytes = input.Take(100);
    text->assign(bytes.begin(), bytes.end());
  }
  return report;
}

// A sender can call itself anything; what arrives differs in that alone.
void CheckUnsafe(const ControlReport& report) {
  const auto read = Parse(SerializeControl(report));
  Require(read.has_value(), "every report can be read");
  Require(IsSafe(read->name) && IsSafe(read->version), "names are made safe");
  Require(!IsSafe(report.name) || read->name == report.name, "safe names stay as they are");
  Require(read->totals == report.totals && read->instance == report.instance, "numbers arrive");
  CheckRoundTrip(*read);
}

}  // namespace
}  // namespace pcap_zmq

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pcap_zmq;
  CheckUnsafe(Made({data, size}));
  const auto report = ParseControl({data, size});
  if (report.has_value()) {
    Require(IsSafe(report->name) && IsSafe(report->version), "names are made safe");
    CheckRoundTrip(*report);
  }
  return 0;
}
