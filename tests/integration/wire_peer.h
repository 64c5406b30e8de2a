// SPDX-License-Identifier: MIT
//
// The far end of the wire, played by a test: a PULL that keeps what a sender sends, a PUSH that
// sends a receiver anything, and frames written by hand after codec/README.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "tests/support/packet_builder.h"

namespace pcap_zmq::testing {

/// The fields of a frame's header, free of any check.
struct HeaderFields {
  uint32_t magic = 0x46505a50;
  uint8_t version = 1;
  uint8_t codec = 0;  ///< 0 plain, 1 zlib, 2 zstd
  uint16_t flags = 0;
  uint32_t link_type = 101;
  uint32_t packet_count = 1;
  uint64_t stream_id = 1;
  uint64_t sequence = 0;
  uint64_t first_ordinal = 0;
  uint32_t raw_length = 0;
  uint32_t reserved = 0;
};

inline constexpr uint16_t kControlFlag = 1;

/// A frame: header and payload.
Bytes MakeFrame(const HeaderFields& fields, std::span<const uint8_t> payload);

/// The header of a frame; zeros when it is too short to have one.
HeaderFields ReadHeader(std::span<const uint8_t> frame);

/// `bytes` as one zlib stream.
Bytes ZlibPack(std::span<const uint8_t> bytes);

/// A zlib stream that unpacks to `size` zeros.
Bytes ZlibBomb(size_t size);

/// A PUSH socket connected to a receiver.
/// Threads: one.
class WirePush {
 public:
  explicit WirePush(uint16_t port);
  WirePush(const WirePush&) = delete;
  WirePush& operator=(const WirePush&) = delete;
  /// What is not sent yet is given up.
  ~WirePush();

  /// Waits while the receiver takes nothing, at most as long as tests wait for anything.
  /// Errors:  false when it takes nothing for that long.
  bool Send(std::span<const uint8_t> message);

 private:
  void* context_;
  void* socket_;
};

struct ArrivedFrame {
  Nanoseconds arrival = 0;  ///< wall time
  Bytes bytes;
};

/// A PULL socket with a thread that keeps everything that arrives.
class WirePull {
 public:
  explicit WirePull(uint16_t port);
  WirePull(const WirePull&) = delete;
  WirePull& operator=(const WirePull&) = delete;
  ~WirePull() { Stop(); }

  /// Frames that have arrived so far.  The first is the control frame that a sender begins with.
  uint64_t arrived() const { return arrived_.load(); }
  /// Packets in the data frames that have arrived so far.
  uint64_t packets() const { return packets_.load(); }
  void Stop();
  /// After Stop().
  const std::vector<ArrivedFrame>& frames() const { return frames_; }

 private:
  void Run();

  void* context_;
  void* socket_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> arrived_{0};
  std::atomic<uint64_t> packets_{0};
  std::vector<ArrivedFrame> frames_;
  std::thread thread_;
};

}  // namespace pcap_zmq::testing
