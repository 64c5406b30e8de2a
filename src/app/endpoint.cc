// SPDX-License-Identifier: MIT
#include "app/endpoint.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace pcap_zmq {
namespace {

enum class Side { kConnect, kBind };

// Transports of PUSH and PULL sockets between processes.  A libzmq built without one of them says
// so itself.
constexpr std::array<std::string_view, 6> kSchemes = {"tcp", "ipc", "tipc", "vmci", "ws", "wss"};

std::string Quote(std::string_view text) {
  return "'" + std::string(text) + "'";
}

std::string_view Example(Side side) {
  return side == Side::kConnect ? "write tcp://ids.example.org:1234 or ipc:///run/pipe.sock"
                                : "write tcp://0.0.0.0:1234 or ipc:///run/pipe.sock";
}

Error Bad(std::string_view endpoint, std::string_view reason, Side side) {
  return ConfigError(Quote(endpoint) + " " + std::string(reason) + "; " +
                     std::string(Example(side)));
}

std::optional<unsigned> ParsePort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > 65'535) {
    return std::nullopt;
  }
  return port;
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

// Hexadecimal digits, colons and perhaps a scope, in brackets.
bool IsBracketedIpv6(std::string_view host) {
  if (host.size() < 4 || host.front() != '[' || host.back() != ']') {
    return false;
  }
  const std::string_view inside = host.substr(1, host.size() - 2);
  const std::string_view address = inside.substr(0, inside.find('%'));
  return address.find(':') != std::string_view::npos &&
         address.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos &&
         std::all_of(inside.begin() + static_cast<std::ptrdiff_t>(address.size()), inside.end(),
                     [](char c) { return c == '%' || IsHostCharacter(c); });
}

// What is wrong with "HOST:PORT", or an empty string.
std::string TcpFault(std::string_view address, Side side) {
  const size_t colon = address.rfind(':');
  const size_t bracket = address.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) {
    return "has no port";
  }
  const std::string_view host = address.substr(0, colon);
  const std::string_view port_text = address.substr(colon + 1);
  if (host.empty()) {
    return "has no host";
  }
  if (host == "*") {
    if (side == Side::kConnect) {
      return "names no host to connect to";
    }
  } else if (host.front() == '[' || host.back() == ']') {
    if (!IsBracketedIpv6(host)) {
      return "has brackets without an IPv6 address in them";
    }
  } else if (host.find(':') != std::string_view::npos) {
    return "needs brackets around its IPv6 address, such as tcp://[2001:db8::1]:1234";
  } else if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) {
    return "has a host with characters that no host name has";
  }
  const std::optional<unsigned> port = ParsePort(port_text);
  if (side == Side::kBind) {
    if (port_text != "*" && !port) {
      return "needs a port from 1 to 65535, or * for any free one";
    }
  } else if (!port || *port == 0) {
    return "needs a port from 1 to 65535";
  }
  return {};
}

std::string IpcFault(std::string_view path, Side side) {
  if (path.empty()) {
    return "has no path";
  }
  if (path == "*" && side == Side::kConnect) {
    return "names no socket to connect to";
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return "has a path longer than the " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
           " bytes of a Unix socket's address";
  }
  return {};
}

std::string EndpointFault(std::string_view endpoint, Side side) {
  const size_t separator = endpoint.find("://");
  if (separator == std::string_view::npos) {
    return "is not a ZeroMQ endpoint";
  }
  const std::string_view scheme = endpoint.substr(0, separator);
  std::string_view address = endpoint.substr(separator + 3);
  if (scheme == "inproc") {
    return "reaches only this very process";
  }
  if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end()) {
    return "has a transport that cannot carry packets here (known are tcp and ipc)";
  }
  if (scheme == "ipc") {
    return IpcFault(address, side);
  }
  if (scheme != "tcp") {
    return address.empty() ? "has no address" : "";
  }
  // "tcp://SOURCE;HOST:PORT" connects from a chosen local address.
  const size_t semicolon = address.find(';');
  if (semicolon != std::string_view::npos && side == Side::kConnect) {
    if (std::string fault = TcpFault(address.substr(0, semicolon), Side::kBind); !fault.empty()) {
      return "has a source address that " + fault;
    }
    address.remove_prefix(semicolon + 1);
  }
  return TcpFault(address, side);
}

Status Check(std::string_view endpoint, Side side) {
  const std::string fault = EndpointFault(endpoint, side);
  if (fault.empty()) {
    return {};
  }
  return Bad(endpoint, fault, side);
}

}  // namespace

Status CheckConnectEndpoint(std::string_view endpoint) {
  return Check(endpoint, Side::kConnect);
}

Status CheckBindEndpoint(std::string_view endpoint) {
  return Check(endpoint, Side::kBind);
}

bool LeavesTheHost(std::string_view endpoint) {
  if (endpoint.starts_with("ipc://") || endpoint.starts_with("inproc://")) {
    return false;
  }
  const size_t scheme = endpoint.find("://");
  const std::string_view address =
      scheme == std::string_view::npos ? endpoint : endpoint.substr(scheme + 3);
  const std::string_view host = address.substr(0, address.rfind(':'));
  // 127.0.0.0/8 in digits: a name may begin like that too.
  const bool loopback =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return !loopback && host != "[::1]" && host != "localhost" && host != "lo";
}

Status CheckListenAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  const std::string_view host = address.substr(0, std::min(colon, address.size()));
  const bool host_fits = host.empty() || std::all_of(host.begin(), host.end(), IsHostCharacter) ||
                         IsBracketedIpv6(host);
  if (colon == std::string_view::npos || !host_fits || !ParsePort(address.substr(colon + 1))) {
    return ConfigError(Quote(address) +
                       " is not an address to listen on; write 127.0.0.1:9477, [::1]:9477 or off");
  }
  return {};
}

}  // namespace pcap_zmq
