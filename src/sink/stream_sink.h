// SPDX-License-Identifier: MIT
//
// The output "-": a capture on a descriptor that somebody else opened, such as standard output.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/link_type.h"
#include "base/meanwhile.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "base/unique_fd.h"
#include "sink/packet_sink.h"
#include "sink/pcap_format.h"
#include "sink/replay_log.h"

namespace pcap_zmq {

struct StreamOptions {
  int fd = 1;                            ///< a pipe, a socket or a file
  std::string name = "standard output";  ///< for messages
  LinkType link_type = LinkType::kRaw;   ///< kRaw or kEthernet
  Meanwhile* meanwhile = nullptr;        ///< what the thread does while it waits for the reader
};

/// Delivers to the one reader of a descriptor, waiting for it as long as it takes.
///
/// A reader that leaves is final, and so is a write error: it is logged once, ended() tells the
/// program, and what comes later is dropped.  The descriptor's own flags are left alone, since
/// other processes may share them.  Whoever calls must ignore SIGPIPE.
class StreamSink final : public PacketSink {
 public:
  /// Writes the capture header as soon as the descriptor takes it.
  /// Owns:    borrows everything; a reader sees the end when the descriptor itself is closed, too.
  /// Errors:  kConfig for a terminal and for a descriptor that cannot be written.
  static Result<std::unique_ptr<StreamSink>> Open(const StreamOptions& options, SinkStats* stats,
                                                  const Clock* clock, const StopEvent* stop);
  ~StreamSink() override;

  void Deliver(RecordBlockPtr block) override;
  Nanoseconds Service() override;
  int watch_fd() const override;
  bool usable() const override { return !ended(); }
  bool ended() const override { return ended_.load(std::memory_order_relaxed); }
  void Finish() override;

 private:
  enum class Kind { kPipe, kSharedPipe, kSocket, kFile };

  StreamSink(const StreamOptions& options, UniqueFd fd, Kind kind, SinkStats* stats,
             const Clock* clock, const StopEvent* stop);

  // As write(2), but never waits for a reader.
  ssize_t Write(std::span<const uint8_t> bytes) const;
  bool Pump();
  void End(int error);
  void DropUndelivered(SinkDropReason reason);

  const std::string name_;
  const UniqueFd fd_;
  const Kind kind_;
  SinkStats* const stats_;
  const Clock* const clock_;
  const StopEvent* const stop_;
  Meanwhile* const meanwhile_;
  const FileHeaderBytes header_;
  const LinkConverter converter_;
  size_t header_written_ = 0;
  ReplayLog log_;  // of what waits to be written
  std::atomic<bool> ended_{false};
  bool gave_up_ = false;
};

}  // namespace pcap_zmq
