// SPDX-License-Identifier: MIT
#include "metrics/health_probe.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "metrics/http_endpoint.h"

namespace pcap_zmq {
namespace {

std::unique_ptr<HttpEndpoint> Serve(const std::string& address, bool well) {
  HttpHandlers handlers;
  handlers.metrics = [] { return std::string(); };
  handlers.ready = [] { return HealthReport{false, "not ready"}; };
  handlers.status = [] { return std::string("{}"); };
  handlers.health = [well] { return HealthReport{well, "so"}; };
  auto started = HttpEndpoint::Start(address, std::move(handlers));
  EXPECT_TRUE(started.ok()) << started.error().message;
  return started.ok() ? started.Take() : nullptr;
}

TEST(HealthProbe, AProgramThatIsWellIsWellEvenWhenItIsNotReady) {
  const auto endpoint = Serve("127.0.0.1:0", true);
  const Status status = AskHealth(endpoint->bound_address());
  EXPECT_TRUE(status.ok()) << status.error().message;
}

TEST(HealthProbe, WhoListensOnAllAddressesIsAskedOnLoopback) {
  const auto endpoint = Serve("0.0.0.0:0", true);
  const std::string address = endpoint->bound_address();
  ASSERT_TRUE(address.starts_with("0.0.0.0:")) << address;
  EXPECT_TRUE(AskHealth(address).ok());
  EXPECT_TRUE(AskHealth(address.substr(address.find(':'))).ok());
}

TEST(HealthProbe, AnUnwellProgramIsReportedWithItsAnswer) {
  const auto endpoint = Serve("127.0.0.1:0", false);
  const Status status = AskHealth(endpoint->bound_address());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kRuntime);
  EXPECT_NE(status.error().message.find("503"), std::string::npos) << status.error().message;
}

TEST(HealthProbe, NobodyThereIsReportedWithTheAddress) {
  auto endpoint = Serve("127.0.0.1:0", true);
  const std::string address = endpoint->bound_address();
  endpoint.reset();
  const Status status = AskHealth(address);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find(address), std::string::npos) << status.error().message;
}

TEST(HealthProbe, APortThatTheSystemChoosesCannotBeAsked) {
  const Status status = AskHealth("127.0.0.1:0");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
}

}  // namespace
}  // namespace pcap_zmq
