// SPDX-License-Identifier: MIT
#include "tests/faults/live_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/byte_io.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kHeaderBytes = 24;
constexpr size_t kRecordBytes = 16;
constexpr uint32_t kNanosecondMagic = 0xa1b23c4d;
constexpr uint32_t kRawIp = 101;
constexpr uint32_t kLongest = 262'144;  // that readers of captures accept
constexpr int kPipeBytes = 1 << 20;

// The reading process.  Nothing here may allocate or lock.
[[noreturn]] void MoveBytes(const char* fifo, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Pipes to programs that another thread is just starting among the rest: their other ends would
  // wait for this process.
  constexpr int kOut = 3;
  ::dup2(out, kOut);
  ::syscall(SYS_close_range, kOut + 1, ~0U, 0);
  int in = -1;
  while ((in = ::open(fifo, O_RDONLY | O_CLOEXEC)) < 0) {
    ::poll(nullptr, 0, 10);
  }
  // splice() takes out of one pipe exactly what it has put into the other.
  ssize_t moved = 0;
  do {
    moved = ::splice(in, nullptr, kOut, nullptr, kPipeBytes, 0);
  } while (moved > 0 || (moved < 0 && errno == EINTR));
  ::_exit(0);
}

}  // namespace

void CaptureStream::Feed(std::span<const uint8_t> bytes, MarkChecker* checker) {
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  std::span<const uint8_t> rest = pending_;
  size_t taken = 1;
  while (taken > 0 && error_.empty()) {
    taken = has_header_ ? TakeRecord(rest, checker) : TakeHeader(rest);
    rest = rest.subspan(taken);
  }
  pending_.erase(pending_.begin(), pending_.end() - static_cast<long>(rest.size()));
}

// Both return the bytes taken; 0 when not all are there yet.
size_t CaptureStream::TakeHeader(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) {
    return 0;
  }
  if (LoadLe<uint32_t>(bytes.data()) != kNanosecondMagic ||
      LoadLe<uint32_t>(bytes.data() + 20) != kRawIp) {
    error_ = "a capture does not begin with the header of one";
    return 0;
  }
  has_header_ = true;
  return kHeaderBytes;
}

size_t CaptureStream::TakeRecord(std::span<const uint8_t> bytes, MarkChecker* checker) {
  if (bytes.size() < kRecordBytes) {
    return 0;
  }
  const auto seconds = LoadLe<uint32_t>(bytes.data());
  const auto nanos = LoadLe<uint32_t>(bytes.data() + 4);
  const auto captured = LoadLe<uint32_t>(bytes.data() + 8);
  const auto original = LoadLe<uint32_t>(bytes.data() + 12);
  if (nanos >= kNanosPerSecond || captured > kLongest || captured > original) {
    error_ = "a record has impossible lengths or an impossible time";
    return 0;
  }
  if (bytes.size() < kRecordBytes + captured) {
    return 0;
  }
  last_timestamp_ = seconds * kNanosPerSecond + nanos;
  checker->Add(bytes.subspan(kRecordBytes, captured));
  return kRecordBytes + captured;
}

void LiveReader::Start() {
  Kill();
  killed_ = false;
  supervisor_ = std::thread([this] { Supervise(); });
}

void LiveReader::Kill() {
  {
    const std::lock_guard lock(mutex_);
    killed_ = true;
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
    }
  }
  if (supervisor_.joinable()) {
    supervisor_.join();
  }
}

void LiveReader::Signal(int signal) {
  const std::lock_guard lock(mutex_);
  if (process_ > 0) {
    ::kill(process_, signal);
  }
}

LiveReader::Findings LiveReader::findings() const {
  const std::lock_guard lock(mutex_);
  return findings_;
}

bool LiveReader::HasNewest(const std::vector<uint64_t>& sent_by_flow) const {
  const std::lock_guard lock(mutex_);
  for (uint32_t flow = 0; flow < sent_by_flow.size(); ++flow) {
    if (sent_by_flow[flow] > 0 && !checker_.Has(flow, sent_by_flow[flow] - 1)) {
      return false;
    }
  }
  return true;
}

uint64_t LiveReader::Missing(const std::vector<uint64_t>& sent_by_flow) const {
  const std::lock_guard lock(mutex_);
  return checker_.Missing(sent_by_flow);
}

void LiveReader::Supervise() {
  while (true) {
    const UniqueFd taken = StartProcess();
    if (!taken.valid()) {
      return;
    }
    ReadCapture(taken.get());
    const std::lock_guard lock(mutex_);
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
  }
}

UniqueFd LiveReader::StartProcess() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    std::abort();
  }
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  ::fcntl(read_end.get(), F_SETPIPE_SZ, kPipeBytes);  // faster where it is allowed
  const std::lock_guard lock(mutex_);
  if (killed_) {
    return {};
  }
  process_ = ::fork();
  if (process_ == 0) {
    MoveBytes(fifo_.c_str(), write_end.get());
  }
  if (process_ < 0) {
    std::abort();
  }
  return read_end;
}

void LiveReader::ReadCapture(int fd) {
  std::vector<uint8_t> buffer(kPipeBytes);
  CaptureStream capture;
  ssize_t got = 0;
  while ((got = ::read(fd, buffer.data(), buffer.size())) > 0) {
    const std::lock_guard lock(mutex_);
    capture.Feed({buffer.data(), static_cast<size_t>(got)}, &checker_);
    findings_.distinct = checker_.distinct();
    findings_.duplicates = checker_.duplicates();
    findings_.foreign = checker_.foreign();
    findings_.out_of_order = checker_.out_of_order();
    findings_.last_timestamp = capture.last_timestamp();
    if (findings_.error.empty()) {
      findings_.error = capture.error();
    }
  }
  const std::lock_guard lock(mutex_);
  ++findings_.captures;
  findings_.cut += capture.is_cut() ? 1U : 0U;
}

}  // namespace pcap_zmq::testing
