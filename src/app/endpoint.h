// SPDX-License-Identifier: MIT
//
// Whether a text can be a ZeroMQ endpoint, told before ZeroMQ says no more than "Invalid argument".
#pragma once

#include <string_view>

#include "base/result.h"

namespace pcap_zmq {

/// Checks the form of an endpoint that a sender is to connect to; names are not looked up.
/// Errors:  kConfig, with an example.
/// Source:  zmq_tcp(7), zmq_ipc(7).
Status CheckConnectEndpoint(std::string_view endpoint);

/// The same for an endpoint that a receiver is to bind, where `*`, an interface's name and port 0
/// are allowed too.
Status CheckBindEndpoint(std::string_view endpoint);

/// Whether what goes through `endpoint` may pass a network: anything but ipc and loopback
/// addresses.
bool LeavesTheHost(std::string_view endpoint);

/// Checks "HOST:PORT", "[IPV6]:PORT" or ":PORT", the port being 0 (any free one) to 65535.
Status CheckListenAddress(std::string_view address);

}  // namespace pcap_zmq
