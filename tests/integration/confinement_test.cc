// SPDX-License-Identifier: MIT
//
// What the running programs may do, and that they notice when one of their threads hangs.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/pipe_fixture.h"
#include "tests/support/notify_listener.h"
#include "tests/support/sanitized.h"

namespace pcap_zmq::testing {
namespace {

using Fields = std::map<std::string, std::string>;

Fields StatusOf(const std::string& file) {
  Fields fields;
  std::ifstream status(file);
  for (std::string line; std::getline(status, line);) {
    const size_t colon = line.find(":\t");
    if (colon != std::string::npos) {
      fields[line.substr(0, colon)] = line.substr(colon + 2);
    }
  }
  return fields;
}

uint64_t Mask(const Fields& fields, const std::string& name) {
  const auto field = fields.find(name);
  return field == fields.end() ? ~uint64_t{0} : std::stoull(field->second, nullptr, 16);
}

// Thread ids of a process and what /proc says of each.
std::map<pid_t, Fields> ThreadsOf(const Process& process) {
  std::map<pid_t, Fields> threads;
  const std::string tasks = "/proc/" + std::to_string(process.pid()) + "/task";
  for (const auto& entry : std::filesystem::directory_iterator(tasks)) {
    Fields status = StatusOf(entry.path() / "status");
    if (status.contains("Name")) {  // else it has ended meanwhile
      threads[std::stoi(entry.path().filename())] = std::move(status);
    }
  }
  return threads;
}

class Confinement : public PipeTest {
 protected:
  // Every thread is left with `capabilities`, cannot gain more, and is in the sandbox.
  static void ExpectConfined(const Process& process, uint64_t capabilities) {
    const std::map<pid_t, Fields> threads = ThreadsOf(process);
    EXPECT_GE(threads.size(), 5U) << "main, signals, ZeroMQ, HTTP and a worker";
    for (const auto& [id, status] : threads) {
      SCOPED_TRACE(status.at("Name"));
      EXPECT_EQ(Mask(status, "CapPrm"), capabilities);
      EXPECT_EQ(Mask(status, "CapEff"), capabilities);
      EXPECT_EQ(Mask(status, "CapInh"), 0U);
      EXPECT_EQ(Mask(status, "CapAmb"), 0U);
      if ((Mask(StatusOf("/proc/self/status"), "CapEff") & uint64_t{1} << CAP_SETPCAP) != 0) {
        EXPECT_EQ(Mask(status, "CapBnd"), 0U);
      }
      EXPECT_EQ(status.at("NoNewPrivs"), "1");
      EXPECT_EQ(status.at("Seccomp"), "2");
    }
  }

  static void ExpectUser(const Process& process, uid_t uid) {
    const std::string id = std::to_string(uid);
    for (const auto& [thread, status] : ThreadsOf(process)) {
      EXPECT_EQ(status.at("Uid"), id + "\t" + id + "\t" + id + "\t" + id) << status.at("Name");
    }
  }

  // Whom root's sender becomes: nobody, unless this is a namespace without one.
  static uid_t ExpectedUser() {
    std::ifstream map("/proc/self/uid_map");
    uint64_t first = 0;
    uint64_t outside = 0;
    uint64_t count = 0;
    map >> first >> outside >> count;
    const passwd* nobody = ::getpwnam("nobody");
    return nobody == nullptr || count <= nobody->pw_uid ? ::geteuid() : nobody->pw_uid;
  }
};

constexpr uint64_t kNetAdmin = uint64_t{1} << CAP_NET_ADMIN;

TEST_F(Confinement, TheSenderKeepsNetAdminAloneAndOnlyWhileItNeedsIt) {
  if (kUnderTsan) {
    GTEST_SKIP()
        << "ThreadSanitizer has a thread of its own, from before the program gives rights up";
  }
  sender_ = StartSender({}, "0", {TcpEndpoint()});
  ASSERT_NE(sender_, nullptr);
  ExpectConfined(*sender_, kNetAdmin);
  ExpectUser(*sender_, ExpectedUser());
  Terminate(sender_.get());

  sender_ = StartSender({"--nflog-threshold", "10", "--user", "root"}, "0", {TcpEndpoint()});
  ASSERT_NE(sender_, nullptr);
  ExpectConfined(*sender_, 0);
  ExpectUser(*sender_, ::geteuid());
  Terminate(sender_.get());
}

TEST_F(Confinement, TheReceiverKeepsNothing) {
  if (kUnderTsan) {
    GTEST_SKIP()
        << "ThreadSanitizer has a thread of its own, from before the program gives rights up";
  }
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  ExpectConfined(*receiver_, 0);
  ExpectUser(*receiver_, ::geteuid());
  Terminate(receiver_.get());
}

// The real program with the probe in it; `options` are the receiver's.
Result<std::unique_ptr<Process>> StartWithProbe(const Arguments& options, const std::string& fifo,
                                                const std::string& elsewhere = "") {
  Arguments argv = {PCAP_ZMQ_RECV_PROGRAM, "--metrics", "off"};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.insert(argv.end(), {TcpEndpoint(), fifo});
  Process::Options with_probe;
  with_probe.env = {std::string("LD_PRELOAD=") + PCAP_ZMQ_SANDBOX_PROBE};
  if (!elsewhere.empty()) {
    with_probe.env.push_back("SANDBOX_PROBE_FILE=" + elsewhere);
  }
  auto process = Process::Start(argv, with_probe);
  EXPECT_TRUE(!process.ok() || process.value()->WaitForStderr("listening on"));
  return process;
}

// The system call's number is the same everywhere, and 1 asks for the version.
bool HasLandlock() {
  constexpr long kCreateRuleset = 444;
  return ::syscall(kCreateRuleset, nullptr, 0, 1) > 0;
}

TEST_F(Confinement, ARunningProgramCanNeitherStartAnotherNorTraceOneNorOpenFilesElsewhere) {
  if (kSanitized) {
    GTEST_SKIP() << "a sanitizer's own exit needs ptrace, so its builds allow that";
  }
  const TempDir elsewhere;
  auto confined = StartWithProbe({}, fifo_, elsewhere.Write("file", ""));
  ASSERT_TRUE(confined.ok()) << confined.error().message;
  confined.value()->Signal(SIGUSR2);
  const std::string refused = std::to_string(EPERM);
  const std::string fenced = std::to_string(HasLandlock() ? EACCES : 0);
  EXPECT_TRUE(confined.value()->WaitForStderr("probe: write " + fenced + ", read " + fenced +
                                              ", ptrace " + refused + ", execve " + refused))
      << confined.value()->Stderr();
  Terminate(confined.value().get());
}

TEST_F(Confinement, WithoutTheSandboxTheSameProbeGetsThrough) {
  if (kSanitized) {
    GTEST_SKIP() << "a sanitizer's runtime wants to be loaded before the probe";
  }
  // It becomes /bin/true, stopped at its first instruction as it is traced by then.  A thread that
  // the program is just starting fails meanwhile and may end it first; then another one is tried.
  bool became_another = false;
  for (int attempt = 0; attempt < 10 && !became_another; ++attempt) {
    auto open = StartWithProbe({"--no-sandbox"}, fifo_);
    ASSERT_TRUE(open.ok()) << open.error().message;
    open.value()->Signal(SIGUSR2);
    EXPECT_TRUE(WaitUntil([&] {
      auto status = StatusOf("/proc/" + std::to_string(open.value()->pid()) + "/status");
      became_another = status["Name"] == "true";
      return became_another || status["State"].starts_with("Z");
    })) << open.value()->Stderr();
  }
  EXPECT_TRUE(became_another);
}

// Holds one thread of a child by ptrace, as a call that never returns would, while others run.
// Threads: one, as a thread traces for itself.
class HeldThread {
 public:
  explicit HeldThread(pid_t thread) : thread_(thread) {
    held_ = ::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0 &&
            ::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
            ::waitpid(thread_, nullptr, __WALL) == thread_;
    error_ = errno;
  }
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;
  ~HeldThread() { LetGo(); }

  bool held() const { return held_; }
  /// Whether the kernel does not allow it, which is another matter than a thread that has ended.
  bool refused() const { return !held_ && (error_ == EPERM || error_ == ENOSYS); }
  int error() const { return error_; }
  void LetGo() {
    if (held_) {
      ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
      held_ = false;
    }
  }

 private:
  const pid_t thread_;
  bool held_ = false;
  int error_ = 0;
};

class Stall : public Confinement {
 protected:
  // A thread names itself when it runs, which may be after the program answers.
  static pid_t ThreadNamed(const Process& process, const std::string& name) {
    pid_t found = 0;
    EXPECT_TRUE(WaitUntil([&] {
      for (const auto& [id, status] : ThreadsOf(process)) {
        found = status.at("Name") == name ? id : found;
      }
      return found != 0;
    })) << "no thread is called "
        << name;
    return found;
  }

  static HttpResponse Health(uint16_t port) {
    const auto answer = HttpGet(port, "/healthz");
    return answer.ok() ? answer.value() : HttpResponse{};
  }

  // For how long a thread has not moved, as /healthz says it; 0 when all do.
  static int SecondsOfStall(uint16_t port) {
    const std::string body = Health(port).body;
    const std::string words = "has not moved for ";
    const size_t at = body.find(words);
    return at == std::string::npos ? 0 : std::atoi(body.c_str() + at + words.size());
  }

  // While `thread` is held, /healthz says `sentence`; afterwards all is well again.
  static void ExpectNamed(const Process& process, const std::string& thread, uint16_t port,
                          const std::string& sentence) {
    EXPECT_EQ(Health(port).status, 200);
    HeldThread held(ThreadNamed(process, thread));
    if (held.refused()) {
      GTEST_SKIP() << "this kernel lets no thread be traced here (error " << held.error() << ")";
    }
    ASSERT_TRUE(held.held()) << "error " << held.error();
    HttpResponse health;
    EXPECT_TRUE(WaitUntil([&] {
      health = Health(port);
      return health.status == 503;
    }));
    EXPECT_NE(health.body.find(sentence + " has not moved for "), std::string::npos) << health.body;
    held.LetGo();
    EXPECT_TRUE(WaitUntil([&] { return Health(port).status == 200; }));
  }
};

TEST_F(Stall, APumpThatHangsIsNamedByHealthz) {
  sender_ = StartSender({"--pump-per-group"}, "0,1");
  ASSERT_NE(sender_, nullptr);
  ExpectNamed(*sender_, "pump 2", kSenderMetricsPort, "pump 2 (nflog:1)");
  Terminate(sender_.get());
}

TEST_F(Stall, AReceiverThatHangsIsNamedByHealthz) {
  receiver_ = StartReceiver({}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  ExpectNamed(*receiver_, "receiver", kReceiverMetricsPort, "the receiver, writing to " + fifo_);
  Terminate(receiver_.get());
}

TEST_F(Stall, AReaderThatSleepsIsNone) {
  ASSERT_NO_FATAL_FAILURE(LoadTrafficRules());
  TrafficOptions options;
  options.packet_bytes = 1000;
  auto generator = TrafficGenerator::Open(options);
  ASSERT_TRUE(generator.ok()) << generator.error().message;
  FifoReader reader(fifo_);
  reader.Pause();
  receiver_ = StartReceiver({"--pipe-size", "64KiB"}, fifo_);
  ASSERT_NE(receiver_, nullptr);
  sender_ = StartSender();
  ASSERT_NE(sender_, nullptr);
  ASSERT_TRUE(WaitUntilHeard());
  generator.value()->StartSending(2000);
  // Longer than a thread may hang.
  EXPECT_TRUE(WaitUntil(
      [] {
        return Metric(kReceiverMetricsPort, "pcap_zmq_receiver_sink_blocked_seconds_total") > 12;
      },
      2 * kGenerously));
  EXPECT_EQ(Health(kReceiverMetricsPort).status, 200) << Health(kReceiverMetricsPort).body;
  EXPECT_EQ(Health(kSenderMetricsPort).status, 200) << Health(kSenderMetricsPort).body;
  generator.value()->Stop();
  reader.Resume();
  Terminate(sender_.get());
  Terminate(receiver_.get());
}

TEST_F(Stall, AServiceManagerHearsOfTheStartTheStallAndTheEnd) {
  const NotifyListener manager(dir_.File("notify"));
  Process::Options managed;
  managed.env = {"NOTIFY_SOCKET=" + manager.name(), "WATCHDOG_USEC=600000"};
  auto started =
      Process::Start({PCAP_ZMQ_RECV_PROGRAM, "--metrics",
                      "127.0.0.1:" + std::to_string(kReceiverMetricsPort), TcpEndpoint(), fifo_},
                     managed);
  ASSERT_TRUE(started.ok()) << started.error().message;
  receiver_ = started.Take();
  EXPECT_EQ(manager.Next(),
            "READY=1\nSTATUS=listening on " + TcpEndpoint() + ", writing to " + fifo_);
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");

  HeldThread held(ThreadNamed(*receiver_, "receiver"));
  if (held.refused()) {
    GTEST_SKIP() << "this kernel lets no thread be traced here (error " << held.error() << ")";
  }
  ASSERT_TRUE(held.held()) << "error " << held.error();
  EXPECT_TRUE(manager.Hears("has not moved for "));
  EXPECT_EQ(Health(kReceiverMetricsPort).status, 503);
  const int stalled_for = SecondsOfStall(kReceiverMetricsPort);
  // Several intervals of the watchdog.
  EXPECT_TRUE(WaitUntil([&] { return SecondsOfStall(kReceiverMetricsPort) >= stalled_for + 3; }));
  held.LetGo();
  const std::optional<std::string> next = manager.Next();
  EXPECT_TRUE(next.has_value() && next->starts_with("STATUS=listening on")) << *next;
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  receiver_->Signal(SIGTERM);
  EXPECT_TRUE(manager.Hears("STOPPING=1"));
  EXPECT_EQ(receiver_->WaitForExit(), 0) << receiver_->Stderr();
}

}  // namespace
}  // namespace pcap_zmq::testing
