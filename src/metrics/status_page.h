// SPDX-License-Identifier: MIT
//
// The page at /, for people without Grafana.
#pragma once

#include <string_view>

namespace pcap_zmq {

/// status_page.html, whole, for as long as the program runs; it needs nothing but /status of the
/// server that it comes from. Any thread.
std::string_view StatusPage();

}  // namespace pcap_zmq
