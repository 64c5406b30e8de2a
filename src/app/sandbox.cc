// SPDX-License-Identifier: MIT
#include "app/sandbox.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PCAP_ZMQ_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PCAP_ZMQ_SANITIZED 1
#endif

namespace pcap_zmq {
namespace {

#ifdef PCAP_ZMQ_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Names that an architecture does not have, or that this libseccomp has not heard of, are left
// out; so old and new, 32 and 64 bit variants stand side by side.
using Names = std::initializer_list<const char*>;

// What libc's allocator takes and gives back, and the loader's mappings: name resolution loads
// its modules when it is first used.
constexpr Names kMemory = {"brk", "mmap", "mmap2", "munmap", "mremap", "madvise", "mprotect"};

// Threads that come and wait for one another: HTTP, pumps and sinks are started in the sandbox.
// ZeroMQ asks for its threads' scheduling and sets the same again.
constexpr Names kThreads = {"futex",
                            "futex_time64",
                            "futex_waitv",
                            "get_robust_list",
                            "set_robust_list",
                            "rseq",
                            "gettid",
                            "sched_yield",
                            "sched_getaffinity",
                            "sched_getparam",
                            "sched_getscheduler",
                            "sched_get_priority_max",
                            "sched_get_priority_min",
                            "sched_setscheduler",
                            "getcpu",
                            "exit",
                            "exit_group",
                            "restart_syscall"};

// Threads block signals, and abort() raises one.
constexpr Names kSignals = {"rt_sigaction", "rt_sigprocmask",  "rt_sigreturn",          "sigreturn",
                            "sigaltstack",  "rt_sigtimedwait", "rt_sigtimedwait_time64"};

// Clocks, where the kernel does not let libc read them by itself, and pauses.
constexpr Names kTime = {"clock_gettime",       "clock_gettime64", "clock_getres",
                         "clock_getres_time64", "clock_nanosleep", "clock_nanosleep_time64",
                         "nanosleep",           "gettimeofday",    "time"};

// Waiting, which is what every thread does most.
constexpr Names kWaiting = {"poll",          "ppoll",        "ppoll_time64",    "select",
                            "_newselect",    "pselect6",     "pselect6_time64", "epoll_create",
                            "epoll_create1", "epoll_ctl",    "epoll_ctl_old",   "epoll_wait",
                            "epoll_pwait",   "epoll_pwait2", "eventfd",         "eventfd2"};

// Descriptors that are open, and paths by name: captures, /proc for the process metrics, the
// resolver's files, and a directory of keys that is read again and watched.  Root's right to open
// everything is gone by now, so paths are guarded as they are for any user.
constexpr Names kFiles = {"read",
                          "readv",
                          "pread64",
                          "preadv",
                          "write",
                          "writev",
                          "pwrite64",
                          "pwritev",
                          "lseek",
                          "_llseek",
                          "close",
                          "close_range",
                          "dup",
                          "dup2",
                          "dup3",
                          "fcntl",
                          "fcntl64",
                          "open",
                          "openat",
                          "stat",
                          "stat64",
                          "lstat",
                          "lstat64",
                          "fstat",
                          "fstat64",
                          "newfstatat",
                          "fstatat64",
                          "statx",
                          "access",
                          "faccessat",
                          "faccessat2",
                          "readlink",
                          "readlinkat",
                          "getcwd",
                          "getdents",
                          "getdents64",
                          "fadvise64",
                          "fadvise64_64",
                          "arm_fadvise64_64",
                          "inotify_init",
                          "inotify_init1",
                          "inotify_add_watch",
                          "inotify_rm_watch"};

// ZeroMQ, HTTP, netlink and the resolver; socket() itself is limited to families below.
constexpr Names kNetwork = {
    "connect",     "bind",       "listen",     "accept",  "accept4",  "getsockname",
    "getpeername", "getsockopt", "setsockopt", "send",    "sendto",   "sendmsg",
    "sendmmsg",    "recv",       "recvfrom",   "recvmsg", "recvmmsg", "recvmmsg_time64",
    "shutdown",    "socketpair", "pipe",       "pipe2"};

// Who and where we are, for messages, limits and random numbers; nothing here changes anything.
constexpr Names kAsking = {
    "getpid",    "getppid",    "getuid",    "getuid32",  "geteuid",     "geteuid32", "getgid",
    "getgid32",  "getegid",    "getegid32", "getresuid", "getresuid32", "getresgid", "getresgid32",
    "getrlimit", "ugetrlimit", "getrusage", "times",     "uname",       "sysinfo",   "getrandom"};

// The receiver's file is cut back to its last whole record when the disk is full, and renamed when
// the next capture begins.  ZeroMQ removes the socket of an ipc:// endpoint, perhaps with a
// directory that it made, when it closes.  tee() tells whether anybody else writes into the FIFO.
constexpr Names kReceiverFiles = {"ftruncate", "ftruncate64", "rename", "renameat", "renameat2",
                                  "unlink",    "unlinkat",    "rmdir",  "tee"};

// LeakSanitizer stops the program's threads with ptrace at its end, from a process of its own.
constexpr Names kSanitizer = {"ptrace",
                              "clone",
                              "wait4",
                              "waitpid",
                              "waitid",
                              "prctl",
                              "prlimit64",
                              "kill",
                              "tgkill",
                              "tkill",
                              "process_vm_readv",
                              "mincore",
                              "personality",
                              "arch_prctl",
                              "setrlimit",
                              "sched_setaffinity",
                              "unlink",
                              "ftruncate"};

// TCGETS2, by which isatty() asks from glibc 2.42 on; its own macro needs a header that gets in the
// way of others.
constexpr unsigned long kTerminalQuestion2 = _IOC(_IOC_READ, 'T', 0x2a, 44);

// What a terminal, a pipe and an interface are asked; none of these changes one.
constexpr auto kQuestions =
    std::to_array<unsigned long>({FIONREAD, FIONBIO, TCGETS, kTerminalQuestion2, TIOCGWINSZ,
                                  SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFCONF, SIOCOUTQ});

// TIPC and VMCI are ZeroMQ's rarer transports.  Packet sockets are open by now.
constexpr auto kFamilies = std::to_array<int>({AF_UNIX, AF_INET, AF_INET6, AF_TIPC, AF_VSOCK});

struct FilterReleaser {
  void operator()(void* filter) const { seccomp_release(filter); }
};

// Collects rules, and the first error.
class Filter {
 public:
  Filter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (filter_ == nullptr) {
      error_ = ENOSYS;
    }
  }

  void Allow(Names names) {
    for (const char* name : names) {
      Add(SCMP_ACT_ALLOW, name, {});
    }
  }
  // All conditions have to hold.
  void AllowIf(const char* name, std::initializer_list<scmp_arg_cmp> conditions) {
    Add(SCMP_ACT_ALLOW, name, conditions);
  }
  void AllowIf(const char* name, scmp_arg_cmp condition) { AllowIf(name, {condition}); }
  void Refuse(const char* name, int error) {
    Add(SCMP_ACT_ERRNO(static_cast<uint32_t>(error)), name, {});
  }

  void Set(scmp_filter_attr attribute, uint32_t value) {
    if (error_ == 0) {
      error_ = -seccomp_attr_set(filter_.get(), attribute, value);
    }
  }
  // What is good to have and unknown to an older kernel or library.
  void TrySet(scmp_filter_attr attribute, uint32_t value) {
    if (error_ == 0) {
      seccomp_attr_set(filter_.get(), attribute, value);
    }
  }

  // 0, or why the filter is not in force.
  int Load() {
    if (error_ == 0) {
      error_ = -seccomp_load(filter_.get());
    }
    return error_;
  }

 private:
  void Add(uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> conditions) {
    const int number = seccomp_syscall_resolve_name(name);
    if (error_ != 0 || number == __NR_SCMP_ERROR) {
      return;
    }
    const int error =
        -seccomp_rule_add_array(filter_.get(), action, number,
                                static_cast<unsigned>(conditions.size()), conditions.begin());
    // Not on this architecture, or allowed without conditions already.
    if (error != 0 && error != EDOM && error != EEXIST) {
      error_ = error;
    }
  }

  std::unique_ptr<void, FilterReleaser> filter_;
  int error_ = 0;
};

scmp_arg_cmp Equals(unsigned argument, uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}

// Of the low 32 bits: the kernel ignores what libc may leave above an int.
scmp_arg_cmp EqualsInt(unsigned argument, uint32_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, value};
}

scmp_arg_cmp HasBits(unsigned argument, uint64_t mask, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void AllowWithArguments(Filter* filter) {
  // A thread of this process, never another process.
#ifdef __s390__
  constexpr unsigned kCloneFlags = 1;
#else
  constexpr unsigned kCloneFlags = 0;
#endif
  filter->AllowIf("clone", HasBits(kCloneFlags, CLONE_THREAD, CLONE_THREAD));
  filter->Refuse("clone3", ENOSYS);
  // abort() and assertions end this process, and no other.
  filter->AllowIf("tgkill", EqualsInt(0, static_cast<uint32_t>(::getpid())));
  for (const int option : {PR_SET_NAME, PR_GET_NAME}) {
    filter->AllowIf("prctl", EqualsInt(0, static_cast<uint32_t>(option)));
  }
  // Reading a limit, for stack sizes and the metrics; a new one would be the third argument.
  filter->AllowIf("prlimit64", Equals(2, 0));
  for (const unsigned long question : kQuestions) {
    filter->AllowIf("ioctl", EqualsInt(1, static_cast<uint32_t>(question)));
  }
  for (const int family : kFamilies) {
    filter->AllowIf("socket", EqualsInt(0, static_cast<uint32_t>(family)));
  }
  // The resolver asks for addresses and interfaces.  Every other protocol of netlink changes what a
  // sender, which has CAP_NET_ADMIN, may change: rules, IPsec, the audit.
  filter->AllowIf("socket", {EqualsInt(0, AF_NETLINK), EqualsInt(2, NETLINK_ROUTE)});
}

void AllowReceiver(Filter* filter) {
  filter->Allow(kReceiverFiles);
  // mkfifo(), when somebody has deleted the FIFO.
  filter->AllowIf("mknod", HasBits(1, S_IFMT, S_IFIFO));
  filter->AllowIf("mknodat", HasBits(2, S_IFMT, S_IFIFO));
}

}  // namespace

Status EnterSandbox(SandboxProfile profile) {
  Filter filter;
  filter.Set(SCMP_FLTATR_CTL_TSYNC, 1);
  filter.Set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
  // A search tree in place of a list, for kernels that do not remember what is always allowed;
  // and no brake on speculation, which is meant for programs that run others' code.
  filter.TrySet(SCMP_FLTATR_CTL_OPTIMIZE, 2);
  filter.TrySet(SCMP_FLTATR_CTL_SSB, 1);
  for (const Names& names :
       {kMemory, kThreads, kSignals, kTime, kWaiting, kFiles, kNetwork, kAsking}) {
    filter.Allow(names);
  }
  if (kSanitized) {
    filter.Allow(kSanitizer);
  }
  AllowWithArguments(&filter);
  if (profile == SandboxProfile::kReceiver) {
    AllowReceiver(&filter);
  }
  if (const int error = filter.Load(); error != 0) {
    return RuntimeError(std::string("the kernel takes no list of allowed system calls: ") +
                        std::strerror(error));
  }
  return {};
}

bool SandboxAllowsTracing() {
  return kSanitized;
}

}  // namespace pcap_zmq
