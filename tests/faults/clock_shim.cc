// SPDX-License-Identifier: MIT
//
// A wall clock to be stepped, preloaded into a program: no namespace has one of its own.  The clock
// is the kernel's plus as many seconds as the file named by FAULT_CLOCK holds, an int64_t.
//
// Only what the program and its libraries ask libc for is stepped, not what libc and the kernel use
// themselves: packets that the kernel stamps keep its time, and so do waits until a wall time.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

const std::atomic<int64_t>* MapOffset() {
  const char* path = std::getenv("FAULT_CLOCK");
  const int fd = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return nullptr;
  }
  void* const page = ::mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return page == MAP_FAILED ? nullptr : static_cast<const std::atomic<int64_t>*>(page);
}

const std::atomic<int64_t>* const offset_seconds = MapOffset();

}  // namespace

extern "C" {

int clock_gettime(clockid_t id, timespec* now) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, id, now));
  if (result == 0 && offset_seconds != nullptr &&
      (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += offset_seconds->load(std::memory_order_relaxed);
  }
  return result;
}

int gettimeofday(timeval* __restrict now, void* __restrict /*zone*/) noexcept {
  timespec exact{};
  const int result = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return result;
}

time_t time(time_t* now) noexcept {
  timespec exact{};
  clock_gettime(CLOCK_REALTIME, &exact);
  if (now != nullptr) {
    *now = exact.tv_sec;
  }
  return exact.tv_sec;
}
}
