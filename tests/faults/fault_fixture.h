// SPDX-License-Identifier: MIT
//
// The stage for faults: a gateway and an IDS host, each a network namespace, with a cable between
// them, and the books that are kept of every packet.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tests/faults/live_reader.h"
#include "tests/integration/pipe_fixture.h"
#include "tests/support/net_namespace.h"
#include "tests/support/sanitized.h"

namespace pcap_zmq::testing {

inline constexpr size_t kLargePacketBytes = 1400;
inline constexpr char kIdsAddress[] = "192.0.2.2";

/// "tcp://192.0.2.2:5555".
std::string IdsEndpoint();

/// What the runner may set; the environment has it as FAULT_<NAME>.
uint64_t FaultSetting(const char* name, uint64_t fallback);

/// Every packet's place, once nothing is on its way.
struct Books {
  uint64_t generated = 0;
  uint64_t logged = 0;  ///< by the rules; the kernel threw the rest away before them
  SenderLedger sender;
  ReceiverLedger receiver;
  uint64_t read = 0;  ///< by the IDS, each packet once

  /// Packets that were generated and not read.
  uint64_t missing() const { return generated - read; }
  /// Those of them that programs which never died have counted, and the kernel.
  uint64_t counted() const {
    return generated - logged + sender.kernel_lost + sender.dropped + receiver.gone() +
           receiver.sink_dropped;
  }
};

/// The traffic, its rules and the sender are in the test's own namespace, the receiver and the
/// reader on the IDS host.  Mounts that a test makes are its own too.
class FaultTest : public PipeTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Opens the generator and the reader; for tests that want other traffic, before anything starts.
  void UseTraffic(const TrafficOptions& options);
  /// Packets that fill buffers soon.
  void UseLargePackets();

  /// Starts a program and waits until it lives; fatal failure if it does not.
  void StartGateway(const Arguments& options = {}, const Arguments& env = {},
                    const std::string& endpoint = IdsEndpoint());
  void StartIds(const Arguments& options = {}, const Arguments& env = {},
                const Arguments& more_outputs = {});
  /// The same with other outputs than the FIFO.
  void StartIdsTo(const Arguments& outputs, const Arguments& options = {},
                  const Arguments& env = {});

  /// Both, a reader, and `packets_per_second` through all of it; remembers how much memory both
  /// programs have.
  void StartPipe(uint64_t packets_per_second, const Arguments& gateway_options = {},
                 const Arguments& ids_options = {});

  /// Runs `work` in the IDS host's network.
  void OnIdsHost(const std::function<void()>& work) const { ids_host_->Run(work); }
  static void Must(Arguments argv);

  /// From now on the cable between the hosts swallows what is sent, and nobody is told.
  void CutLink() const;
  void RestoreLink() const;

  ReceiverLedger ReadIds() const;
  double IdsMetric(const std::string& name, const Labels& labels = {}) const;
  static double GatewayMetric(const std::string& name, const Labels& labels = {});
  /// The answer of /readyz: its status and what it says.
  std::string IdsReadiness() const;
  static std::string GatewayReadiness();
  /// Waits until the answer has all the `wanted` parts in it.
  static void ExpectReadiness(const Arguments& wanted,
                              const std::function<std::string()>& readiness);

  /// Waits until the IDS has read `packets` more of them.
  bool WaitForRead(uint64_t packets) const;
  /// Lets the traffic go on for `packets` packets, wherever they may go.
  bool WaitForTraffic(uint64_t packets) const;

  /// Stops the traffic and waits until every packet has come to rest.
  Books Settle();
  /// The gateway's half of it.
  Books SettleGateway();
  /// The same after a sender was killed and replaced under traffic.  Nobody knows how much of what
  /// was logged the dead one had, so the newest packet of each flow is awaited at the IDS: the new
  /// sender has counted all that came before it.
  Books SettleNewGateway();
  /// Waits until the IDS has read the newest packet of each flow, and sends another if one is lost.
  bool WaitForNewest();
  /// Expects both programs to live, their laws to close, and the readers' captures to be whole and
  /// to hold what was delivered and nothing else.
  Books ExpectClosed(const std::string& fault, uint64_t slack = kMemorySlack);
  /// The parts of it.  `cut` captures of killed writers may end within a record.
  void ExpectReaderIsWhole(uint64_t cut) const;
  void ExpectMemoryIsBounded(uint64_t slack = kMemorySlack) const;
  /// One line for the runner.
  static void Report(const std::string& fault, const Books& books, const std::string& more = "");

  /// Ends both programs and expects them to have nothing against it.
  void EndPipe();

  // Sanitizers keep what was freed.
  // For receivers that were full: --memory 32MiB.
  static constexpr uint64_t kFullSlack = uint64_t{64} << 20;
  static constexpr uint64_t kMemorySlack = kSanitized ? uint64_t{2} << 30 : uint64_t{24} << 20;

  TrafficOptions traffic_;
  std::unique_ptr<TrafficGenerator> generator_;
  std::unique_ptr<PeerNamespace> ids_host_;
  std::unique_ptr<LiveReader> reader_;
  uint64_t logged_before_ = 0;  // for senders that are gone; SettleNewGateway() sets it
  uint64_t gateway_memory_ = 0;
  uint64_t ids_memory_ = 0;
};

}  // namespace pcap_zmq::testing
