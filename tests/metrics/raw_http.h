// SPDX-License-Identifier: MIT
//
// HTTP over a bare socket, so that tests see every byte and can misbehave.
#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace pcap_zmq::testing {

/// A connection to "127.0.0.1:PORT"; invalid when nobody listens.
UniqueFd Connect(const std::string& address);

/// Sends all of `bytes`; false when the connection is gone.
bool Send(const UniqueFd& connection, std::string_view bytes);

/// Everything up to the end of the connection; what came so far when nothing follows for 30 s.
std::string ReceiveAll(const UniqueFd& connection);

/// One request on a connection of its own, and everything that comes back.
std::string Exchange(const std::string& address, std::string_view request);

/// "GET" or another method for `path`, as a request of HTTP/1.1.
std::string Request(std::string_view method, std::string_view path);

/// What follows the header fields of `response`.
std::string Body(const std::string& response);

}  // namespace pcap_zmq::testing
