// SPDX-License-Identifier: MIT
#include "tests/metrics/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <string>

namespace pcap_zmq::testing {

UniqueFd Connect(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{30, 0};
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return UniqueFd();
  }
  return connection;
}

bool Send(const UniqueFd& connection, std::string_view bytes) {
  return ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

std::string ReceiveAll(const UniqueFd& connection) {
  std::string all;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(connection.get(), buffer, sizeof buffer, 0)) > 0;) {
    all.append(buffer, static_cast<size_t>(got));
  }
  return all;
}

std::string Exchange(const std::string& address, std::string_view request) {
  const UniqueFd connection = Connect(address);
  return connection.valid() && Send(connection, request) ? ReceiveAll(connection) : "";
}

std::string Request(std::string_view method, std::string_view path) {
  return std::string(method) + " " + std::string(path) +
         " HTTP/1.1\r\nHost: prometheus.example\r\nAccept: */*\r\n\r\n";
}

std::string Body(const std::string& response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

}  // namespace pcap_zmq::testing
