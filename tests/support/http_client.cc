// SPDX-License-Identifier: MIT
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <system_error>

#include "base/unique_fd.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

Result<std::string> Exchange(uint16_t port, const std::string& request) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kGenerously.count() / 1000, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    return RuntimeError("no HTTP server: " + std::generic_category().message(errno));
  }
  std::string answer;
  std::array<char, 16384> buffer{};
  ssize_t got = 0;
  while ((got = ::recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0) {
    answer.append(buffer.data(), static_cast<size_t>(got));
  }
  if (got < 0) {
    return RuntimeError("HTTP answer cut: " + std::generic_category().message(errno));
  }
  return answer;
}

// Reads `name="value",...` up to the closing brace; moves `at` behind it.
std::optional<Labels> ParseLabels(std::string_view line, size_t* at) {
  Labels labels;
  while (*at < line.size() && line[*at] != '}') {
    const size_t equals = line.find("=\"", *at);
    if (equals == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string name(line.substr(*at, equals - *at));
    std::string value;
    size_t i = equals + 2;
    for (; i < line.size() && line[i] != '"'; ++i) {
      if (line[i] == '\\' && i + 1 < line.size()) {
        ++i;
        value += line[i] == 'n' ? '\n' : line[i];
      } else {
        value += line[i];
      }
    }
    if (i >= line.size()) {
      return std::nullopt;
    }
    labels[name] = value;
    *at = i + 1;
    if (*at < line.size() && line[*at] == ',') {
      ++*at;
    }
  }
  ++*at;
  return labels;
}

bool HasAll(const Labels& labels, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&labels](const auto& label) {
    const auto found = labels.find(label.first);
    return found != labels.end() && found->second == label.second;
  });
}

}  // namespace

Result<HttpResponse> HttpGet(uint16_t port, const std::string& path) {
  const auto answer =
      Exchange(port, "GET " + path + " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  if (!answer.ok()) {
    return answer.error();
  }
  const std::string& text = answer.value();
  const size_t body = text.find("\r\n\r\n");
  if (text.compare(0, 5, "HTTP/") != 0 || body == std::string::npos) {
    return RuntimeError("not an HTTP answer: " + text.substr(0, 80));
  }
  HttpResponse response;
  response.status = std::atoi(text.c_str() + text.find(' '));
  response.body = text.substr(body + 4);
  return response;
}

Result<MetricsSnapshot> MetricsSnapshot::Fetch(uint16_t port) {
  const auto response = HttpGet(port, "/metrics");
  if (!response.ok()) {
    return response.error();
  }
  if (response.value().status != 200) {
    return RuntimeError("/metrics answers " + std::to_string(response.value().status));
  }
  return Parse(response.value().body);
}

Result<MetricsSnapshot> MetricsSnapshot::Parse(std::string_view text) {
  MetricsSnapshot snapshot;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') {
      continue;
    }
    size_t at = line.find_first_of("{ ");
    if (at == std::string_view::npos) {
      return RuntimeError("not a metric: " + std::string(line));
    }
    const std::string name(line.substr(0, at));
    std::optional<Labels> labels = Labels{};
    if (line[at] == '{') {
      ++at;
      labels = ParseLabels(line, &at);
    }
    const std::string number(line.substr(std::min(at, line.size())));
    char* number_end = nullptr;
    const double value = std::strtod(number.c_str(), &number_end);
    if (!labels.has_value() || number_end == number.c_str()) {
      return RuntimeError("not a metric: " + std::string(line));
    }
    snapshot.series_[name].emplace_back(std::move(*labels), value);
  }
  return snapshot;
}

double MetricsSnapshot::Value(const std::string& name, const Labels& labels) const {
  const auto found = series_.find(name);
  if (found != series_.end()) {
    for (const auto& [its_labels, value] : found->second) {
      if (its_labels == labels) {
        return value;
      }
    }
  }
  return kMissing;
}

double MetricsSnapshot::Sum(const std::string& name, const Labels& labels) const {
  const auto found = series_.find(name);
  double sum = kMissing;
  if (found != series_.end()) {
    for (const auto& [its_labels, value] : found->second) {
      if (HasAll(its_labels, labels)) {
        sum = std::isnan(sum) ? value : sum + value;
      }
    }
  }
  return sum;
}

double MetricsSnapshot::CountUpTo(const std::string& name, double bound) const {
  const auto found = series_.find(name + "_bucket");
  double sum = kMissing;
  if (found != series_.end()) {
    for (const auto& [labels, value] : found->second) {
      const auto le = labels.find("le");
      if (le != labels.end() && std::abs(std::atof(le->second.c_str()) - bound) < bound * 1e-9) {
        sum = std::isnan(sum) ? value : sum + value;
      }
    }
  }
  return sum;
}

std::vector<std::string> MetricsSnapshot::LabelValues(const std::string& name,
                                                      const std::string& label) const {
  std::vector<std::string> values;
  const auto found = series_.find(name);
  if (found != series_.end()) {
    for (const auto& [labels, value] : found->second) {
      const auto its = labels.find(label);
      if (its != labels.end() &&
          std::find(values.begin(), values.end(), its->second) == values.end()) {
        values.push_back(its->second);
      }
    }
  }
  return values;
}

}  // namespace pcap_zmq::testing
