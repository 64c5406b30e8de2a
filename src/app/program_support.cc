// SPDX-License-Identifier: MIT
#include "app/program_support.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "base/event_fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "metrics/health_probe.h"
#include "transport/curve_library.h"

namespace pcap_zmq {
namespace {

std::string NameOf(CurveLibrary library) {
  switch (library) {
    case CurveLibrary::kLibsodium:
      return "libsodium";
    case CurveLibrary::kTweetnacl:
      return "tweetnacl";
    case CurveLibrary::kUnknown:
      break;
  }
  return "the unknown library of a static libzmq";
}

}  // namespace

void ReserveStandardDescriptors() {
  // Opened for reading only, a closed standard output still cannot be written to.
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDONLY);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) {
    ::close(fd);
  }
}

void KeepFreedMemory() {
#ifdef __GLIBC__
  constexpr int kKeptBytes = 4 << 20;
  constexpr int kMappedFrom = 512 << 10;  // larger than the frames that senders fill
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  ::mallopt(M_MMAP_THRESHOLD, kMappedFrom);
#endif
}

void RaiseDescriptorLimit() {
  constexpr rlim_t kEnough = 70'000;  // --max-connections and the reserve
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < kEnough) {
    limit.rlim_cur = std::min(limit.rlim_max, kEnough);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

size_t ConnectionsWithinLimit(size_t wanted) {
  // Outputs, the metrics' clients, libraries; and who is about to be cut off.
  constexpr rlim_t kReserve = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return wanted;
  }
  const rlim_t free =
      limit.rlim_cur > 2 * kReserve ? limit.rlim_cur - kReserve : limit.rlim_cur / 2;
  return std::clamp<size_t>(free, 1, wanted);
}

int PrintAndExit(std::string_view program, const ExitNow& exit) {
  std::fputs(exit.out.c_str(), stdout);
  std::fputs(exit.err.c_str(), stderr);
  if (std::fflush(stdout) != 0) {
    return 1;
  }
  if (exit.ask.empty()) {
    return exit.status;
  }
  SetUpLog(program, LogFormat::kText);
  const Status health = AskHealth(exit.ask);
  return health.ok() ? 0 : ReportAndExit(health.error());
}

int ReportAndExit(const Error& error) {
  Log(LogLevel::kError, error.message);
  return error.kind == ErrorKind::kConfig ? 2 : 1;
}

HealthReport HealthOf(const ThreadWatch& watch) {
  std::optional<std::string> stalled = watch.Stalled();
  return stalled ? HealthReport{false, *std::move(stalled)} : HealthReport{true, "alive"};
}

void LogEncryption(std::string_view end, std::string_view public_key) {
  const CurveLibraryUse use = FindCurveLibrary();
  Log(LogLevel::kInfo, "encrypting with " + NameOf(use.library) + "; this " + std::string(end) +
                           "'s public key is " + std::string(public_key));
  if (use.library == CurveLibrary::kTweetnacl) {
    Log(LogLevel::kWarning,
        use.zmq_path +
            " was built without libsodium and encrypts with tweetnacl: a connection carries about "
            "a tenth of what it could; install a libzmq built with libsodium");
  }
}

void GuardSecrets() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // The sanitizer traces the process from another one of the same user.
  if (!SandboxAllowsTracing()) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  }
}

void ConfineUnless(bool off, SandboxProfile profile) {
  if (off) {
    return;
  }
  if (const Status status = EnterSandbox(profile); !status.ok()) {
    Log(LogLevel::kWarning, status.error().message + "; running without a sandbox");
  }
}

void FenceFilesUnless(bool off, const FilePlaces& places) {
  if (off) {
    return;
  }
  if (const Status status = FenceFiles(places); !status.ok()) {
    Log(LogLevel::kInfo,
        status.error().message + "; files are guarded by this user's rights alone");
  }
}

Result<std::unique_ptr<SignalThread>> SignalThread::Start(SignalWaiter signals, const Clock* clock,
                                                          Nanoseconds drain_timeout,
                                                          StopEvent* stop) {
  Result<UniqueFd> finished = MakeEventFd();
  if (!finished.ok()) {
    return finished.error();
  }
  auto self = std::unique_ptr<SignalThread>(new SignalThread(std::move(signals), finished.Take()));
  Result<std::thread> thread =
      StartThread("signals", [raw = self.get(), clock, drain_timeout, stop] {
        StopOnSignals(&raw->signals_, *clock, drain_timeout, raw->finished_.get(), stop);
      });
  if (!thread.ok()) {
    return thread.error();
  }
  self->thread_ = thread.Take();
  return self;
}

SignalThread::SignalThread(SignalWaiter signals, UniqueFd finished)
    : signals_(std::move(signals)), finished_(std::move(finished)) {}

SignalThread::~SignalThread() {
  if (!thread_.joinable()) {
    return;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(finished_.get(), &one, sizeof one);
  thread_.join();
}

}  // namespace pcap_zmq
