// SPDX-License-Identifier: MIT
#include "metrics/process_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstring>
#include <ctime>
#include <mutex>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "tests/metrics/scrape.h"

namespace pcap_zmq {
namespace {

double Value(const std::string& name) {
  Exposition exposition;
  AddProcessMetrics(&exposition);
  return std::stod(testing::Scrape(exposition.Text()).samples.at(name));
}

TEST(ProcessMetrics, OpenFdsFollowDescriptorsThatOpenAndClose) {
  const double before = Value("process_open_fds");
  {
    const UniqueFd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const UniqueFd other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(Value("process_open_fds"), before + 2);
  }
  EXPECT_EQ(Value("process_open_fds"), before);
}

TEST(ProcessMetrics, MaxFdsIsTheLimit) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(Value("process_max_fds"), static_cast<double>(limit.rlim_cur));
}

TEST(ProcessMetrics, ThreadsFollowAThreadThatStarts) {
  std::mutex mutex;
  std::unique_lock hold(mutex);
  const auto wait = [&mutex] { const std::lock_guard lock(mutex); };
  // A sanitizer starts a thread of its own with the first one, which must not end meanwhile: the
  // kernel counts a thread for a moment after it was joined.
  std::thread first(wait);
  const double before = Value("process_threads");
  std::thread second(wait);
  EXPECT_EQ(Value("process_threads"), before + 1);
  hold.unlock();
  first.join();
  second.join();
}

TEST(ProcessMetrics, ResidentMemoryGrowsByWhatIsTouched) {
  const size_t bytes = size_t{64} << 20;
  const double before = Value("process_resident_memory_bytes");
  const double virtual_before = Value("process_virtual_memory_bytes");
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, bytes);
  // The kernel accounts in small batches, and the library may give pages back meanwhile.
  EXPECT_GT(Value("process_resident_memory_bytes"), before + 0.8 * static_cast<double>(bytes));
  EXPECT_GE(Value("process_virtual_memory_bytes"),
            virtual_before + 0.8 * static_cast<double>(bytes));
  ::munmap(memory, bytes);
}

TEST(ProcessMetrics, CpuTimeGrowsWithWork) {
  const double before = Value("process_cpu_seconds_total");
  timespec start{};
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {  // until the process has used 50 ms more: at least four ticks of the kernel's account
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1'000'000'000L + now.tv_nsec - start.tv_nsec < 50'000'000);
  EXPECT_GT(Value("process_cpu_seconds_total"), before);
}

TEST(ProcessMetrics, StartTimeIsInTheRecentPast) {
  const auto now = static_cast<double>(::time(nullptr));
  const double start = Value("process_start_time_seconds");
  EXPECT_LE(start, now + 2);  // both are rounded
  EXPECT_GT(start, now - 24 * 3600);
}

}  // namespace
}  // namespace pcap_zmq
