// SPDX-License-Identifier: MIT
//
// UDP traffic of which every packet can be told from every other, so that what came out of the pipe
// can be held against what went in.
#pragma once

#include <netinet/in.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/support/netfilter.h"

namespace pcap_zmq::testing {

/// What the packets look like.  A packet's UDP payload is a magic number, the flow, the packet's
/// index in the flow and filling that depends on both.
struct TrafficOptions {
  uint32_t ipv4_flows = 4;
  uint32_t ipv6_flows = 4;
  size_t packet_bytes = 128;  ///< of the IP packet, headers included; 72 at least
  bool compressible = false;  ///< text-like filling instead of noise
  uint16_t port = kLoggedPort;
};

/// Which packet of the traffic this is.
struct Mark {
  uint32_t flow = 0;  ///< IPv4 flows first
  uint64_t index = 0;
};

/// The mark of a captured IP packet.
/// Errors:  nullopt when the packet is not of this traffic or differs in any payload byte, address,
///          length or port from what was sent.
std::optional<Mark> RecogniseMark(const TrafficOptions& options,
                                  std::span<const uint8_t> ip_packet);

/// Sends marked packets over lo.
/// Threads: Send() and Stop() from one thread; sent() from any.
class TrafficGenerator {
 public:
  static Result<std::unique_ptr<TrafficGenerator>> Open(const TrafficOptions& options);
  ~TrafficGenerator() { Stop(); }

  /// Sends `count` packets at `packets_per_second` (0: as fast as it goes), the flows taking
  /// turns.
  void Send(uint64_t count, uint64_t packets_per_second = 0);

  /// Goes on sending in a thread until Stop().
  void StartSending(uint64_t packets_per_second);
  void Stop();

  /// Packets given to the kernel, of all flows.
  uint64_t sent() const { return sent_.load(std::memory_order_relaxed); }
  /// Packets given to the kernel, by flow; not while a thread is sending.
  const std::vector<uint64_t>& sent_by_flow() const { return next_index_; }
  const TrafficOptions& options() const { return options_; }

 private:
  static constexpr size_t kBurst = 64;

  explicit TrafficGenerator(const TrafficOptions& options);
  void SendBurst(uint32_t flow, size_t count);
  void Run(uint64_t count, uint64_t packets_per_second);

  const TrafficOptions options_;
  std::vector<UniqueFd> sockets_;
  std::vector<uint64_t> next_index_;
  std::vector<uint8_t> payloads_;
  uint32_t next_flow_ = 0;
  std::atomic<uint64_t> sent_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// Holds captured packets against what a generator sent.
class MarkChecker {
 public:
  explicit MarkChecker(const TrafficOptions& options);

  void Add(std::span<const uint8_t> ip_packet);

  /// Packets that were added and recognised, each time it was added.
  uint64_t recognised() const { return recognised_; }
  /// Packets that were added and are not, byte for byte, of the traffic.
  uint64_t foreign() const { return foreign_; }
  uint64_t duplicates() const { return duplicates_; }
  /// Packets that came after a later one of their flow.
  uint64_t out_of_order() const { return out_of_order_; }
  /// Packets recognised at least once.
  uint64_t distinct() const { return recognised_ - duplicates_; }
  bool Has(uint32_t flow, uint64_t index) const;
  /// Packets among those sent that were never added.
  uint64_t Missing(const std::vector<uint64_t>& sent_by_flow) const;

 private:
  TrafficOptions options_;
  std::vector<std::vector<bool>> seen_;        // by flow and index
  std::vector<std::optional<uint64_t>> last_;  // by flow
  uint64_t recognised_ = 0;
  uint64_t foreign_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t out_of_order_ = 0;
};

}  // namespace pcap_zmq::testing
