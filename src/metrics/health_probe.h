// SPDX-License-Identifier: MIT
//
// Asks a running program how it is, for container engines: their images have no HTTP client.
#pragma once

#include <string>

#include "base/result.h"

namespace pcap_zmq {

/// Gets /healthz from the program whose --metrics is `address`, as HttpEndpoint::Start() takes it;
/// one that listens on all addresses is asked on loopback.
/// Errors:  kConfig when `address` does not parse or leaves the port to the system; kRuntime when
///          nobody answers within 2 s, or with anything but 200.
Status AskHealth(const std::string& address);

}  // namespace pcap_zmq
