// SPDX-License-Identifier: MIT
#include "sink/stream_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "sink/stop_wait.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kLongWait = kNanosPerSecond;
constexpr Nanoseconds kHeaderCheck = 20 * kNanosPerMilli;

}  // namespace

Result<std::unique_ptr<StreamSink>> StreamSink::Open(const StreamOptions& options, SinkStats* stats,
                                                     const Clock* clock, const StopEvent* stop) {
  struct stat status {};
  const int flags = ::fcntl(options.fd, F_GETFL);
  if (::fstat(options.fd, &status) != 0 || flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
    return ConfigError("cannot write a capture to " + options.name +
                       ": it is closed or only open for reading");
  }
  if (::isatty(options.fd) != 0) {
    return ConfigError("will not write a capture to a terminal; send " + options.name +
                       " to a program or a file");
  }
  UniqueFd own;
  Kind kind = S_ISSOCK(status.st_mode) ? Kind::kSocket : Kind::kFile;
  if (S_ISFIFO(status.st_mode)) {
    // An open file description of our own, which may be non-blocking without harm to others.
    const std::string self = "/proc/self/fd/" + std::to_string(options.fd);
    own.Reset(::open(self.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    kind = own.valid() ? Kind::kPipe : Kind::kSharedPipe;
  }
  if (!own.valid()) {
    own.Reset(::fcntl(options.fd, F_DUPFD_CLOEXEC, 0));
  }
  if (!own.valid()) {
    const int error = errno;
    return RuntimeError("cannot write to " + options.name + ": " +
                        std::strerror(error));  // NOLINT: messages of known errors are static
  }
  std::unique_ptr<StreamSink> sink(
      new StreamSink(options, std::move(own), kind, stats, clock, stop));
  sink->Pump();
  return sink;
}

StreamSink::StreamSink(const StreamOptions& options, UniqueFd fd, Kind kind, SinkStats* stats,
                       const Clock* clock, const StopEvent* stop)
    : name_(options.name),
      fd_(std::move(fd)),
      kind_(kind),
      stats_(stats),
      clock_(clock),
      stop_(stop),
      meanwhile_(options.meanwhile),
      header_(FileHeader(options.link_type)),
      converter_(options.link_type) {
  stats_->reader_attached.Set(1);
}

StreamSink::~StreamSink() {
  Finish();
}

ssize_t StreamSink::Write(std::span<const uint8_t> bytes) const {
  switch (kind_) {
    case Kind::kSocket:
      return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    case Kind::kSharedPipe:
      // A pipe that polls as writable has room for one page, which is then taken without waiting.
      if ((EventsOf(fd_.get(), POLLOUT) & (POLLOUT | POLLERR)) == 0) {
        errno = EAGAIN;
        return -1;
      }
      return ::write(fd_.get(), bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    case Kind::kPipe:
    case Kind::kFile:
      break;
  }
  return ::write(fd_.get(), bytes.data(), bytes.size());
}

bool StreamSink::Pump() {
  while (!ended()) {
    const bool in_header = header_written_ < header_.size();
    const std::span<const uint8_t> bytes =
        in_header ? std::span<const uint8_t>(header_).subspan(header_written_) : log_.Unwritten();
    if (bytes.empty()) {
      break;
    }
    const ssize_t written = Write(bytes);
    const int error = errno;
    if (written < 0) {
      if (error == EINTR) {
        continue;
      }
      if (error != EAGAIN) {
        End(error);
      }
      break;
    }
    const auto count = static_cast<size_t>(written);
    stats_->delivered_bytes.Add(count);
    if (in_header) {
      header_written_ += count;
    } else {
      log_.MarkWritten(count);
    }
  }
  const uint64_t delivered = log_.TakeTally().first;
  stats_->delivered_packets.Add(delivered);
  stats_->queued_packets.Add(-static_cast<int64_t>(delivered));
  log_.Forget(0);
  return !ended() && log_.AllWritten();
}

void StreamSink::End(int error) {
  ended_.store(true, std::memory_order_relaxed);
  stats_->reader_attached.Set(0);
  const bool left = error == EPIPE || error == ECONNRESET;
  Log(left ? LogLevel::kInfo : LogLevel::kError,
      left ? "the reader of " + name_ + " has gone"
           : "cannot write to " + name_ + ": " +
                 std::strerror(error));  // NOLINT: messages of known errors are static
}

void StreamSink::DropUndelivered(SinkDropReason reason) {
  gave_up_ = true;
  const uint64_t packets = log_.undelivered();
  stats_->dropped.Add(reason, packets);
  stats_->queued_packets.Add(-static_cast<int64_t>(packets));
}

void StreamSink::Deliver(RecordBlockPtr block) {
  uint64_t unconvertible = 0;
  block = converter_.Convert(std::move(block), &unconvertible);
  stats_->dropped.Add(SinkDropReason::kLinkType, unconvertible);
  if (block->packet_count == 0) {
    return;
  }
  if (gave_up_ || ended()) {
    stats_->dropped.Add(SinkDropReason::kShutdown, block->packet_count);
    return;
  }
  stats_->queued_packets.Add(block->packet_count);
  log_.Append(block);
  while (!Pump()) {
    if (ended() ||
        !WaitWritable(fd_.get(), kLongWait, *stop_, *clock_, stats_, meanwhile_).has_value()) {
      DropUndelivered(SinkDropReason::kShutdown);
      return;
    }
  }
  stats_->delivery.Observe(clock_->WallNow() - block->oldest_timestamp, block->packet_count);
  stats_->heartbeat.Beat(clock_->MonotonicNow());
}

Nanoseconds StreamSink::Service() {
  if (ended() || gave_up_) {
    return kLongWait;
  }
  if (kind_ != Kind::kFile && (EventsOf(fd_.get(), 0) & (POLLERR | POLLHUP)) != 0) {
    End(EPIPE);
    return kLongWait;
  }
  Pump();
  return header_written_ < header_.size() ? kHeaderCheck : kLongWait;
}

int StreamSink::watch_fd() const {
  return ended() || gave_up_ || kind_ == Kind::kFile ? -1 : fd_.get();
}

void StreamSink::Finish() {
  stats_->reader_attached.Set(0);
  gave_up_ = true;
}

}  // namespace pcap_zmq
