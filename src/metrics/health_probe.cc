// SPDX-License-Identifier: MIT
#include "metrics/health_probe.h"

#include <civetweb.h>

#include <array>
#include <memory>

#include "metrics/listen_address.h"

namespace pcap_zmq {
namespace {

constexpr int kPatienceMillis = 2000;

std::string OnLoopback(const ListenAddress& address) {
  if (address.host == "0.0.0.0") {
    return "127.0.0.1";
  }
  return address.host == "::" ? "::1" : address.host;
}

}  // namespace

Status AskHealth(const std::string& address) {
  const Result<ListenAddress> parsed = ParseListenAddress(address);
  if (!parsed.ok()) {
    return parsed.error();
  }
  const ListenAddress& where = parsed.value();
  if (where.port == 0) {
    return ConfigError("--metrics " + address +
                       " lets the system choose the port, so nobody knows " +
                       "where to ask; give a port");
  }
  mg_init_library(MG_FEATURES_DEFAULT);
  std::array<char, 256> error{};
  const std::string asked = "http://" + where.Text() + "/healthz";
  const std::unique_ptr<mg_connection, void (*)(mg_connection*)> connection(
      mg_connect_client(OnLoopback(where).c_str(), where.port, 0, error.data(), error.size()),
      [](mg_connection* open) {
        if (open != nullptr) {
          mg_close_connection(open);
        }
      });
  if (connection == nullptr) {
    return RuntimeError("nobody answers at " + asked + ": " + error.data());
  }
  mg_printf(connection.get(), "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n");
  if (mg_get_response(connection.get(), error.data(), error.size(), kPatienceMillis) < 0) {
    return RuntimeError("no answer from " + asked + ": " + error.data());
  }
  const mg_response_info* answer = mg_get_response_info(connection.get());
  if (answer == nullptr || answer->status_code != 200) {
    return RuntimeError(asked + " answers " +
                        (answer == nullptr ? "nothing" : std::to_string(answer->status_code)));
  }
  return {};
}

}  // namespace pcap_zmq
