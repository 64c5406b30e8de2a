// SPDX-License-Identifier: MIT
#include "app/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>
#include <thread>
#include <utility>

#include "base/thread.h"

namespace pcap_zmq {
namespace {

// Version 3 of the interface carries 64 capabilities in two words.
using CapabilityWords = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr const char* kNobody = "nobody";

// Where user ids once had 16 bits, those of today have calls of their own.
#ifdef SYS_setresuid32
constexpr long kSetResUid = SYS_setresuid32;
constexpr long kSetResGid = SYS_setresgid32;
constexpr long kSetGroups = SYS_setgroups32;
#else
constexpr long kSetResUid = SYS_setresuid;
constexpr long kSetResGid = SYS_setresgid;
constexpr long kSetGroups = SYS_setgroups;
#endif

constexpr uint32_t Bit(int capability) {
  return uint32_t{1} << static_cast<unsigned>(capability);
}
static_assert(CAP_NET_ADMIN < 32 && CAP_SETPCAP < 32 && CAP_SETUID < 32 && CAP_SETGID < 32);

Error Refused(std::string_view step, int error) {
  return RuntimeError("cannot give up privileges: " + std::string(step) + ": " +
                      std::strerror(error));
}

// nullopt when there is no such user.
Result<std::optional<Identity>> LookUp(const std::string& name) {
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) ==
         ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) {
    // Several error codes only mean that no database has the name (getpwnam(3)).
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
      return std::optional<Identity>();
    }
    return RuntimeError("cannot look up user " + name + ": " + std::strerror(error));
  }
  Identity identity{name, entry.pw_uid, entry.pw_gid, std::vector<gid_t>(32)};
  int count = static_cast<int>(identity.groups.size());
  while (::getgrouplist(name.c_str(), identity.gid, identity.groups.data(), &count) < 0) {
    identity.groups.resize(static_cast<size_t>(count));
  }
  identity.groups.resize(static_cast<size_t>(count));
  return std::optional<Identity>(std::move(identity));
}

CapabilityWords HeldCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilityWords words{};
  ::syscall(SYS_capget, &header, words.data());
  return words;
}

// Whether a user namespace has `id`, by a table of lines "first outside count".  Where /proc is
// missing the kernel is asked instead.
bool IsMapped(const char* table, uint64_t id) {
  std::ifstream map(table);
  if (!map.is_open()) {
    return true;
  }
  uint64_t first = 0;
  uint64_t outside = 0;
  uint64_t count = 0;
  while (map >> first >> outside >> count) {
    if (id >= first && id - first < count) {
      return true;
    }
  }
  return false;
}

bool CanBecome(const Identity& identity) {
  constexpr uint32_t kNeeded = Bit(CAP_SETUID) | Bit(CAP_SETGID);
  std::ifstream setgroups("/proc/self/setgroups");
  std::string allowed;
  setgroups >> allowed;
  return ::geteuid() == 0 && (HeldCapabilities()[0].effective & kNeeded) == kNeeded &&
         allowed != "deny" && IsMapped("/proc/self/uid_map", identity.uid) &&
         IsMapped("/proc/self/gid_map", identity.gid);
}

bool IsAlready(const Identity& identity) {
  return identity.uid == ::getuid() && identity.uid == ::geteuid() && identity.gid == ::getegid();
}

// So that not even a program with file capabilities could give any back.
void EmptyBoundingSet() {
  if ((HeldCapabilities()[0].effective & Bit(CAP_SETPCAP)) == 0) {
    return;
  }
  // The kernel may know more capabilities than its header of the build, and says where they end.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
}

Status Become(const Identity& identity, bool keep_capabilities) {
  if (keep_capabilities && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    return Refused("keeping CAP_NET_ADMIN", errno);
  }
  // Forgotten by the kernel when the identity changes; whoever asked for it still wants it.
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  if (::syscall(kSetGroups, identity.groups.size(), identity.groups.data()) != 0) {
    return Refused("setting the groups of user " + identity.name, errno);
  }
  if (::syscall(kSetResGid, identity.gid, identity.gid, identity.gid) != 0) {
    return Refused("setting the group of user " + identity.name, errno);
  }
  if (::syscall(kSetResUid, identity.uid, identity.uid, identity.uid) != 0) {
    return Refused("becoming user " + identity.name, errno);
  }
  if (death_signal != 0) {
    ::prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
  }
  return {};
}

Status SetCapabilities(bool net_admin) {
  // Some kernels have no ambient set to clear.
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilityWords words{};
  words[0].permitted = net_admin ? Bit(CAP_NET_ADMIN) : 0;
  words[0].effective = words[0].permitted;
  if (::syscall(SYS_capset, &header, words.data()) != 0) {
    return Refused("setting capabilities", errno);
  }
  return {};
}

}  // namespace

Result<PrivilegePlan> PlanPrivileges(const PrivilegeWish& wish) {
  PrivilegePlan plan{std::nullopt, wish.keep_net_admin};
  const bool by_default = wish.user.empty();
  if (by_default && !wish.nobody_if_root) {
    return plan;
  }
  Result<std::optional<Identity>> found = LookUp(by_default ? kNobody : wish.user);
  if (by_default) {
    if (found.ok() && found.value().has_value() && CanBecome(*found.value())) {
      plan.identity = found.Take();
    }
    return plan;
  }
  if (!found.ok()) {
    return found.error();
  }
  if (!found.value().has_value()) {
    return ConfigError("--user: there is no user '" + wish.user + "' on this system");
  }
  if (!IsAlready(*found.value())) {
    if (::geteuid() != 0) {
      return RuntimeError("cannot run as user " + wish.user +
                          " without starting as root; start as root or leave --user out");
    }
    plan.identity = found.Take();
  }
  return plan;
}

Status DropPrivileges(const PrivilegePlan& plan) {
  const bool net_admin =
      plan.keep_net_admin && (HeldCapabilities()[0].permitted & Bit(CAP_NET_ADMIN)) != 0;
  EmptyBoundingSet();
  if (plan.identity.has_value()) {
    if (Status status = Become(*plan.identity, net_admin); !status.ok()) {
      return status;
    }
  }
  if (Status status = SetCapabilities(net_admin); !status.ok()) {
    return status;
  }
  if (net_admin && ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) {
    return Refused("ending PR_SET_KEEPCAPS", errno);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Refused("setting no_new_privs", errno);
  }
  return {};
}

Status RunWithPrivilegesDropped(const PrivilegePlan& plan, const std::function<Status()>& work) {
  Status status;
  Result<std::thread> thread = StartThread("powerless", [&] {
    status = DropPrivileges(plan);
    if (status.ok()) {
      status = work();
    }
  });
  if (!thread.ok()) {
    return thread.error();
  }
  thread.value().join();
  return status;
}

}  // namespace pcap_zmq
