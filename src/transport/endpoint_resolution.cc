// SPDX-License-Identifier: MIT
#include "transport/endpoint_resolution.h"

#include <netdb.h>
#include <netinet/in.h>

#include <memory>
#include <string_view>

namespace pcap_zmq {
namespace {

constexpr std::string_view kTcp = "tcp://";

std::string HostOf(const std::string& endpoint) {
  std::string host = endpoint.substr(kTcp.size());
  // "source;destination" binds the local end first.
  if (const size_t semicolon = host.find(';'); semicolon != std::string::npos) {
    host.erase(0, semicolon + 1);
  }
  host.erase(host.rfind(':') == std::string::npos ? host.size() : host.rfind(':'));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return host;
}

}  // namespace

Result<ResolvedEndpoint> ResolveEndpoint(const std::string& endpoint) {
  ResolvedEndpoint resolved;
  if (!endpoint.starts_with(kTcp)) {
    return resolved;
  }
  const std::string host = HostOf(endpoint);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  if (status == EAI_AGAIN || status == EAI_SYSTEM || status == EAI_MEMORY) {
    resolved.unresolved_yet = true;
    return resolved;
  }
  if (status != 0) {
    return ConfigError("cannot resolve '" + host + "' of endpoint " + endpoint + ": " +
                       gai_strerror(status) + "; check the name or write an address");
  }
  resolved.ipv6_only = true;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    resolved.ipv6_only = resolved.ipv6_only && address->ai_family == AF_INET6;
  }
  return resolved;
}

bool IsIpv6Literal(const std::string& endpoint) {
  return endpoint.starts_with(kTcp) && endpoint.find('[') != std::string::npos;
}

}  // namespace pcap_zmq
