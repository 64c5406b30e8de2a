// SPDX-License-Identifier: MIT
#include "metrics/http_endpoint.h"

#include <civetweb.h>
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <future>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/thread.h"
#include "metrics/listen_address.h"
#include "metrics/page_cache.h"
#include "metrics/status_page.h"

namespace pcap_zmq {
namespace {

// A worker serves one connection at a time, so there are some for probes beside clients that are
// stuck, and a limit on how long each may be held.
constexpr const char* kWorkerThreads = "8";
constexpr const char* kRequestTimeoutMillis = "2000";
constexpr std::chrono::milliseconds kKnockInterval(10);

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
constexpr std::string_view kMetricsText = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kNoSuchPage =
    "there is no such page; these are:\n"
    "/         what the program does, drawn, for a browser\n"
    "/metrics  counters and gauges for Prometheus\n"
    "/healthz  200 while the program is alive\n"
    "/readyz   200 when it is ready for traffic, else 503\n"
    "/status   configuration and ledger as JSON\n";

/// Threads started within its life have all signals blocked, so that the program's own signal
/// handling sees every one of them.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

struct Response {
  int code;
  std::string_view code_text;
  std::string_view content_type;
  std::string body;
};

Response Ok(std::string_view content_type, std::string body) {
  return {200, "OK", content_type, std::move(body)};
}

Response Probe(const HealthReport& report) {
  std::string body = report.text + "\n";
  return report.ok ? Ok(kPlainText, std::move(body))
                   : Response{503, "Service Unavailable", kPlainText, std::move(body)};
}

const SystemClock system_clock;

/// What is served.
struct Pages {
  explicit Pages(HttpHandlers what)
      : handlers(std::move(what)),
        metrics(handlers.metrics, &system_clock),
        status(handlers.status, &system_clock) {}

  const HttpHandlers handlers;
  PageCache metrics;
  PageCache status;
};

Response Answer(Pages* pages, std::string_view method, std::string_view path) {
  if (method != "GET" && method != "HEAD") {
    return {405, "Method Not Allowed", kPlainText, "only GET and HEAD are served\n"};
  }
  if (path == "/metrics") {
    return Ok(kMetricsText, *pages->metrics.Get());
  }
  if (path == "/healthz") {
    return Probe(pages->handlers.health());
  }
  if (path == "/readyz") {
    return Probe(pages->handlers.ready());
  }
  if (path == "/status") {
    return Ok(kJson, *pages->status.Get());
  }
  if (path == "/") {
    return Ok(kHtml, std::string(StatusPage()));
  }
  return {404, "Not Found", kPlainText, std::string(kNoSuchPage)};
}

/// The whole message, to be written at once.
std::string Serialize(const Response& response, bool with_body) {
  std::string message = "HTTP/1.1 " + std::to_string(response.code) + " ";
  message += response.code_text;
  message += "\r\nContent-Type: ";
  message += response.content_type;
  message += "\r\nContent-Length: " + std::to_string(response.body.size());
  message += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  if (response.content_type == kHtml) {
    // The page may ask this server, and nobody else, for anything.
    message +=
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; connect-src 'self'\r\n";
  }
  if (response.code == 405) {
    message += "Allow: GET, HEAD\r\n";
  }
  message += "Connection: close\r\n\r\n";
  if (with_body) {
    message += response.body;
  }
  return message;
}

std::string_view View(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

int HandleRequest(mg_connection* connection) {
  auto* pages = static_cast<Pages*>(mg_get_user_context_data(connection));
  const mg_request_info* request = mg_get_request_info(connection);
  const std::string_view method = View(request->request_method);
  const Response response = Answer(pages, method, View(request->local_uri));
  const std::string message = Serialize(response, method != "HEAD");
  mg_write(connection, message.data(), message.size());
  return response.code;  // not 0: civetweb is done with the request and serves no file for it
}

/// For what never became a request that HandleRequest() could see.
int HandleError(mg_connection* connection, int code, const char* /*message*/) {
  const std::string code_text(View(mg_get_response_code_text(connection, code)));
  const std::string message =
      Serialize({code, code_text, kPlainText, code_text + "\n"}, /*with_body=*/true);
  mg_write(connection, message.data(), message.size());
  return 0;  // civetweb writes no page of its own
}

// What civetweb says in the thread that starts it, kept for an error message.
thread_local std::string* start_log = nullptr;

int KeepOrDropLog(const mg_connection* /*connection*/, const char* message) {
  if (start_log != nullptr && start_log->empty()) {
    *start_log = message;
  }
  return 1;  // not 0: civetweb itself writes nothing
}

Error CannotListen(const ListenAddress& address, const std::string& reason) {
  return ConfigError("cannot listen on " + address.Text() + " for --metrics: " + reason +
                     "; choose another with --metrics ADDRESS or --metrics off");
}

}  // namespace

/// Owns a civetweb server from Listen() on.
class HttpEndpoint::Server {
 public:
  explicit Server(HttpHandlers handlers) : pages_(std::move(handlers)) {}
  ~Server() {
    if (context_ == nullptr) {
      return;
    }
    // civetweb's accepting thread looks for the request to stop only every 2 s, or when somebody
    // connects.  Where there is no thread to do that, this waits for the 2 s.
    std::promise<void> stopped;
    Result<std::thread> waker = StartThread("waker", [this, done = stopped.get_future().share()] {
      while (done.wait_for(kKnockInterval) != std::future_status::ready) {
        Knock(address_);
      }
    });
    mg_stop(context_);
    stopped.set_value();
    if (waker.ok()) {
      waker.value().join();
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Errors:  kRuntime, what civetweb said; also when it opened no port.
  Status Listen(const ListenAddress& address) {
    static std::once_flag library_once;
    std::call_once(library_once, [] { mg_init_library(MG_FEATURES_DEFAULT); });
    const std::string listening_ports = address.Text();
    // A request may name any host, not just civetweb's idea of its own: hence the last one.
    const char* options[] = {"listening_ports",
                             listening_ports.c_str(),
                             "num_threads",
                             kWorkerThreads,
                             "request_timeout_ms",
                             kRequestTimeoutMillis,
                             "enable_keep_alive",
                             "no",
                             "enable_directory_listing",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = HandleRequest;
    callbacks.log_message = KeepOrDropLog;
    // civetweb would put dates into its access log and error pages with localtime() and gmtime(),
    // which its threads race for: so no log_access callback, and error pages of our own.
    callbacks.http_error = HandleError;

    std::string log;
    start_log = &log;
    {
      const AllSignalsBlocked signals_blocked;
      context_ = mg_start(&callbacks, &pages_, options);
    }
    start_log = nullptr;
    if (context_ == nullptr) {
      return RuntimeError(log);
    }
    address_ = address;
    mg_server_port port{};
    if (mg_get_server_ports(context_, 1, &port) != 1 || port.port <= 0) {
      return RuntimeError("civetweb opened no port");
    }
    address_.port = static_cast<uint16_t>(port.port);
    return {};
  }

  /// With the real port.
  const ListenAddress& BoundAddress() const { return address_; }

 private:
  Pages pages_;
  mg_context* context_ = nullptr;
  ListenAddress address_;
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<Server> server, std::string bound_address)
    : server_(std::move(server)), bound_address_(std::move(bound_address)) {}

HttpEndpoint::~HttpEndpoint() = default;

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(const std::string& address,
                                                          HttpHandlers handlers) {
  Result<ListenAddress> parsed = ParseListenAddress(address);
  if (!parsed.ok()) {
    return parsed.error();
  }
  const ListenAddress where = parsed.Take();
  if (where.is_ipv6 && mg_check_feature(MG_FEATURES_IPV6) == 0) {
    return CannotListen(where, "the installed civetweb library was built without IPv6");
  }
  auto server = std::make_unique<Server>(std::move(handlers));
  if (const Status listening = server->Listen(where); !listening.ok()) {
    // civetweb tells failures apart in its log only, so ask the kernel.
    const Status tried = TryListen(where);
    return CannotListen(where, tried.ok() ? listening.error().message : tried.error().message);
  }
  std::string bound_address = server->BoundAddress().Text();
  return std::unique_ptr<HttpEndpoint>(
      new HttpEndpoint(std::move(server), std::move(bound_address)));
}

}  // namespace pcap_zmq
