// SPDX-License-Identifier: MIT
#include "tests/support/private_hosts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/unique_fd.h"

namespace pcap_zmq::testing {
namespace {

// The C library reads pages; one write of one page is seen whole or not at all.
constexpr size_t kFileBytes = 4096;

Error SystemError(const std::string& what) {
  return RuntimeError(what + ": " + std::generic_category().message(errno));
}

}  // namespace

Result<std::unique_ptr<PrivateHosts>> PrivateHosts::Create(const std::string& file) {
  std::unique_ptr<PrivateHosts> hosts(new PrivateHosts(file));
  if (Status written = hosts->Set("", {}); !written.ok()) {
    return written.error();
  }
  if (::unshare(CLONE_NEWNS) != 0) {
    return SystemError("private mount namespaces are not permitted here");
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount(file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) != 0) {
    return SystemError("cannot mount a file over /etc/hosts");
  }
  hosts->mounted_ = true;
  return hosts;
}

PrivateHosts::~PrivateHosts() {
  if (mounted_) {
    ::umount2("/etc/hosts", MNT_DETACH);
  }
}

Status PrivateHosts::Set(const std::string& name, const std::vector<std::string>& addresses) const {
  std::string text = "127.0.0.1 localhost\n";
  for (const std::string& address : addresses) {
    text += address + " " + name + "\n";
  }
  if (text.size() > kFileBytes) {
    return RuntimeError("so many addresses do not fit");
  }
  text.resize(kFileBytes, '\n');
  const UniqueFd fd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  // Programs that have become nobody read it too.
  if (!fd.valid() || ::fchmod(fd.get(), 0644) != 0 ||
      ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return SystemError("cannot write " + file_);
  }
  return {};
}

}  // namespace pcap_zmq::testing
