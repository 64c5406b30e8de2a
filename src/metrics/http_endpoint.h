// SPDX-License-Identifier: MIT
//
// The small HTTP server of both programs: /metrics, /healthz, /readyz, /status.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace pcap_zmq {

/// The answer to a probe: 200 when `ok`, else 503; `text` says in words why.
struct HealthReport {
  bool ok = false;
  std::string text;
};

/// What the paths answer with.
/// Threads: each is called from the server's threads, several at a time, but `metrics` and `status`
///          by one at a time; it should return soon.
struct HttpHandlers {
  std::function<std::string()> metrics;  ///< Prometheus' text format 0.0.4
  std::function<HealthReport()> health;
  std::function<HealthReport()> ready;
  std::function<std::string()> status;  ///< JSON
};

/// A server that answers GET and HEAD until it is destroyed.
///
/// It serves no files, writes no log and blocks every signal in its threads.  A request that is not
/// complete within 2 s is cut off.  How often the metrics and the status are made anew is bounded:
/// metrics/page_cache.h.
/// Threads: SIGPIPE is ignored in the whole process from Start() on: civetweb sees to that in each
///          of its threads.
class HttpEndpoint {
 public:
  /// Listens on `address`: "127.0.0.1:9477", "[::1]:9477", "localhost:9477" or ":9477" (all IPv4
  /// addresses); port 0 picks a free one.
  /// Errors:  kConfig when `address` does not parse or the system refuses it (in use, not ours),
  ///          and for IPv6 where the installed civetweb was built without it.
  static Result<std::unique_ptr<HttpEndpoint>> Start(const std::string& address,
                                                     HttpHandlers handlers);

  /// Cuts off the requests under way and waits for the threads, and so for handlers that run: at
  /// once as a rule, up to 2 s while a client holds an unfinished request open.
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  /// Where it listens, with the real port: "127.0.0.1:40123".
  std::string bound_address() const { return bound_address_; }

 private:
  class Server;  // hides civetweb

  HttpEndpoint(std::unique_ptr<Server> server, std::string bound_address);

  std::unique_ptr<Server> server_;
  std::string bound_address_;
};

}  // namespace pcap_zmq
