// SPDX-License-Identifier: MIT
//
// What is done to every packet, cut into steps that run again and again on the same data: for tests
// of what a step costs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pcap_zmq::testing {

/// One step on the way of a packet.
/// Threads: one thread.
class HotPathStep {
 public:
  virtual ~HotPathStep() = default;
  /// Makes what the next Run() takes; not what is measured.
  virtual void Prepare() {}
  /// Does the step's work; returns the packets that it handled, the same number each time.
  virtual uint64_t Run() = 0;
  /// Clears away what Run() left behind; not what is measured.
  virtual void Finish() {}
};

/// The packets that the steps handle, each time the same.
const std::vector<std::vector<uint8_t>>& HotPathTraffic();

/// "parse", "shed", "encode", "squash_zlib", "squash_zstd", "decode", "unpack_zlib", "unpack_zstd",
/// "write" and "write_small" (a packet a block, as in calm traffic).
const std::vector<std::string_view>& HotPathStepNames();

/// `directory` is for a FIFO of the step's own; null for a name that is not a step's.
std::unique_ptr<HotPathStep> MakeHotPathStep(std::string_view name, const std::string& directory);

}  // namespace pcap_zmq::testing
