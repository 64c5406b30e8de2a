// SPDX-License-Identifier: MIT
//
// Any bytes as the payload of a control frame.
#include <algorithm>
#include <cstdint>
#include <string>

#include "codec/control_frame.h"
#include "codec/frame_format.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

bool IsSafe(const std::string& text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pcap_zmq;
  using testing::Require;
  const auto report = ParseControl({data, size});
  if (!report.has_value()) {
    return 0;
  }
  Require(IsSafe(report->name) && IsSafe(report->version), "names are made safe");
  const std::string json = SerializeControl(*report);
  Require(json.size() <= kMaxControlBytes, "what was read fits a control frame");
  const auto again = ParseControl({reinterpret_cast<const uint8_t*>(json.data()), json.size()});
  Require(again.has_value(), "what is written can be read");
  const SenderTotals& a = report->totals;
  const SenderTotals& b = again->totals;
  Require(again->name == report->name && again->version == report->version &&
              a.captured_packets == b.captured_packets && a.sent_packets == b.sent_packets &&
              a.sent_bytes == b.sent_bytes && a.kernel_lost_packets == b.kernel_lost_packets &&
              a.rate_bytes_per_second == b.rate_bytes_per_second && a.state == b.state &&
              a.dropped_packets == b.dropped_packets,
          "what is written is what was read");
  return 0;
}
