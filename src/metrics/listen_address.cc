// SPDX-License-Identifier: MIT
#include "metrics/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return port;
}

bool IsAddress(int family, const std::string& host) {
  in6_addr room{};
  return ::inet_pton(family, host.c_str(), &room) == 1;
}

/// The socket address of `address`; its length is returned.
socklen_t FillSocketAddress(const ListenAddress& address, sockaddr_storage* out) {
  if (address.is_ipv6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(out);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &in6->sin6_addr);
    return sizeof *in6;
  }
  auto* in4 = reinterpret_cast<sockaddr_in*>(out);
  in4->sin_family = AF_INET;
  in4->sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &in4->sin_addr);
  return sizeof *in4;
}

Error ErrnoError() {
  return RuntimeError(std::generic_category().message(errno));
}

}  // namespace

std::string ListenAddress::Text() const {
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  const Error error = ConfigError("cannot understand the --metrics address '" + std::string(text) +
                                  "'; write it like 127.0.0.1:9477, [::1]:9477, :9477 or off");
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return error;
  }
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port) {
    return error;
  }
  const std::string host(text.substr(0, colon));
  if (host.empty()) {
    return ListenAddress{"0.0.0.0", *port, false};
  }
  if (host == "localhost") {
    return ListenAddress{"127.0.0.1", *port, false};
  }
  if (IsAddress(AF_INET, host)) {
    return ListenAddress{host, *port, false};
  }
  if (host.front() == '[' && host.back() == ']') {
    std::string inner = host.substr(1, host.size() - 2);
    if (IsAddress(AF_INET6, inner)) {
      return ListenAddress{std::move(inner), *port, true};
    }
  }
  return error;
}

Status TryListen(const ListenAddress& address) {
  sockaddr_storage storage{};
  const socklen_t length = FillSocketAddress(address, &storage);
  const UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 ||
      ::listen(fd.get(), 1) != 0) {
    return ErrnoError();
  }
  return {};
}

void Knock(const ListenAddress& address) {
  sockaddr_storage storage{};
  const socklen_t length = FillSocketAddress(address, &storage);
  const UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  static_cast<void>(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length));
}

}  // namespace pcap_zmq
