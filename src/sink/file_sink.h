// SPDX-License-Identifier: MIT
//
// The output "file:PATH": a capture in a regular file.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/link_type.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/unique_fd.h"
#include "sink/packet_sink.h"
#include "sink/pcap_format.h"

namespace pcap_zmq {

struct FileSinkOptions {
  std::string path;                     ///< without "file:"
  LinkType link_type = LinkType::kRaw;  ///< kRaw or kEthernet
  mode_t mode = 0640;                   ///< of a file that is made here, less the umask
};

/// Writes every packet to a file that is a valid capture after each delivery.
///
/// When the disk is full or failing, the packets that do not fit are dropped as kWriteError, the
/// file is cut back to its last whole record, and the next block is tried again.
class FileSink final : public PacketSink {
 public:
  /// Opens the file as OpenCaptureFile() and writes the capture header.
  /// Owns:    borrows `stats` and `clock` for its life.
  /// Errors:  kConfig when the path cannot be a capture file, kRuntime when the disk refuses.
  static Result<std::unique_ptr<FileSink>> Open(const FileSinkOptions& options, SinkStats* stats,
                                                const Clock* clock);
  ~FileSink() override;

  void Deliver(RecordBlockPtr block) override;
  Nanoseconds Service() override { return kNanosPerSecond; }
  int watch_fd() const override { return -1; }
  /// False from a failed write to the next that succeeds.
  bool usable() const override { return usable_.load(std::memory_order_relaxed); }
  void Finish() override;

 private:
  FileSink(const FileSinkOptions& options, UniqueFd fd, SinkStats* stats, const Clock* clock);

  // Writes at the end of the capture; the bytes that were written before `error`, 0 if none.
  size_t WriteAtEnd(std::span<const uint8_t> bytes, int* error);
  void NoteFailure(int error, uint64_t lost_packets);
  void NoteSuccess();

  const std::string path_;
  UniqueFd fd_;
  SinkStats* const stats_;
  const Clock* const clock_;
  const LinkConverter converter_;
  uint64_t size_ = 0;  // of the valid capture
  std::atomic<bool> usable_{true};
  uint64_t lost_in_episode_ = 0;
};

}  // namespace pcap_zmq
