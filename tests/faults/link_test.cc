// SPDX-License-Identifier: MIT
//
// A network that falls silent: TCP learns nothing, and both ends have to find out by themselves.
#include <fcntl.h>
#include <sys/mount.h>

#include <chrono>

#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kRate = 5000;

class Link : public FaultTest {
 protected:
  static double Connected() { return GatewayMetric("connected_endpoints"); }

  // Traffic for so long, at least.
  bool PassTime(std::chrono::seconds time) const {
    return WaitForTraffic(static_cast<uint64_t>(time.count()) * kRate);
  }
};

TEST_F(Link, UnpluggedForTwoSecondsLosesNothing) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  OnIdsHost([] { Must({"ip", "link", "set", "eth0", "down"}); });
  ASSERT_TRUE(PassTime(std::chrono::seconds(2)));
  OnIdsHost([] { Must({"ip", "link", "set", "eth0", "up"}); });
  ASSERT_TRUE(WaitForRead(4 * kRate));
  const Books books = ExpectClosed("link cut for 2 s");
  EXPECT_EQ(books.receiver.lost, 0u) << "TCP carries over what was sent meanwhile";
  EndPipe();
}

// As the sender sees it: packets wait, then /readyz and a metric say that nobody receives.
TEST_F(Link, SilentForTenSecondsIsNoticedAndReconnects) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  ASSERT_EQ(Connected(), 1);
  CutLink();
  ASSERT_TRUE(PassTime(std::chrono::seconds(10)));
  ASSERT_TRUE(WaitUntil([] { return Connected() == 0; }));
  ExpectReadiness({"503", kIdsAddress}, GatewayReadiness);
  RestoreLink();
  ASSERT_TRUE(WaitUntil([] { return Connected() == 1; }));
  ASSERT_TRUE(WaitForRead(4 * kRate));
  ExpectClosed("link cut for longer than hosts may be silent");
  EndPipe();
}

// So much traffic that the connection is stuck with more than the kernel takes, as no heartbeat
// would get through the queue.
TEST_F(Link, SilentUnderMoreTrafficThanItsBuffersHoldIsNoticedAllTheSame) {
  TrafficOptions traffic;
  traffic.packet_bytes = 1400;
  UseTraffic(traffic);
  const Arguments small = {"--zmq-buffer-bytes", "8MiB"};
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate, small));
  CutLink();
  ASSERT_TRUE(WaitUntil([] {
    return GatewayMetric("dropped_packets_total", {{"reason", "zmq_bytes"}}) +
               GatewayMetric("dropped_packets_total", {{"reason", "zmq_hwm"}}) >
           0;
  }));
  ASSERT_TRUE(WaitUntil([] { return Connected() == 0; }));
  ExpectReadiness({"503"}, GatewayReadiness);
  RestoreLink();
  ASSERT_TRUE(WaitForRead(4 * kRate));
  const Books books = ExpectClosed("link cut under load, buffers full");
  EXPECT_GT(books.sender.dropped, 0u);
  EndPipe();
}

// The name leads to a private hosts file.  The old address swallows what is sent to it, like one
// that nobody has any more behind a router.
TEST_F(Link, ReceiverThatMovesToAnotherAddressIsFoundBehindItsName) {
  constexpr char kNewAddress[] = "192.0.2.3";
  const std::string hosts = dir_.Write("hosts", std::string(kIdsAddress) + " ids.test\n");
  ASSERT_EQ(::mount(hosts.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr), 0);
  ASSERT_NO_FATAL_FAILURE(StartIds());
  reader_->Start();
  ASSERT_NO_FATAL_FAILURE(StartGateway({}, {}, "tcp://ids.test:" + std::to_string(kDataPort)));
  generator_->StartSending(kRate);
  ASSERT_TRUE(WaitForRead(kRate));
  gateway_memory_ = sender_->ResidentBytes();
  ids_memory_ = receiver_->ResidentBytes();
  OnIdsHost([&] {
    const Status status = LoadRules(
        "table ip moved {\n"
        "  chain in { type filter hook prerouting priority -400; policy accept;\n"
        "    ip daddr " +
        std::string(kIdsAddress) +
        " drop\n"
        "  }\n"
        "}\n");
    ASSERT_TRUE(status.ok()) << status.error().message;
    Must({"ip", "addr", "add", std::string(kNewAddress) + "/24", "dev", "eth0"});
  });
  // It tries the old address in vain before the name is changed.
  ASSERT_TRUE(WaitUntil([] { return Connected() == 0; }));
  ASSERT_TRUE(PassTime(std::chrono::seconds(2)));
  ExpectReadiness({"503"}, GatewayReadiness);
  dir_.Write("hosts", std::string(kNewAddress) + " ids.test\n");
  ASSERT_TRUE(WaitUntil([] { return Connected() == 1; }))
      << "the sender keeps to an address that is gone";
  ASSERT_TRUE(WaitForRead(4 * kRate));
  ExpectClosed("receiver moved behind its name");
  EndPipe();
}

}  // namespace
}  // namespace pcap_zmq::testing
