// SPDX-License-Identifier: MIT
//
// The stage for tests of the real programs: a private network, rules that log, and the two programs
// with their metrics.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/capture.h"
#include "tests/support/fifo_reader.h"
#include "tests/support/http_client.h"
#include "tests/support/ledger.h"
#include "tests/support/netfilter.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/traffic.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {

using Arguments = std::vector<std::string>;

inline constexpr uint16_t kDataPort = 5555;
inline constexpr uint16_t kSenderMetricsPort = 9477;
inline constexpr uint16_t kReceiverMetricsPort = 9478;

/// "tcp://127.0.0.1:PORT".
std::string TcpEndpoint(uint16_t port = kDataPort);

/// Tests run in a network namespace of their own and are skipped, with the reason, where there are
/// none.  A failed test prints what the programs said.
class PipeTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Loads LogTestTraffic()'s rules; fatal failure if they are refused.
  static void LoadTrafficRules();

  /// Starts a program and waits until it says that it is alive.  A null pointer after a failure.
  std::unique_ptr<Process> StartSender(const Arguments& options = {},
                                       const std::string& source = "0,1",
                                       const Arguments& endpoints = {TcpEndpoint()},
                                       uint16_t metrics_port = kSenderMetricsPort) const;
  std::unique_ptr<Process> StartReceiver(const Arguments& options, const Arguments& outputs,
                                         const std::string& endpoint = TcpEndpoint(),
                                         uint16_t metrics_port = kReceiverMetricsPort) const;
  std::unique_ptr<Process> StartReceiver(const Arguments& options, const std::string& output,
                                         const std::string& endpoint = TcpEndpoint(),
                                         uint16_t metrics_port = kReceiverMetricsPort) const {
    return StartReceiver(options, Arguments{output}, endpoint, metrics_port);
  }

  /// Waits until the receiver has heard of a sender: from then on nothing needs to be buffered.
  static bool WaitUntilHeard();

  /// Scrapes; a failure and zeros when that does not work.
  static SenderLedger ReadSender(uint16_t port = kSenderMetricsPort);
  static ReceiverLedger ReadReceiver(const std::string& sink, uint16_t port = kReceiverMetricsPort);
  static double Metric(uint16_t port, const std::string& name, const Labels& labels = {});

  /// What the rules have logged, once they have seen all that `generator` sent but what the kernel
  /// threw away before them.
  static uint64_t Logged(const TrafficGenerator& generator);

  /// Sends a few packets slowly: NFLOG shows losses only in what follows them.
  static void RevealKernelLosses(TrafficGenerator* generator);

  struct Outcome {
    uint64_t logged = 0;
    SenderLedger sender;
    ReceiverLedger receiver;
  };
  /// Waits until nothing is on its way any more and expects both programs' laws to close.
  static Outcome ExpectTheLawCloses(TrafficGenerator* generator, const std::string& sink);

  /// Expects `program` to end with `status` after SIGTERM.
  static void Terminate(Process* program, int status = 0);

  /// Adds a capture's packets to `checker`; expects it to be whole, or with `may_be_cut` to end
  /// within a record.
  static void AddCapture(std::span<const uint8_t> bytes, bool may_be_cut, MarkChecker* checker);

  TempDir dir_;
  const std::string fifo_ = dir_.File("packets.pcap");
  // Members so that TearDown() can print what they said.
  std::unique_ptr<Process> sender_;
  std::unique_ptr<Process> receiver_;
};

}  // namespace pcap_zmq::testing
