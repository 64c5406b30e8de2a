// SPDX-License-Identifier: MIT
//
// What the machine runs out of: disk, descriptors, room in the netlink socket.
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/unique_fd.h"
#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kRate = 5000;

class Resource : public FaultTest {
 protected:
  void TearDown() override {
    FaultTest::TearDown();
    if (!disk_.empty()) {
      sender_.reset();
      receiver_.reset();
      EXPECT_EQ(::umount2(disk_.c_str(), MNT_DETACH), 0);
    }
  }

  // A disk of two megabytes.
  void MountSmallDisk() {
    disk_ = dir_.File("disk");
    ASSERT_EQ(::mkdir(disk_.c_str(), 0700), 0);
    ASSERT_EQ(::mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=2m"), 0);
  }

  // Connections that say nothing, to a port of the calling thread's host.
  static void Connect(uint16_t port, size_t count, std::vector<UniqueFd>* connections) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < count; ++i) {
      UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      connections->push_back(std::move(socket));
    }
  }

  static size_t OpenDescriptors(const Process& process) {
    size_t count = 0;
    const std::string path = "/proc/" + std::to_string(process.pid()) + "/fd";
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) {
      ++count;
    }
    return count;
  }

  // Returns the limit that was.
  static rlim_t LimitDescriptors(const Process& process, rlim_t limit) {
    rlimit before{};
    EXPECT_EQ(::prlimit(process.pid(), RLIMIT_NOFILE, nullptr, &before), 0);
    const rlimit wanted{limit, before.rlim_max};
    EXPECT_EQ(::prlimit(process.pid(), RLIMIT_NOFILE, &wanted, nullptr), 0);
    return before.rlim_cur;
  }

  std::string disk_;
};

TEST_F(Resource, FullDiskUnderAFileCostsTheFileAloneAndOnlyUntilThereIsRoom) {
  ASSERT_NO_FATAL_FAILURE(MountSmallDisk());
  const std::string ballast = disk_ + "/ballast";
  const std::string file = disk_ + "/all.pcap";
  dir_.Write("disk/ballast", std::string(size_t{1} << 20, 'x'));
  const std::string output = "file:" + file;
  ASSERT_NO_FATAL_FAILURE(StartIds({}, {}, {output}));
  reader_->Start();
  ASSERT_NO_FATAL_FAILURE(StartGateway());
  generator_->StartSending(kRate);
  gateway_memory_ = sender_->ResidentBytes();
  ids_memory_ = receiver_->ResidentBytes();
  const auto write_errors = [&] {
    return IdsMetric("sink_dropped_packets_total", {{"sink", output}, {"reason", "write_error"}});
  };
  ASSERT_TRUE(WaitUntil([&] { return write_errors() > 1000; }));
  ExpectReadiness({"503", output}, [this] { return IdsReadiness(); });
  const double written = IdsMetric("sink_packets_total", {{"sink", output}});
  ASSERT_EQ(::unlink(ballast.c_str()), 0);
  ASSERT_TRUE(WaitUntil([&] {
    return IdsMetric("sink_packets_total", {{"sink", output}}) > written + 1000;
  }));
  ExpectReadiness({"200"}, [this] { return IdsReadiness(); });

  const Books books = ExpectClosed("disk full under file:");
  ReceiverLedger of_file;
  OnIdsHost([&] {
    ASSERT_TRUE(WaitUntil([&] {
      of_file = ReadReceiver(output);
      return of_file.Settled(books.sender.sent);
    }));
  });
  EndPipe();
  MarkChecker in_file(traffic_);
  AddCapture(ReadFileBytes(file), false, &in_file);
  EXPECT_EQ(in_file.foreign(), 0u);
  EXPECT_EQ(in_file.duplicates(), 0u);
  EXPECT_EQ(in_file.distinct(), of_file.sink_delivered);
  EXPECT_EQ(books.receiver.received, of_file.sink_delivered + of_file.sink_dropped);
}

TEST_F(Resource, NetlinkOverrunIsCountedToThePacket) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate, {"--nflog-buffer", "256KiB"}));
  sender_->Signal(SIGSTOP);
  generator_->Stop();
  generator_->Send(20'000);
  sender_->Signal(SIGCONT);
  generator_->StartSending(kRate);
  ASSERT_TRUE(WaitForRead(2 * kRate));
  const Books books = ExpectClosed("netlink overrun");
  EXPECT_GT(books.sender.kernel_lost, 0u);
  EXPECT_TRUE(WaitUntil([] { return GatewayMetric("nflog_overruns_total") > 0; }));
  EndPipe();
}

// What is connected goes on.  A reader that comes is kept waiting until there are descriptors, and
// so are scrapes.
TEST_F(Resource, ReceiverOutOfDescriptorsGoesOnAndComesBack) {
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate));
  const rlim_t before = LimitDescriptors(*receiver_, OpenDescriptors(*receiver_) + 8);
  std::vector<UniqueFd> connections;
  OnIdsHost([&] {
    Connect(kReceiverMetricsPort, 50, &connections);
    Connect(kDataPort, 100, &connections);
  });
  ASSERT_TRUE(WaitForRead(2 * kRate)) << "what is connected goes on";
  reader_->Kill();
  ASSERT_TRUE(WaitForTraffic(kRate));
  reader_->Start();
  ASSERT_TRUE(WaitForTraffic(kRate));
  EXPECT_TRUE(receiver_->running());
  LimitDescriptors(*receiver_, before);
  connections.clear();
  ASSERT_TRUE(WaitForRead(2 * kRate));
  EXPECT_TRUE(WaitUntil([this] { return IdsMetric("disconnects_total") > 0; }));
  ExpectClosed("receiver out of descriptors");
  EndPipe();
}

TEST_F(Resource, SenderOutOfDescriptorsGoesOnAndComesBack) {
  // As this test's own user, or its limits could not be changed.
  ASSERT_NO_FATAL_FAILURE(StartPipe(kRate, {"--user", "root"}));
  const rlim_t before = LimitDescriptors(*sender_, OpenDescriptors(*sender_) + 4);
  std::vector<UniqueFd> connections;
  Connect(kSenderMetricsPort, 100, &connections);
  ASSERT_TRUE(WaitForRead(2 * kRate)) << "what is connected goes on";
  // Its connection is reset, and whoever waits at the HTTP port may take the descriptor.
  OnIdsHost([] {
    const Status status = LoadRules(
        "table ip refuse {\n"
        "  chain in { type filter hook input priority -400; policy accept;\n"
        "    iifname eth0 meta l4proto tcp reject with tcp reset\n"
        "  }\n"
        "}\n");
    ASSERT_TRUE(status.ok()) << status.error().message;
  });
  ASSERT_TRUE(WaitForTraffic(2 * kRate));
  OnIdsHost([] { Must({"nft", "delete", "table", "ip", "refuse"}); });
  EXPECT_TRUE(sender_->running());
  LimitDescriptors(*sender_, before);
  connections.clear();
  ASSERT_TRUE(WaitForRead(2 * kRate));
  ExpectClosed("sender out of descriptors");
  EndPipe();
}

}  // namespace
}  // namespace pcap_zmq::testing
