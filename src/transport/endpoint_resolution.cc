// SPDX-License-Identifier: MIT
#include "transport/endpoint_resolution.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

namespace pcap_zmq {
namespace {

constexpr std::string_view kTcp = "tcp://";

// "tcp://host:port", taken apart; "source;host:port" binds the local end first.
struct Parts {
  std::string before;  // the host, brackets included
  std::string host;    // without brackets
  std::string after;   // the host, brackets included
};

Parts Split(const std::string& endpoint) {
  const size_t semicolon = endpoint.find(';');
  const size_t begin = semicolon == std::string::npos ? kTcp.size() : semicolon + 1;
  const size_t colon = endpoint.rfind(':');
  const size_t end = colon == std::string::npos || colon < begin ? endpoint.size() : colon;
  Parts parts{endpoint.substr(0, begin), endpoint.substr(begin, end - begin), endpoint.substr(end)};
  std::string& host = parts.host;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return parts;
}

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// getaddrinfo(), and its result in `found`.
int LookUp(const std::string& host, int flags, Addresses* found) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* first = nullptr;
  const int status = getaddrinfo(host.c_str(), nullptr, &hints, &first);
  found->reset(first);
  return status;
}

}  // namespace

Result<ResolvedEndpoint> ResolveEndpoint(const std::string& endpoint) {
  ResolvedEndpoint resolved;
  if (!endpoint.starts_with(kTcp)) {
    return resolved;
  }
  const std::string host = Split(endpoint).host;
  Addresses found(nullptr, &freeaddrinfo);
  const int status = LookUp(host, 0, &found);
  if (status == EAI_AGAIN || status == EAI_SYSTEM || status == EAI_MEMORY) {
    resolved.unresolved_yet = true;
    return resolved;
  }
  if (status != 0) {
    return ConfigError("cannot resolve '" + host + "' of endpoint " + endpoint + ": " +
                       gai_strerror(status) + "; check the name or write an address");
  }
  resolved.ipv6_only = true;
  for (const addrinfo* address = found.get(); address != nullptr; address = address->ai_next) {
    resolved.ipv6_only = resolved.ipv6_only && address->ai_family == AF_INET6;
  }
  return resolved;
}

bool HasHostName(const std::string& endpoint) {
  if (!endpoint.starts_with(kTcp)) {
    return false;
  }
  Addresses found(nullptr, &freeaddrinfo);
  return LookUp(Split(endpoint).host, AI_NUMERICHOST, &found) == EAI_NONAME;
}

Result<std::vector<std::string>> ResolveAddresses(const std::string& endpoint) {
  const Parts parts = Split(endpoint);
  Addresses found(nullptr, &freeaddrinfo);
  if (const int status = LookUp(parts.host, 0, &found); status != 0) {
    return RuntimeError(gai_strerror(status));
  }
  std::vector<std::string> ipv4;
  std::vector<std::string> ipv6;
  for (const addrinfo* address = found.get(); address != nullptr; address = address->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(address->ai_addr, address->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      continue;
    }
    if (address->ai_family == AF_INET) {
      ipv4.push_back(parts.before + text.data() + parts.after);
    } else if (address->ai_family == AF_INET6) {
      ipv6.push_back(parts.before + "[" + text.data() + "]" + parts.after);
    }
  }
  std::vector<std::string>& all = ipv4.empty() ? ipv6 : ipv4;
  if (all.empty()) {
    return RuntimeError("it has no address");
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return std::move(all);
}

bool IsIpv6Literal(const std::string& endpoint) {
  return endpoint.starts_with(kTcp) && endpoint.find('[') != std::string::npos;
}

}  // namespace pcap_zmq
