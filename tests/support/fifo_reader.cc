// SPDX-License-Identifier: MIT
#include "tests/support/fifo_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace pcap_zmq::testing {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

// The child of ReaderProcess.  Nothing here may allocate or lock.
[[noreturn]] void MoveBytes(const char* fifo, const char* file) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int in = ::open(fifo, O_RDONLY | O_CLOEXEC);
  if (in < 0 || out < 0) {
    ::_exit(2);
  }
  // splice() takes from the pipe exactly what it has put into the file.
  ssize_t moved = 0;
  do {
    moved = ::splice(in, nullptr, out, nullptr, kReadBytes, 0);
  } while (moved > 0 || (moved < 0 && errno == EINTR));
  ::_exit(moved == 0 ? 0 : 1);
}

}  // namespace

FifoReader::FifoReader(std::string path, bool supervised)
    : path_(std::move(path)),
      supervised_(supervised),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Run(); });
}

// Opens the FIFO once it is there; false when stopped first.
bool FifoReader::OpenNext() {
  // As a program that ends and is started again: the old one has gone by then.
  fifo_.Reset();
  while (true) {
    fifo_.Reset(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (fifo_.valid()) {
      captures_.emplace_back();
      readers_.fetch_add(1, std::memory_order_release);
      return true;
    }
    pollfd waiting{wake_.get(), POLLIN, 0};
    ::poll(&waiting, 1, 10);
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      return false;
    }
  }
}

// False when stopped.
bool FifoReader::WaitWhilePaused() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !paused_ || stopped_; });
  return !stopped_;
}

void FifoReader::Run() {
  std::vector<uint8_t> buffer(kReadBytes);
  bool open = OpenNext();
  while (open && WaitWhilePaused()) {
    // A FIFO that never had a writer does not report POLLHUP, so this waits for the first one.
    std::array<pollfd, 2> waiting = {pollfd{fifo_.get(), POLLIN, 0},
                                     pollfd{wake_.get(), POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents == 0) {
      uint64_t ignored = 0;
      static_cast<void>(::read(wake_.get(), &ignored, sizeof ignored));
      continue;
    }
    const ssize_t got = ::read(fifo_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      captures_.back().insert(captures_.back().end(), buffer.begin(), buffer.begin() + got);
      bytes_read_.fetch_add(static_cast<uint64_t>(got), std::memory_order_release);
    } else if (got == 0) {
      open = supervised_ && OpenNext();
    } else if (errno != EAGAIN && errno != EINTR) {
      open = false;
    }
  }
  fifo_.Reset();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void FifoReader::Pause() {
  const std::lock_guard lock(mutex_);
  paused_ = true;
  const uint64_t one = 1;
  static_cast<void>(::write(wake_.get(), &one, sizeof one));
}

void FifoReader::Resume() {
  const std::lock_guard lock(mutex_);
  paused_ = false;
  changed_.notify_all();
}

bool FifoReader::WaitForEnd(std::chrono::milliseconds deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, deadline, [this] { return ended_; });
}

void FifoReader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
    const uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

Result<std::unique_ptr<ReaderProcess>> ReaderProcess::Start(const std::string& fifo,
                                                            const std::string& file) {
  const pid_t pid = ::fork();
  if (pid < 0) {
    return RuntimeError("fork failed");
  }
  if (pid == 0) {
    MoveBytes(fifo.c_str(), file.c_str());
  }
  return std::unique_ptr<ReaderProcess>(new ReaderProcess(pid, file));
}

void ReaderProcess::Signal(int signal) const {
  if (pid_ > 0) {
    ::kill(pid_, signal);
  }
}

void ReaderProcess::Kill() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
}

bool ReaderProcess::WaitForEnd(std::chrono::milliseconds deadline) {
  int status = 0;
  const bool ended =
      WaitUntil([&] { return pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) == pid_; }, deadline);
  if (ended) {
    pid_ = -1;
  }
  return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint64_t ReaderProcess::bytes_read() const {
  struct stat status {};
  return ::stat(file_.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace pcap_zmq::testing
