// SPDX-License-Identifier: MIT
#include "sink/fifo_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.h"
#include "sink/fifo_path.h"
#include "sink/permission_hint.h"
#include "sink/stop_wait.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kReaderCheck = 20 * kNanosPerMilli;  // nothing tells of a reader that comes
constexpr Nanoseconds kPathCheck = kNanosPerSecond;
constexpr Nanoseconds kRewriteCheck = 5 * kNanosPerMilli;
constexpr uint64_t kForgetEvery = uint64_t{64} * 1024;
constexpr int kReaderLogLines = 20;  // in kReaderLogWindow
constexpr Nanoseconds kReaderLogWindow = 10 * kNanosPerSecond;

std::string Reason(int error) {
  return std::strerror(error);  // NOLINT: messages of known errors are static
}

}  // namespace

Result<std::unique_ptr<FifoSink>> FifoSink::Open(const FifoOptions& options, SinkStats* stats,
                                                 const Clock* clock, const StopEvent* stop) {
  struct stat status {};
  if (options.path.empty()) {
    return ConfigError("the output's path is empty; name a path for the FIFO");
  }
  if (::stat(options.path.c_str(), &status) != 0) {
    if (Status made = MakeFifo(options.path, options.mode); !made.ok()) {
      return made.error();
    }
    if (::stat(options.path.c_str(), &status) != 0) {
      const int error = errno;
      return ConfigError("cannot use " + options.path + ": " + Reason(error));
    }
  }
  if (Status kind = CheckIsFifo(options.path, status); !kind.ok()) {
    return kind.error();
  }
  std::unique_ptr<FifoSink> sink(new FifoSink(options, stats, clock, stop));
  if (const int error = sink->OpenWriteEnd(); error != 0 && error != ENXIO && error != EBUSY) {
    return error == EACCES || error == EPERM
               ? ConfigError("no permission to write to the FIFO " + options.path +
                             "; change its owner or mode" + PermissionHint())
               : RuntimeError("cannot open the FIFO " + options.path + ": " + Reason(error));
  }
  sink->LookForReader();
  return sink;
}

FifoSink::FifoSink(const FifoOptions& options, SinkStats* stats, const Clock* clock,
                   const StopEvent* stop)
    : options_(options),
      stats_(stats),
      clock_(clock),
      stop_(stop),
      header_(FileHeader(options.link_type)),
      converter_(options.link_type),
      guard_(options.path, options.pipe_bytes, clock) {}

FifoSink::~FifoSink() {
  Finish();
}

int FifoSink::OpenWriteEnd() {
  return guard_.Open(&fd_, &identity_);
}

void FifoSink::LookForReader() {
  if (!fd_.valid()) {
    const int error = OpenWriteEnd();
    if (error == ENXIO || error == EBUSY) {
      path_fault_ = false;
      return;
    }
    if (error != 0) {
      PathFault(error == EINVAL ? "it is no longer a FIFO" : Reason(error));
      return;
    }
    path_fault_ = false;
  }
  if ((EventsOf(fd_.get(), 0) & POLLERR) == 0) {
    StartSession();
  }
}

void FifoSink::StartSession() {
  attached_ = true;
  usable_.store(true, std::memory_order_relaxed);
  stats_->reader_attached.Set(1);
  if (readers_++ > 0) {
    stats_->reopens.Add();
  }
  header_written_ = 0;
  log_.StartSession();
  LogReader("a reader has opened " + options_.path);
  Pump();
}

bool FifoSink::Pump() {
  while (attached_) {
    const bool in_header = header_written_ < header_.size();
    const std::span<const uint8_t> bytes = NextBytes();
    if (bytes.empty()) {
      break;
    }
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    const int error = errno;
    if (written < 0) {
      if (error == EINTR) {
        continue;
      }
      if (error != EAGAIN) {
        ReaderLeft();
      }
      break;
    }
    const auto count = static_cast<size_t>(written);
    stats_->delivered_bytes.Add(count);
    if (in_header) {
      header_written_ += count;
    } else {
      log_.MarkWritten(count);
      bytes_since_forget_ += count;
    }
  }
  TakeTally();
  if (attached_ && bytes_since_forget_ >= kForgetEvery) {
    ForgetTaken();
  }
  return attached_ && header_written_ == header_.size() && log_.AllWritten();
}

std::span<const uint8_t> FifoSink::NextBytes() {
  lacks_room_ = false;
  if (header_written_ < header_.size()) {
    return std::span<const uint8_t>(header_).subspan(header_written_);
  }
  if (!stop_->requested()) {
    return log_.Unwritten();
  }
  // From here on a record is begun only if the pipe takes all of it, so that a capture which the
  // deadline ends does not end within one.  The pipe takes up to PIPE_BUF bytes whole or not at
  // all.
  const bool is_new = !log_.InsideRecord();
  const std::span<const uint8_t> bytes = log_.UnwrittenRecords(PIPE_BUF);
  lacks_room_ = is_new && bytes.size() > PIPE_BUF && !HasRoomFor(bytes.size());
  return lacks_room_ ? std::span<const uint8_t>() : bytes;
}

bool FifoSink::HasRoomFor(size_t bytes) const {
  const uint64_t unread = Unread();
  const auto capacity = static_cast<uint64_t>(std::max(0, ::fcntl(fd_.get(), F_GETPIPE_SZ)));
  // The kernel fills pages.  Two neighbours hold more than one page's bytes, or they would be one;
  // but for the first and the last.
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return unread == 0 || 2 * unread + 2 * page + bytes + page <= capacity;
}

void FifoSink::TakeTally() {
  const ReplayLog::Tally tally = log_.TakeTally();
  stats_->delivered_packets.Add(tally.first);
  stats_->rewritten_packets.Add(tally.again);
  stats_->queued_packets.Add(-static_cast<int64_t>(tally.first));
}

void FifoSink::Deliver(RecordBlockPtr block) {
  uint64_t unconvertible = 0;
  block = converter_.Convert(std::move(block), &unconvertible);
  stats_->dropped.Add(SinkDropReason::kLinkType, unconvertible);
  if (block->packet_count == 0) {
    return;
  }
  if (gave_up_ || finished_) {
    stats_->dropped.Add(SinkDropReason::kShutdown, block->packet_count);
    return;
  }
  stats_->queued_packets.Add(block->packet_count);
  log_.Append(block);
  while (!Pump()) {
    if (!Wait()) {
      GiveUp();
      return;
    }
  }
  stats_->delivery.Observe(clock_->WallNow() - block->oldest_timestamp, block->packet_count);
}

bool FifoSink::Wait() {
  // A pipe with room for a part of a record looks writable.
  const bool is_paced = attached_ && lacks_room_;
  const Nanoseconds timeout = is_paced ? kRewriteCheck : attached_ ? kPathCheck : kReaderCheck;
  const std::optional<short> events = WaitWritable(is_paced ? -1 : watch_fd(), timeout, *stop_,
                                                   *clock_, stats_, options_.meanwhile);
  if (!events.has_value()) {
    return false;
  }
  if (((is_paced ? EventsOf(fd_.get(), 0) : *events) & POLLERR) != 0) {
    ReaderLeft();
  }
  CheckPath();
  if (!attached_) {
    LookForReader();
  }
  return true;
}

void FifoSink::GiveUp() {
  // From here on nothing more may be written: the pipe may end inside of a record.
  gave_up_ = true;
  const uint64_t packets = log_.undelivered();
  stats_->dropped.Add(SinkDropReason::kShutdown, packets);
  stats_->queued_packets.Add(-static_cast<int64_t>(packets));
}

Nanoseconds FifoSink::Service() {
  if (finished_ || gave_up_) {
    return kPathCheck;
  }
  if (attached_ && (EventsOf(fd_.get(), 0) & POLLERR) != 0) {
    ReaderLeft();
  }
  CheckPath();
  if (!attached_) {
    LookForReader();
    return attached_ ? kRewriteCheck : kReaderCheck;
  }
  if (!Pump()) {
    return attached_ ? kRewriteCheck : kReaderCheck;
  }
  if (const Nanoseconds now = clock_->MonotonicNow(); now >= next_forget_) {
    // Lets go of memory when the traffic stops; in traffic Pump() does it.
    next_forget_ = now + kPathCheck;
    ForgetTaken();
  }
  return kPathCheck;
}

uint64_t FifoSink::Unread() const {
  int unread = 0;
  if (::ioctl(fd_.get(), FIONREAD, &unread) != 0) {
    // The pipe cannot hold more than this.
    unread = ::fcntl(fd_.get(), F_GETPIPE_SZ);
  }
  return static_cast<uint64_t>(std::max(0, unread));
}

void FifoSink::ForgetTaken() {
  bytes_since_forget_ = 0;
  if (log_.held_bytes() > 0) {
    log_.Forget(Unread());
  }
}

void FifoSink::ReaderLeft() {
  // Asked before anything else happens to the pipe: it tells exactly what the reader has taken.
  const uint64_t unread = Unread();
  TakeTally();
  log_.Rewind(unread);
  if (!Drain(unread)) {
    // Closing discards the pipe's content unless somebody else holds the FIFO open.
    fd_.Reset();
  }
  attached_ = false;
  usable_.store(false, std::memory_order_relaxed);
  stats_->reader_attached.Set(0);
  const uint64_t packets = log_.CountWaitingAgain();
  LogReader("the reader of " + options_.path + " has gone; " + std::to_string(packets) +
            " packets that it left unread wait for the next one");
}

bool FifoSink::Drain(uint64_t unread) {
  if (unread == 0) {
    return true;
  }
  const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
  const UniqueFd read_end(::open(self.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!read_end.valid()) {
    return false;
  }
  std::vector<uint8_t> waste(std::min<uint64_t>(unread, kForgetEvery));
  while (unread > 0) {
    const ssize_t taken = ::read(read_end.get(), waste.data(),
                                 static_cast<size_t>(std::min<uint64_t>(unread, waste.size())));
    if (taken < 0 && errno == EINTR) {
      continue;
    }
    if (taken <= 0) {
      break;  // a new reader was quicker
    }
    unread -= static_cast<uint64_t>(taken);
  }
  return true;
}

void FifoSink::CheckPath() {
  const Nanoseconds now = clock_->MonotonicNow();
  if (attached_ && now < next_path_check_) {
    return;
  }
  next_path_check_ = now + kPathCheck;
  struct stat status {};
  bool known = ::stat(options_.path.c_str(), &status) == 0;
  if (!known && errno == ENOENT) {
    if (Status made = MakeFifo(options_.path, options_.mode); !made.ok()) {
      PathFault(made.error().message);
    } else if (known = ::stat(options_.path.c_str(), &status) == 0; known) {
      LogReader(options_.path + " had been deleted and was made anew");
    }
  }
  // An attached reader keeps its FIFO, whatever has become of the path; others come by the path.
  const bool same = status.st_dev == identity_.st_dev && status.st_ino == identity_.st_ino;
  if (known && !same && !attached_) {
    fd_.Reset();
  }
}

void FifoSink::Finish() {
  if (finished_) {
    return;
  }
  if (attached_ && (EventsOf(fd_.get(), 0) & POLLERR) != 0) {
    ReaderLeft();
  }
  // What was delivered before may wait for a second time; a reader that is there gets the drain's
  // time to take it.
  while (!gave_up_ && attached_ && !Pump() && stop_->requested() && Wait()) {
  }
  finished_ = true;
  const uint64_t waiting = log_.CountWaitingAgain();
  if (waiting > 0) {
    Log(LogLevel::kWarning, options_.path + ": the last reader left " + std::to_string(waiting) +
                                " packets unread, and no other came to take them");
  }
  attached_ = false;
  usable_.store(false, std::memory_order_relaxed);
  stats_->reader_attached.Set(0);
  fd_.Reset();
}

void FifoSink::PathFault(const std::string& message) {
  if (!path_fault_) {
    path_fault_ = true;
    Log(LogLevel::kError, "cannot write to " + options_.path + ": " + message + "; trying on");
  }
}

void FifoSink::LogReader(const std::string& message) {
  const Nanoseconds now = clock_->MonotonicNow();
  if (now >= log_window_end_) {
    log_window_end_ = now + kReaderLogWindow;
    log_lines_left_ = kReaderLogLines;
  }
  if (log_lines_left_ > 0) {
    --log_lines_left_;
    Log(LogLevel::kInfo, message);
  }
}

}  // namespace pcap_zmq
