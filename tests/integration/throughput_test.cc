// SPDX-License-Identifier: MIT
//
// The main job at full load: what the kernel logs, and is not counted as lost, comes out of the
// FIFO. How fast that goes and how much is lost, which is the machine's business, is printed; the
// comparison (tests/bench/compare) measures it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/integration/pipe_fixture.h"

namespace pcap_zmq::testing {
namespace {

class Throughput : public PipeTest {
 protected:
  // Sends the traffic through the pipe and expects all of it to come out that is not counted as
  // lost.
  void ExpectEverythingComesOut(const TrafficOptions& options, uint64_t packets,
                                uint64_t packets_per_second, const Arguments& sender_options) {
    ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
    auto generator = TrafficGenerator::Open(options);
    ASSERT_TRUE(generator.ok()) << generator.error().message;
    FifoReader reader(fifo_);
    receiver_ = StartReceiver({}, fifo_);
    ASSERT_NE(receiver_, nullptr);
    sender_ = StartSender(sender_options);
    ASSERT_NE(sender_, nullptr);
    ASSERT_TRUE(WaitUntilHeard());

    const auto start = std::chrono::steady_clock::now();
    generator.value()->Send(packets, packets_per_second);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%.0f packets a second reached\n", static_cast<double>(packets) / took.count());

    RevealKernelLosses(generator.value().get());
    const uint64_t logged = Logged(*generator.value());
    uint64_t came_out = 0;
    EXPECT_TRUE(WaitUntil(
        [&] {
          const SenderLedger sender = ReadSender();
          came_out = ReadReceiver(fifo_).sink_delivered;
          return came_out + sender.kernel_lost + sender.dropped == logged;
        },
        4 * kGenerously));
    // The pipe's own rate, where it is the slower one.
    const std::chrono::duration<double> all_took = std::chrono::steady_clock::now() - start;
    std::printf("%.0f packets a second delivered\n",
                static_cast<double>(came_out) / all_took.count());

    const Outcome outcome = ExpectTheLawCloses(generator.value().get(), fifo_);
    const uint64_t sent = generator.value()->sent();
    const uint64_t delivered = outcome.receiver.sink_delivered;
    EXPECT_GT(delivered, 0u);
    EXPECT_EQ(delivered, outcome.logged - outcome.sender.kernel_lost - outcome.sender.dropped);

    Terminate(sender_.get());
    Terminate(receiver_.get());
    ASSERT_TRUE(reader.WaitForEnd());
    ASSERT_EQ(reader.captures().size(), 1u);
    MarkChecker checker(options);
    AddCapture(reader.captures()[0], false, &checker);
    EXPECT_EQ(checker.foreign(), 0u);
    EXPECT_EQ(checker.duplicates(), 0u);
    EXPECT_EQ(checker.out_of_order(), 0u);
    EXPECT_EQ(checker.Missing(generator.value()->sent_by_flow()), sent - delivered);
    ExpectReadersCount(reader.captures()[0], delivered);
  }

  void ExpectReadersCount(const std::vector<uint8_t>& capture, uint64_t packets) {
    const std::string path =
        dir_.Write("whole.pcap", {reinterpret_cast<const char*>(capture.data()), capture.size()});
    ExpectOneLineAPacket("tcpdump", {"-nn", "-t", "-q", "-r", path}, packets);
    ExpectOneLineAPacket("tshark", {"-n", "-r", path, "-T", "fields", "-e", "frame.len"}, packets);
  }

  void ExpectOneLineAPacket(const std::string& program, const Arguments& arguments,
                            uint64_t packets) {
    if (!HaveProgram(program)) {
      std::printf("not checked with %s: it is not installed\n", program.c_str());
      return;
    }
    // tshark looks for its settings at home, which may be closed to us.
    Arguments argv = {"env", "HOME=" + dir_.path()};
    // As root of a mere user namespace tcpdump would try, in vain, to become somebody else.
    if (std::string rule; std::ifstream("/proc/self/setgroups") >> rule && rule == "deny") {
      argv.insert(argv.end(), {"unshare", "--user"});
    }
    argv.push_back(program);
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const auto outcome = RunCommand(argv);
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    EXPECT_EQ(outcome.value().status, 0) << outcome.value().err;
    const std::string& out = outcome.value().out;
    EXPECT_EQ(static_cast<uint64_t>(std::count(out.begin(), out.end(), '\n')), packets)
        << program << ": " << outcome.value().err;
  }
};

TEST_F(Throughput, AHundredThousandSmallPacketsASecondComeOutByteForByteAndInOrder) {
  TrafficOptions options;
  options.packet_bytes = 128;
  ExpectEverythingComesOut(options, 200'000, 100'000, {});
}

TEST_F(Throughput, TheFastestTrafficOfLargePacketsComesOutByteForByteAndInOrder) {
  TrafficOptions options;
  options.packet_bytes = 1400;
  // The generator, the pipe and the reader share the machine's cores: what the generator is faster
  // by has to wait, so the buffers are sized for its burst.
  ExpectEverythingComesOut(options, 200'000, 0,
                           {"--lwm", "0", "--hwm", "0", "--nflog-buffer", "256MiB", "--zmq-buffer",
                            "20000", "--zmq-buffer-bytes", "512MiB"});
}

}  // namespace
}  // namespace pcap_zmq::testing
