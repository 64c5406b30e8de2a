// SPDX-License-Identifier: MIT
#include "tests/support/net_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "tests/support/process.h"

namespace pcap_zmq::testing {
namespace {

Error SystemError(const std::string& what, int error) {
  return RuntimeError(what + ": " + std::generic_category().message(error));
}

Status WriteFile(const char* path, std::string_view text) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file.valid() ||
      ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return SystemError(path, errno);
  }
  return {};
}

// A user namespace in which we are root, and a network namespace that belongs to it.
Status EnterUserNamespace() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return SystemError("private network namespaces are not permitted here", errno);
  }
  if (Status status = WriteFile("/proc/self/setgroups", "deny"); !status.ok()) {
    return status;
  }
  if (Status status = WriteFile("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1\n");
      !status.ok()) {
    return status;
  }
  return WriteFile("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1\n");
}

Status BringLoopbackUp() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
    return SystemError("cannot read the flags of lo", errno);
  }
  request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return SystemError("cannot bring lo up", errno);
  }
  return {};
}

}  // namespace

Status EnterPrivateNetwork() {
  if (::unshare(CLONE_NEWNET) != 0) {
    if (Status status = EnterUserNamespace(); !status.ok()) {
      return status;
    }
  }
  return BringLoopbackUp();
}

Result<std::unique_ptr<PeerNamespace>> PeerNamespace::Create() {
  UniqueFd fd;
  Status status;
  std::thread([&fd, &status] {
    if (::unshare(CLONE_NEWNET) != 0) {
      status = SystemError("cannot make a second network namespace", errno);
      return;
    }
    status = BringLoopbackUp();
    fd.Reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  if (!status.ok()) {
    return status.error();
  }
  if (!fd.valid()) {
    return RuntimeError("cannot open the second network namespace");
  }
  return std::unique_ptr<PeerNamespace>(new PeerNamespace(std::move(fd)));
}

void PeerNamespace::Run(const std::function<void()>& work) const {
  std::thread([this, &work] {
    if (::setns(fd_.get(), CLONE_NEWNET) == 0) {
      work();
    }
  }).join();
}

std::string PeerNamespace::Path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
}

Status PeerNamespace::JoinByVeth(const std::string& end_here, const std::string& end_there) const {
  Status status = RunOrFail(
      {"ip", "link", "add", end_here, "type", "veth", "peer", "name", end_there, "netns", Path()});
  if (status.ok()) {
    status = RunOrFail({"ip", "link", "set", end_here, "up"});
  }
  if (status.ok()) {
    Run([&] { status = RunOrFail({"ip", "link", "set", end_there, "up"}); });
  }
  return status;
}

}  // namespace pcap_zmq::testing
