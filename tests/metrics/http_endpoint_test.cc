// SPDX-License-Identifier: MIT
#include "metrics/http_endpoint.h"

#include <civetweb.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "metrics/page_cache.h"
#include "metrics/status_page.h"
#include "tests/metrics/raw_http.h"
#include "tests/support/ipv6.h"
#include "tests/support/wait.h"

namespace pcap_zmq {
namespace {

using testing::Body;
using testing::Connect;
using testing::Exchange;
using testing::ReceiveAll;
using testing::Request;
using testing::Send;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

constexpr auto kLongTime = std::chrono::seconds(30);

HttpHandlers Handlers() {
  return {.metrics = [] { return std::string("up 1\n"); },
          .health =
              [] {
                return HealthReport{true, "alive"};
              },
          .ready =
              [] {
                return HealthReport{false, "no reader of /run/snort.pcap"};
              },
          .status = [] { return std::string("{\"a\":1}"); }};
}

std::unique_ptr<HttpEndpoint> StartOrFail(HttpHandlers handlers = Handlers(),
                                          const std::string& address = "127.0.0.1:0") {
  Result<std::unique_ptr<HttpEndpoint>> started = HttpEndpoint::Start(address, std::move(handlers));
  EXPECT_TRUE(started.ok()) << started.error().message;
  return started.ok() ? started.Take() : nullptr;
}

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(HttpEndpoint, PortZeroBecomesARealPort) {
  const auto endpoint = StartOrFail();
  EXPECT_TRUE(endpoint->bound_address().starts_with("127.0.0.1:"));
  EXPECT_FALSE(endpoint->bound_address().ends_with(":0"));
  EXPECT_TRUE(Connect(endpoint->bound_address()).valid());
}

TEST(HttpEndpoint, MetricsAreServedAsTextFormat) {
  const auto endpoint = StartOrFail();
  const std::string response = Exchange(endpoint->bound_address(), Request("GET", "/metrics"));
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
  EXPECT_TRUE(Has(response, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_TRUE(Has(response, "\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(Body(response), "up 1\n");
}

TEST(HttpEndpoint, StatusIsServedAsJson) {
  const auto endpoint = StartOrFail();
  const std::string response = Exchange(endpoint->bound_address(), Request("GET", "/status"));
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
  EXPECT_TRUE(Has(response, "\r\nContent-Type: application/json\r\n"));
  EXPECT_EQ(Body(response), "{\"a\":1}");
}

TEST(HttpEndpoint, HealthyIs200AndUnreadyIs503EachWithItsReason) {
  const auto endpoint = StartOrFail();
  const std::string healthz = Exchange(endpoint->bound_address(), Request("GET", "/healthz"));
  EXPECT_TRUE(healthz.starts_with("HTTP/1.1 200 OK\r\n")) << healthz;
  EXPECT_EQ(Body(healthz), "alive\n");
  const std::string readyz = Exchange(endpoint->bound_address(), Request("GET", "/readyz"));
  EXPECT_TRUE(readyz.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << readyz;
  EXPECT_EQ(Body(readyz), "no reader of /run/snort.pcap\n");
}

TEST(HttpEndpoint, HandlersAreAskedAtEachRequest) {
  std::atomic<bool> ready = false;
  HttpHandlers handlers = Handlers();
  handlers.ready = [&ready] { return HealthReport{ready, "said"}; };
  const auto endpoint = StartOrFail(std::move(handlers));
  EXPECT_TRUE(Has(Exchange(endpoint->bound_address(), Request("GET", "/readyz")), " 503 "));
  ready = true;
  EXPECT_TRUE(Has(Exchange(endpoint->bound_address(), Request("GET", "/readyz")), " 200 "));
}

// However many ask: at first what the budget holds, and then one a second.
TEST(HttpEndpoint, LargePagesAreNotMadeForEachRequest) {
  const std::string large(PageCache::kBurstBytes, '#');
  for (const std::string path : {"/metrics", "/status"}) {
    std::atomic<int> made = 0;
    HttpHandlers handlers = Handlers();
    (path == "/metrics" ? handlers.metrics : handlers.status) = [&] {
      ++made;
      return large;
    };
    const auto endpoint = StartOrFail(std::move(handlers));
    constexpr int kRequests = 20;
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kRequests; ++i) {
      EXPECT_TRUE(Has(Exchange(endpoint->bound_address(), Request("HEAD", path)), " 200 "));
    }
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_LE(made, 2 + took / std::chrono::seconds(1)) << path;
  }
}

TEST(HttpEndpoint, RootIsAPageThatMayAskNobodyElse) {
  const auto endpoint = StartOrFail();
  const std::string response = Exchange(endpoint->bound_address(), Request("GET", "/"));
  EXPECT_TRUE(Has(response, "\r\nContent-Type: text/html; charset=utf-8\r\n")) << response;
  EXPECT_TRUE(Has(response, "\r\nContent-Security-Policy: default-src 'none'; "));
  const std::string body = Body(response);
  EXPECT_EQ(body, StatusPage());
  EXPECT_TRUE(body.ends_with("</html>\n")) << body.size();
  for (const std::string_view elsewhere : {"src=", "http://", "https://", "@import", "url("}) {
    const size_t at = body.find(elsewhere);
    // The one address in it is the name of SVG's namespace.
    EXPECT_TRUE(at == std::string::npos ||
                body.substr(at).starts_with("http://www.w3.org/2000/svg"))
        << elsewhere;
  }
}

TEST(HttpEndpoint, WrongPathIsToldTheRightOnes) {
  const auto endpoint = StartOrFail();
  const std::string body = Body(Exchange(endpoint->bound_address(), Request("GET", "/metric")));
  for (const std::string_view path : {"/metrics", "/healthz", "/readyz", "/status"}) {
    EXPECT_TRUE(Has(body, path)) << path;
  }
}

TEST(HttpEndpoint, QueryDoesNotChangeThePage) {
  const auto endpoint = StartOrFail();
  const std::string response =
      Exchange(endpoint->bound_address(), Request("GET", "/metrics?name[]=up"));
  EXPECT_EQ(Body(response), "up 1\n");
}

TEST(HttpEndpoint, HeadAnswersWithTheHeaderFieldsAlone) {
  const auto endpoint = StartOrFail();
  const std::string response = Exchange(endpoint->bound_address(), Request("HEAD", "/metrics"));
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
  EXPECT_TRUE(Has(response, "\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(Body(response), "");
}

TEST(HttpEndpoint, UnknownPathsAre404AndNoFileIsServed) {
  const auto endpoint = StartOrFail();
  for (const std::string_view path :
       {"/nothing", "/metrics/", "/etc/passwd", "/../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/CMakeLists.txt"}) {
    const std::string response = Exchange(endpoint->bound_address(), Request("GET", path));
    EXPECT_TRUE(response.starts_with("HTTP/1.1 404 Not Found\r\n")) << path << ": " << response;
  }
}

TEST(HttpEndpoint, OtherMethodsAre405AndTellTheAllowedOnes) {
  const auto endpoint = StartOrFail();
  for (const std::string_view method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string response = Exchange(endpoint->bound_address(), Request(method, "/metrics"));
    EXPECT_TRUE(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"))
        << method << ": " << response;
    EXPECT_TRUE(Has(response, "\r\nAllow: GET, HEAD\r\n")) << method;
  }
}

TEST(HttpEndpoint, WhatIsNotHttpIsRefusedAndTheNextRequestServed) {
  const auto endpoint = StartOrFail();
  const std::string refused = Exchange(endpoint->bound_address(), "what is this\r\n\r\n");
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 400 Bad Request\r\n")) << refused;
  EXPECT_EQ(Body(refused), "Bad Request\n");
  Exchange(endpoint->bound_address(), std::string("\x16\x03\x01\0\xff\r\n\r\n", 9));
  Exchange(endpoint->bound_address(), "GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Body(Exchange(endpoint->bound_address(), Request("GET", "/metrics"))), "up 1\n");
}

TEST(HttpEndpoint, LargePageArrivesWhole) {
  constexpr size_t kBytes = 5'000'000;
  HttpHandlers handlers = Handlers();
  handlers.metrics = [] { return std::string(kBytes, 'm'); };
  const auto endpoint = StartOrFail(std::move(handlers));
  const std::string body = Body(Exchange(endpoint->bound_address(), Request("GET", "/metrics")));
  EXPECT_TRUE(body == std::string(kBytes, 'm')) << body.size() << " bytes arrived";
}

TEST(HttpEndpoint, SlowClientDoesNotHoldUpTheOthers) {
  const auto endpoint = StartOrFail();
  // It has two seconds; on a machine under load the other may take them all, so it tries again.
  EXPECT_TRUE(testing::WaitUntil([&] {
    const UniqueFd slow = Connect(endpoint->bound_address());
    EXPECT_TRUE(Send(slow, "GET /met"));
    EXPECT_EQ(Body(Exchange(endpoint->bound_address(), Request("GET", "/metrics"))), "up 1\n");
    // The slow one was neither served nor cut off for the other's sake.
    return Send(slow, "rics HTTP/1.1\r\nHost: a\r\n\r\n") && Body(ReceiveAll(slow)) == "up 1\n";
  }));
}

TEST(HttpEndpoint, ClientsThatNeverFinishAreCutOffAndMakeRoom) {
  const auto endpoint = StartOrFail();
  std::vector<UniqueFd> stuck;
  for (int i = 0; i < 16; ++i) {  // twice as many as there are workers
    stuck.push_back(Connect(endpoint->bound_address()));
    ASSERT_TRUE(Send(stuck.back(), "GET /met"));
  }
  EXPECT_EQ(Body(Exchange(endpoint->bound_address(), Request("GET", "/metrics"))), "up 1\n");
}

TEST(HttpEndpoint, StopsWhileARequestIsOpen) {
  auto endpoint = StartOrFail();
  const UniqueFd half = Connect(endpoint->bound_address());
  ASSERT_TRUE(Send(half, "GET /met"));
  std::future<void> stopped = std::async(std::launch::async, [&endpoint] { endpoint.reset(); });
  // The client keeps its end open all the while: without a cut-off this would wait for ever.
  ASSERT_EQ(stopped.wait_for(kLongTime), std::future_status::ready);
}

TEST(HttpEndpoint, StopsOnlyOnceTheHandlerUnderWayHasReturned) {
  std::promise<void> entered;
  std::promise<void> go_on;
  std::atomic<bool> returned = false;
  HttpHandlers handlers = Handlers();
  handlers.metrics = [&] {
    entered.set_value();
    go_on.get_future().wait();
    returned = true;
    return std::string("late\n");
  };
  auto endpoint = StartOrFail(std::move(handlers));
  const UniqueFd client = Connect(endpoint->bound_address());
  ASSERT_TRUE(Send(client, Request("GET", "/metrics")));
  ASSERT_EQ(entered.get_future().wait_for(kLongTime), std::future_status::ready);
  std::future<void> stopped = std::async(std::launch::async, [&endpoint, &returned] {
    endpoint.reset();
    EXPECT_TRUE(returned);
  });
  go_on.set_value();
  ASSERT_EQ(stopped.wait_for(kLongTime), std::future_status::ready);
}

TEST(HttpEndpoint, PortIsFreeAgainOnceItHasStopped) {
  auto endpoint = StartOrFail();
  const std::string address = endpoint->bound_address();
  Exchange(address, Request("GET", "/metrics"));
  endpoint.reset();
  EXPECT_FALSE(Connect(address).valid());
  EXPECT_EQ(StartOrFail(Handlers(), address)->bound_address(), address);
}

TEST(HttpEndpoint, PortInUseSaysWhatToDo) {
  const auto first = StartOrFail();
  const auto second = HttpEndpoint::Start(first->bound_address(), Handlers());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConfig);
  EXPECT_EQ(second.error().message,
            "cannot listen on " + first->bound_address() +
                " for --metrics: Address already in use; choose another with --metrics ADDRESS "
                "or --metrics off");
  EXPECT_EQ(Body(Exchange(first->bound_address(), Request("GET", "/metrics"))), "up 1\n");
}

TEST(HttpEndpoint, AddressOfAnotherHostIsAConfigError) {
  const auto started = HttpEndpoint::Start("192.0.2.1:9477", Handlers());
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().kind, ErrorKind::kConfig);
  EXPECT_TRUE(Has(started.error().message,
                  "cannot listen on 192.0.2.1:9477 for --metrics: Cannot assign requested address"))
      << started.error().message;
}

TEST(HttpEndpoint, AddressThatDoesNotParseIsAConfigError) {
  const auto started = HttpEndpoint::Start("9477", Handlers());
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().kind, ErrorKind::kConfig);
}

TEST(HttpEndpoint, Ipv6IsServedOrRefusedInWords) {
  if (!testing::CanBindIpv6(in6addr_loopback)) {
    GTEST_SKIP() << "this host has no IPv6 loopback";
  }
  const auto started = HttpEndpoint::Start("[::1]:0", Handlers());
  ASSERT_EQ(started.ok(), ::mg_check_feature(MG_FEATURES_IPV6) != 0) << "as the library can";
  if (started.ok()) {
    EXPECT_TRUE(started.value()->bound_address().starts_with("[::1]:"));
  } else {
    EXPECT_EQ(started.error().kind, ErrorKind::kConfig);
    EXPECT_TRUE(Has(started.error().message,
                    "cannot listen on [::1]:0 for --metrics: the installed "
                    "civetweb library was built without IPv6"))
        << started.error().message;
  }
}

TEST(HttpEndpoint, AllAddressesIncludeLoopback) {
  const auto endpoint = StartOrFail(Handlers(), ":0");
  const std::string bound = endpoint->bound_address();
  ASSERT_TRUE(bound.starts_with("0.0.0.0:")) << bound;
  EXPECT_EQ(Body(Exchange("127.0.0.1" + bound.substr(bound.find(':')), Request("GET", "/metrics"))),
            "up 1\n");
}

TEST(HttpEndpoint, NothingIsWrittenToStdoutOrStderr) {
  CaptureStdout();
  CaptureStderr();
  {
    const auto endpoint = StartOrFail();
    Exchange(endpoint->bound_address(), Request("GET", "/metrics"));
    Exchange(endpoint->bound_address(), "what is this\r\n\r\n");
    const auto second = HttpEndpoint::Start(endpoint->bound_address(), Handlers());
    EXPECT_FALSE(second.ok());
  }
  EXPECT_EQ(GetCapturedStdout(), "");
  EXPECT_EQ(GetCapturedStderr(), "");
}

/// The masks of blocked signals of all threads of this process but the calling one.
std::vector<uint64_t> SignalMasksOfOtherThreads() {
  std::vector<uint64_t> masks;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::gettid())) {
      continue;
    }
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("SigBlk:")) {
        masks.push_back(std::stoull(line.substr(7), nullptr, 16));
      }
    }
  }
  return masks;
}

TEST(HttpEndpoint, ItsThreadsLeaveSignalsToTheProgram) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const auto endpoint = StartOrFail();
  const std::vector<uint64_t> masks = SignalMasksOfOtherThreads();
  EXPECT_GE(masks.size(), 9U);  // eight workers and the one that accepts
  for (const uint64_t mask : masks) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
      EXPECT_NE(mask & (uint64_t{1} << (signal - 1)), 0U) << signal;
    }
  }
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
  EXPECT_EQ(::sigismember(&after, SIGINT), ::sigismember(&before, SIGINT));
}

}  // namespace
}  // namespace pcap_zmq
