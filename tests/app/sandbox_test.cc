// SPDX-License-Identifier: MIT
#include "app/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace pcap_zmq {
namespace {

// Whether the kernel lets a process filter its system calls.  The sandbox under test is not asked:
// if it is broken, its tests have to fail.
bool KernelTakesFilters() {
  const pid_t child = ::fork();
  if (child == 0) {
    sock_filter allow_all{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    const sock_fprog program = {1, &allow_all};
    const bool taken =
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
    ::_exit(taken ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status == 0;
}

// What a broken sandbox lets happen must not happen to the machine's mounts.  Who may not have
// mounts of its own may not change any either.
void LeaveTheMachinesMounts() {
  if (::unshare(CLONE_NEWNS) == 0) {
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  }
}

// Runs `check` in a child, which says by its exit status what was wrong: a sandbox cannot be left.
class SandboxTest : public ::testing::TestWithParam<SandboxProfile> {
 protected:
  // True if all the named expectations hold in the sandbox.
  struct Expectation {
    const char* what;
    std::function<bool()> holds;
  };

  void SetUp() override {
    if (!KernelTakesFilters()) {
      GTEST_SKIP() << "this kernel takes no seccomp filters";
    }
  }

  bool HoldInSandbox(const std::vector<Expectation>& expectations) const {
    const pid_t child = ::fork();
    if (child == 0) {
      LeaveTheMachinesMounts();
      if (const Status entered = EnterSandbox(GetParam()); !entered.ok()) {
        std::fprintf(stderr, "no sandbox: %s\n", entered.error().message.c_str());
        ::_exit(1);
      }
      bool all = true;
      for (const Expectation& expectation : expectations) {
        if (!expectation.holds()) {
          std::fprintf(stderr, "in the sandbox: %s\n", expectation.what);
          all = false;
        }
      }
      ::_exit(all ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  testing::TempDir dir_;
};

// Whether a call that returns like a system call has been refused.
bool Refused(long result) {
  return result == -1 && errno == EPERM;
}

TEST_P(SandboxTest, RefusesToStartOrTouchOtherPrograms) {
  if (SandboxAllowsTracing()) {
    GTEST_SKIP() << "a sanitizer's own exit needs some of these calls";
  }
  char* const argv[] = {nullptr};
  EXPECT_TRUE(HoldInSandbox({
      {"execve", [&] { return Refused(::execve("/bin/true", argv, argv)); }},
      {"execveat",
       [&] { return Refused(::syscall(SYS_execveat, -1, "/bin/true", argv, argv, 0)); }},
      {"fork", [] { return Refused(::fork()); }},
      {"ptrace", [] { return Refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }},
      {"kill", [] { return Refused(::kill(::getppid(), 0)); }},
      {"tgkill of others",
       [] { return Refused(::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0)); }},
      {"process_vm_readv",
       [] {
         return Refused(::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0));
       }},
      {"prlimit64",
       [] {
         rlimit limit{};
         return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
                Refused(::setrlimit(RLIMIT_NOFILE, &limit));
       }},
  }));
}

TEST_P(SandboxTest, RefusesWhatChangesTheSystem) {
  EXPECT_TRUE(HoldInSandbox({
      {"mount", [] { return Refused(::mount("none", "/", "tmpfs", 0, nullptr)); }},
      {"unshare", [] { return Refused(::unshare(CLONE_NEWUSER)); }},
      {"setns", [] { return Refused(::setns(0, 0)); }},
      {"bpf", [] { return Refused(::syscall(SYS_bpf, BPF_MAP_CREATE, nullptr, 0)); }},
      {"keyctl", [] { return Refused(::syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }},
      {"init_module", [] { return Refused(::syscall(SYS_init_module, nullptr, 0, "")); }},
      {"kexec_load", [] { return Refused(::syscall(SYS_kexec_load, 0, 0, nullptr, 0)); }},
      {"reboot", [] { return Refused(::syscall(SYS_reboot, 0, 0, 0, nullptr)); }},
      {"perf_event_open",
       [] { return Refused(::syscall(SYS_perf_event_open, nullptr, 0, 0, -1, 0)); }},
      {"io_uring_setup", [] { return Refused(::syscall(SYS_io_uring_setup, 1, nullptr)); }},
      {"userfaultfd", [] { return Refused(::syscall(SYS_userfaultfd, 0)); }},
      {"setresuid", [] { return Refused(::syscall(SYS_setresuid, 0, 0, 0)); }},
      {"chmod", [this] { return Refused(::chmod(dir_.path().c_str(), 0777)); }},
      {"a netfilter socket",
       [] { return Refused(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)); }},
      {"an IPsec socket",
       [] { return Refused(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM)); }},
      {"a packet socket", [] { return Refused(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); }},
      {"typing for a terminal", [] { return Refused(::ioctl(0, TIOCSTI, "x")); }},
  }));
}

TEST_P(SandboxTest, AllowsWhatAProgramDoesAllDay) {
  const std::string file = dir_.Write("file", "text");
  EXPECT_TRUE(HoldInSandbox({
      {"threads",
       [] {
         bool ran = false;
         std::thread([&] { ran = true; }).join();
         return ran;
       }},
      {"memory", [] { return std::vector<char>(size_t{8} << 20).size() > 0; }},
      {"reading a file",
       [&] {
         std::string text;
         std::ifstream(file) >> text;
         return text == "text";
       }},
      {"reading a directory again and watching it",
       [this] {
         const std::filesystem::directory_iterator entries(dir_.path());
         const UniqueFd watch(::inotify_init1(IN_CLOEXEC));
         return entries != std::filesystem::directory_iterator() && watch.valid() &&
                ::inotify_add_watch(watch.get(), dir_.path().c_str(), IN_CREATE) >= 0;
       }},
      {"writing a file anew", [this] { return std::ofstream(dir_.File("new")).put('x').good(); }},
      {"waiting",
       [] {
         const UniqueFd event(::eventfd(1, EFD_CLOEXEC));
         pollfd waiting{event.get(), POLLIN, 0};
         return ::poll(&waiting, 1, 0) == 1;
       }},
      {"resolving a name",
       [] {
         addrinfo* found = nullptr;
         const bool known = ::getaddrinfo("localhost", "1234", nullptr, &found) == 0;
         if (known) {
           ::freeaddrinfo(found);
         }
         return known;
       }},
  }));
}

TEST_P(SandboxTest, OnlyTheReceiverMakesFifosAndRemovesOrRenamesFiles) {
  const bool receiver = GetParam() == SandboxProfile::kReceiver;
  const std::string path = dir_.File("fifo");
  const std::string renamed = dir_.File("renamed");
  const auto fits = [&](int result) { return receiver ? result == 0 : Refused(result); };
  EXPECT_TRUE(HoldInSandbox({
      {"mkfifo", [&] { return fits(::mkfifo(path.c_str(), 0600)); }},
      {"mknod of a file", [&] { return Refused(::mknod(path.c_str(), S_IFREG | 0600, 0)); }},
      {"rename", [&] { return fits(::rename(path.c_str(), renamed.c_str())); }},
      {"unlink", [&] { return SandboxAllowsTracing() || fits(::unlink(renamed.c_str())); }},
  }));
}

TEST_P(SandboxTest, ConfinesThreadsThatRunAlready) {
  const pid_t child = ::fork();
  if (child == 0) {
    const UniqueFd go(::eventfd(0, EFD_CLOEXEC));
    bool refused = false;
    std::thread before([&] {
      uint64_t one = 0;
      refused = ::read(go.get(), &one, sizeof one) == static_cast<ssize_t>(sizeof one) &&
                Refused(::unshare(CLONE_NEWUSER));
    });
    const bool entered = EnterSandbox(GetParam()).ok();
    const uint64_t one = 1;
    const bool told = ::write(go.get(), &one, sizeof one) == static_cast<ssize_t>(sizeof one);
    before.join();
    ::_exit(entered && told && refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

INSTANTIATE_TEST_SUITE_P(Programs, SandboxTest,
                         ::testing::Values(SandboxProfile::kSender, SandboxProfile::kReceiver),
                         [](const auto& program) {
                           return std::string(
                               program.param == SandboxProfile::kSender ? "Sender" : "Receiver");
                         });

}  // namespace
}  // namespace pcap_zmq
