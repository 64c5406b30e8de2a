// SPDX-License-Identifier: MIT
#include "sink/session_guard.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace pcap_zmq {
namespace {

constexpr Nanoseconds kLookInterval = kNanosPerSecond;
// A reader that takes nothing for so long hangs, as a thread of ours would in /healthz.
constexpr Nanoseconds kEndOfFileTime = 10 * kNanosPerSecond;
// The kernel makes pipes of 16 pages, or of 2 for a user who has many.
constexpr std::array<int, 2> kUnmarkedPages = {16, 2};

int PageBytes() {
  static const int bytes = static_cast<int>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

bool IsMark(int pages) {
  return std::find(kUnmarkedPages.begin(), kUnmarkedPages.end(), pages) == kUnmarkedPages.end();
}

bool IsSameFile(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Whether anybody holds the empty pipe behind `read_end` open for writing.
bool HasWriter(int read_end) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return true;
  }
  const UniqueFd scratch_read(ends[0]);
  const UniqueFd scratch_write(ends[1]);
  // It takes nothing out, and finds the end of file only where there is no writer.
  return ::tee(read_end, scratch_write.get(), 1, SPLICE_F_NONBLOCK) != 0;
}

}  // namespace

SessionGuard::SessionGuard(std::string path, int pipe_bytes, const Clock* clock)
    : path_(std::move(path)), pipe_bytes_(pipe_bytes), clock_(clock) {}

int SessionGuard::Open(UniqueFd* write_end, struct stat* identity) {
  if (!passed_ && Look() == Verdict::kTaken) {
    return EBUSY;
  }
  UniqueFd fd;
  struct stat status {};
  // Without O_NONBLOCK the open would wait for a reader; O_RDWR would hide that there is none.
  if (const int error = OpenEnd(O_WRONLY, &fd, &status); error != 0) {
    return error;
  }
  if (!passed_ || !IsSameFile(status, checked_)) {
    // A path that leads to another FIFO now, or one that may not be read.
    passed_ = false;
    checked_ = status;
    if (const Pipe pipe = Inspect(fd.get()); pipe.has_session()) {
      fd.Reset();
      KeepOut(pipe.unread);
      return EBUSY;
    }
    passed_ = true;
  }
  waiting_ = false;
  watch_.Reset();
  Mark(fd.get());
  *write_end = std::move(fd);
  *identity = status;
  return 0;
}

int SessionGuard::OpenEnd(int flags, UniqueFd* fd, struct stat* identity) const {
  UniqueFd opened(::open(path_.c_str(), flags | O_NONBLOCK | O_CLOEXEC));
  if (!opened.valid() || ::fstat(opened.get(), identity) != 0) {
    return errno;
  }
  if (!S_ISFIFO(identity->st_mode)) {
    return EINVAL;
  }
  *fd = std::move(opened);
  return 0;
}

SessionGuard::Pipe SessionGuard::Inspect(int fd) {
  int unread = 0;
  Pipe pipe;
  pipe.marked = IsMark(::fcntl(fd, F_GETPIPE_SZ) / PageBytes());
  pipe.unread = ::ioctl(fd, FIONREAD, &unread) == 0 ? static_cast<uint64_t>(unread) : 0;
  return pipe;
}

SessionGuard::Verdict SessionGuard::Look() {
  const Nanoseconds now = clock_->MonotonicNow();
  reader_left_ = ReaderClosed() || reader_left_;
  if (watch_.valid() && !reader_left_ && now < next_look_) {
    return Verdict::kTaken;
  }
  next_look_ = now + kLookInterval;
  UniqueFd read_end;
  struct stat status {};
  if (OpenEnd(O_RDONLY, &read_end, &status) != 0) {
    return Verdict::kUnknown;
  }
  if (!IsSameFile(status, checked_)) {
    checked_ = status;
    waiting_ = false;
    reader_left_ = false;
    watch_.Reset();
  }
  const Pipe pipe = Inspect(read_end.get());
  const bool has_writer = pipe.unread > 0 || HasWriter(read_end.get());
  reader_left_ = ReaderClosed() || reader_left_;
  read_end.Reset();
  ReaderClosed();  // it was this one
  if (pipe.unread > 0) {
    reader_left_ = false;  // another one: with the last reader go the bytes
  }
  const Verdict verdict = Judge(pipe, has_writer);
  passed_ = verdict == Verdict::kFree;
  return verdict;
}

SessionGuard::Verdict SessionGuard::Judge(const Pipe& pipe, bool has_writer) {
  if (!pipe.has_session() || (pipe.unread == 0 && reader_left_)) {
    return Verdict::kFree;
  }
  if (has_writer) {
    // Then another one for a moment changes nothing for a reader.
    at_end_since_ = 0;
    UniqueFd write_end;
    struct stat status {};
    const int error = OpenEnd(O_WRONLY, &write_end, &status);
    write_end.Reset();
    if (error != ENXIO) {
      return KeepOut(pipe.unread);
    }
    Discard();
    return Verdict::kFree;
  }
  const Nanoseconds now = clock_->MonotonicNow();
  if (!waiting_ || at_end_since_ == 0) {
    at_end_since_ = now;
  }
  if (now - at_end_since_ < kEndOfFileTime) {
    return KeepOut(0);
  }
  Log(LogLevel::kInfo,
      "the reader of a previous receiver keeps " + path_ +
          " open, and has had 10 s to see the end of its capture; a new one begins");
  return Verdict::kFree;
}

void SessionGuard::Discard() const {
  UniqueFd read_end;
  struct stat status {};
  if (OpenEnd(O_RDONLY, &read_end, &status) != 0) {
    return;
  }
  const uint64_t unread = Inspect(read_end.get()).unread;
  std::array<char, 4096> waste{};
  uint64_t discarded = 0;
  // No more than was there: somebody may go on writing.
  while (discarded < unread) {
    const ssize_t got = ::read(read_end.get(), waste.data(), waste.size());
    if (got <= 0) {
      break;
    }
    discarded += static_cast<uint64_t>(got);
  }
  if (discarded > 0) {
    Log(LogLevel::kWarning, "threw away " + std::to_string(discarded) + " bytes in " + path_ +
                                " that a previous receiver had written and no reader took");
  }
}

SessionGuard::Verdict SessionGuard::KeepOut(uint64_t unread) {
  if (!waiting_) {
    waiting_ = true;
    reader_left_ = false;
    Watch();
    // Once more, as it may have gone before it was watched.
    next_look_ = 0;
    Log(LogLevel::kInfo, "waits until the reader of a previous receiver has gone: it keeps " +
                             path_ + " open with " + std::to_string(unread) +
                             " bytes unread, and would find a second header amid its capture");
  }
  return Verdict::kTaken;
}

void SessionGuard::Mark(int fd) const {
  const int page = PageBytes();
  const auto wanted = static_cast<unsigned>((std::max(pipe_bytes_, 1) - 1) / page + 1);
  int pages = static_cast<int>(std::bit_ceil(wanted));
  // Rather more than was asked for than less; and less where the kernel grants no more.
  for (pages = IsMark(pages) ? pages : 2 * pages; pages >= 1; pages /= 2) {
    if (IsMark(pages) && ::fcntl(fd, F_SETPIPE_SZ, pages * page) >= 0) {
      return;
    }
  }
}

void SessionGuard::Watch() {
  watch_.Reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  // Readers open the FIFO for reading alone.  Our own looks do, too, and are told apart by time.
  if (watch_.valid() && ::inotify_add_watch(watch_.get(), path_.c_str(), IN_CLOSE_NOWRITE) < 0) {
    watch_.Reset();
  }
}

bool SessionGuard::ReaderClosed() const {
  alignas(inotify_event) std::array<char, 4096> events{};
  bool closed = false;
  while (watch_.valid() && ::read(watch_.get(), events.data(), events.size()) > 0) {
    closed = true;
  }
  return closed;
}

}  // namespace pcap_zmq
