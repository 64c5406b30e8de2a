// SPDX-License-Identifier: MIT
#include "app/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace pcap_zmq {
namespace {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Version 3 of the interface carries 64 capabilities in two words.
using CapabilityWords = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr uint32_t kNetAdminBit = uint32_t{1} << CAP_NET_ADMIN;
static_assert(CAP_NET_ADMIN < 32);

Error Refused(const std::string& user, std::string_view step, int error) {
  return RuntimeError("cannot run as user " + user + ": " + std::string(step) + ": " +
                      std::strerror(error));
}

Result<User> LookUp(const std::string& name) {
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) ==
         ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found != nullptr) {
    return User{name, entry.pw_uid, entry.pw_gid};
  }
  // Several error codes only mean that no database has the name (getpwnam(3)).
  if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
    return ConfigError("--user: there is no user '" + name + "' on this system");
  }
  return RuntimeError("cannot look up user " + name + ": " + std::strerror(error));
}

bool HoldsNetAdmin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilityWords words{};
  return ::syscall(SYS_capget, &header, words.data()) == 0 &&
         (words[0].permitted & kNetAdminBit) != 0;
}

Status SetCapabilities(const User& user, bool net_admin) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilityWords words{};
  words[0].permitted = net_admin ? kNetAdminBit : 0;
  words[0].effective = words[0].permitted;
  if (::syscall(SYS_capset, &header, words.data()) != 0) {
    return Refused(user.name, "setting capabilities", errno);
  }
  return {};
}

Status ChangeIdentity(const User& user, bool keep_capabilities) {
  if (user.uid == ::getuid() && user.uid == ::geteuid() && user.gid == ::getegid()) {
    return {};
  }
  if (::geteuid() != 0) {
    return RuntimeError("cannot run as user " + user.name +
                        " without starting as root; start as root or leave --user out");
  }
  if (keep_capabilities && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    return Refused(user.name, "keeping CAP_NET_ADMIN", errno);
  }
  if (::initgroups(user.name.c_str(), user.gid) != 0) {
    return Refused(user.name, "setting its groups", errno);
  }
  if (::setresgid(user.gid, user.gid, user.gid) != 0) {
    return Refused(user.name, "setting its group", errno);
  }
  if (::setresuid(user.uid, user.uid, user.uid) != 0) {
    return Refused(user.name, "setting its user id", errno);
  }
  return {};
}

}  // namespace

Status DropPrivileges(const std::string& user, bool keep_net_admin) {
  if (!user.empty()) {
    const Result<User> target = LookUp(user);
    if (!target.ok()) {
      return target.error();
    }
    const bool net_admin = keep_net_admin && HoldsNetAdmin();
    if (Status status = ChangeIdentity(target.value(), net_admin); !status.ok()) {
      return status;
    }
    if (Status status = SetCapabilities(target.value(), net_admin); !status.ok()) {
      return status;
    }
    if (net_admin && ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) {
      return Refused(user, "giving up PR_SET_KEEPCAPS", errno);
    }
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return RuntimeError(std::string("cannot set no_new_privs: ") + std::strerror(errno));
  }
  return {};
}

}  // namespace pcap_zmq
