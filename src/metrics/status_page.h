// SPDX-License-Identifier: MIT
//
// The page at /, for people without Grafana.
#pragma once

#include <string_view>

namespace pcap_zmq {

/// status_page.html, whole; it needs nothing but /status of the server that it comes from.
extern const std::string_view kStatusPage;

}  // namespace pcap_zmq
