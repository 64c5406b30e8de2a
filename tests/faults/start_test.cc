// SPDX-License-Identifier: MIT
//
// A system that refuses one of the threads or eventfds that a program needs to start: each of them
// in turn.
#include <gtest/gtest.h>
#include <signal.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/support/net_namespace.h"
#include "tests/support/packet_builder.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

constexpr int kMoreThanAnyNeeds = 50;

class StartTest : public ::testing::Test {
 protected:
  std::vector<std::string> Sender() const {
    Bytes capture = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0,   0, 0, 0,
                     0,    0,    0,    0,    0, 0, 4, 0, 101, 0, 0, 0};
    AppendRecord(&capture, Ipv4Packet("packet"), kNanosPerSecond);
    const std::string file =
        dir_.Write("test.pcap", {reinterpret_cast<const char*>(capture.data()), capture.size()});
    // A name to follow takes a thread.
    return {PCAP_ZMQ_SEND_PROGRAM,
            "file:" + file,
            "tcp://localhost:9",
            "--resolve-interval",
            "1h",
            "--drain-timeout",
            "0",
            "--metrics",
            "127.0.0.1:0"};
  }
  // Several outputs take a thread each.
  std::vector<std::string> Receiver() const {
    return {PCAP_ZMQ_RECV_PROGRAM,           "tcp://127.0.0.1:*", dir_.File("fifo"),
            "file:" + dir_.File("all.pcap"), "--metrics",         "127.0.0.1:0"};
  }

  // Refuses `argv` the first of what `variable` names, then the second, and so on, until it starts
  // all the same, which its log then shows by `started`.  Returns how many it needs.
  static int RefuseEach(const std::vector<std::string>& argv, const std::string& variable,
                        const std::string& started, const std::string& reason) {
    for (int number = 1; number < kMoreThanAnyNeeds; ++number) {
      SCOPED_TRACE(variable + "=" + std::to_string(number));
      Process::Options options;
      options.env = {variable + "=" + std::to_string(number), "LD_PRELOAD=" PCAP_ZMQ_SCARCITY_SHIM};
      auto program = Process::Start(argv, options);
      if (!program.ok()) {
        ADD_FAILURE() << program.error().message;
        return 0;
      }
      Process& running = *program.value();
      if (!WaitUntil([&] {
            return !running.running() || running.Stderr().find(started) != std::string::npos;
          })) {
        ADD_FAILURE() << "it waits for ever: " << running.Stderr();
        return 0;
      }
      // Its log may come before the last of its threads.
      running.Signal(SIGTERM);
      const std::optional<int> status = running.WaitForExit();
      const std::string log = running.Stderr();
      if (log.find(reason) == std::string::npos) {
        EXPECT_TRUE(status.has_value()) << log;
        EXPECT_NE(log.find(started), std::string::npos) << log;
        return number - 1;
      }
      EXPECT_EQ(status, 1) << log;
      const size_t error = log.find(": error: ");
      EXPECT_NE(error, std::string::npos) << log;
      EXPECT_EQ(error, log.rfind(": error: ")) << "one line: " << log;
    }
    ADD_FAILURE() << "it never starts";
    return 0;
  }

  TempDir dir_;
};

TEST_F(StartTest, EachThreadThatASenderIsRefusedEndsItWithALineThatSaysSo) {
  // Without rights, for signals, for names, and the pump.
  EXPECT_EQ(RefuseEach(Sender(), "FAULT_THREAD", "sending to", "cannot start the thread"), 4);
}

// The first pump has its thread by then, and must not hold the end up.
TEST_F(StartTest, APumpsThreadThatIsRefusedEndsTheOthers) {
  if (const Status entered = EnterPrivateNetwork(); !entered.ok()) {
    GTEST_SKIP() << entered.error().message;
  }
  EXPECT_EQ(RefuseEach({PCAP_ZMQ_SEND_PROGRAM, "0,1,2", "tcp://127.0.0.1:9", "--pump-per-group",
                        "--metrics", "off"},
                       "FAULT_THREAD", "sending to", "cannot start the thread"),
            5);
}

TEST_F(StartTest, EachThreadThatAReceiverIsRefusedEndsItWithALineThatSaysSo) {
  // Without rights, for signals, the guard, two outputs, and the receiver.
  EXPECT_EQ(RefuseEach(Receiver(), "FAULT_THREAD", "listening on", "cannot start the thread"), 6);
}

TEST_F(StartTest, EachEventfdThatASenderIsRefusedEndsItWithALineThatSaysSo) {
  EXPECT_EQ(RefuseEach(Sender(), "FAULT_EVENTFD", "sending to", "cannot make an eventfd"), 3);
}

TEST_F(StartTest, EachEventfdThatAReceiverIsRefusedEndsItWithALineThatSaysSo) {
  EXPECT_EQ(RefuseEach(Receiver(), "FAULT_EVENTFD", "listening on", "cannot make an eventfd"), 8);
}

}  // namespace
}  // namespace pcap_zmq::testing
