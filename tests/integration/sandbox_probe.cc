// SPDX-License-Identifier: MIT
//
// Loaded into the programs with LD_PRELOAD: on SIGUSR2 it tries what an intruder would, and says on
// stderr what came of it.
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace {

int ErrorOf(long result) {
  return result < 0 ? errno : 0;
}

void Probe(int) {
  const int saved = errno;
  // A file of its user's, in a directory that is none of its outputs'.
  const char* const elsewhere = std::getenv("SANDBOX_PROBE_FILE");
  const int wrote = elsewhere == nullptr ? 0 : ErrorOf(::open(elsewhere, O_WRONLY | O_CLOEXEC));
  const int read = elsewhere == nullptr ? 0 : ErrorOf(::open(elsewhere, O_RDONLY | O_CLOEXEC));
  std::array<char*, 1> nothing{};
  const int traced = ErrorOf(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  const int executed = ErrorOf(::execve("/bin/true", nothing.data(), nothing.data()));
  std::array<char, 64> line{};
  const int length =
      std::snprintf(line.data(), line.size(), "probe: write %d, read %d, ptrace %d, execve %d\n",
                    wrote, read, traced, executed);
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, line.data(), static_cast<size_t>(length));
  errno = saved;
}

[[gnu::constructor]] void Install() {
  struct sigaction action {};
  action.sa_handler = Probe;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR2, &action, nullptr);
}

}  // namespace
