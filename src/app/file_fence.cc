// SPDX-License-Identifier: MIT
#include "app/file_fence.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "app/sandbox.h"
#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

// Headers of older kernels lack them, and the numbers of these calls are the same everywhere.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr uint64_t kRefer = uint64_t{1} << 13;     // LANDLOCK_ACCESS_FS_REFER, version 2
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE, version 3

constexpr uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWriting = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                              LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                              LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                              LANDLOCK_ACCESS_FS_MAKE_FIFO | kTruncate;
constexpr uint64_t kNowhere = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                              LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_EXECUTE | kRefer;
// Of these, those that a rule about a file may have.
constexpr uint64_t kOfFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_EXECUTE | kTruncate;

// What is read while a program runs whose outputs and keys are elsewhere: its own figures,
// libraries that are loaded late, and what finds the address of an endpoint's name.
constexpr const char* kOfTheSystem[] = {"/proc/self",
                                        "/proc/stat",
                                        "/sys/devices/system/cpu",
                                        "/usr",
                                        "/lib",
                                        "/lib64",
                                        "/etc/ld.so.cache",
                                        "/etc/gai.conf",
                                        "/etc/host.conf",
                                        "/etc/hosts",
                                        "/etc/localtime",
                                        "/etc/nsswitch.conf",
                                        "/etc/resolv.conf",
                                        "/etc/services",
                                        "/dev/null",
                                        "/dev/urandom"};

// Of all rights those that the kernel's version of Landlock knows.
uint64_t KnownTo(long version, uint64_t rights) {
  if (version < 2) {
    rights &= ~kRefer;
  }
  if (version < 3) {
    rights &= ~kTruncate;
  }
  return rights;
}

Error Missing(int error) {
  return RuntimeError(std::string("the kernel does not confine a program to its files: ") +
                      std::strerror(error));  // NOLINT: messages of known errors are static
}

// Allows `rights` under `path`, and nothing if there is no such path: whoever needs it says what is
// wrong.  Returns an errno, or 0.
int Allow(int rules, const std::string& path, uint64_t rights) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!place.valid() || ::fstat(place.get(), &status) != 0) {
    return 0;
  }
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(status.st_mode) ? rights : rights & kOfFiles;
  rule.parent_fd = place.get();
  return ::syscall(kAddRule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : errno;
}

}  // namespace

Status FenceFiles(const FilePlaces& places) {
#ifdef PCAP_ZMQ_COVERAGE
  return {};  // the counts of such a build are written beside its objects when it ends
#endif
  const long version = ::syscall(kCreateRuleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0) {
    return Missing(errno);
  }
  const uint64_t reading = places.fence_reading && !SandboxAllowsTracing() ? kReading : 0;
  landlock_ruleset_attr ruleset{};
  ruleset.handled_access_fs = KnownTo(version, reading | kWriting | kNowhere);
  // Of the structure as it was at first: newer fields are not used.
  const UniqueFd rules(
      static_cast<int>(::syscall(kCreateRuleset, &ruleset, sizeof ruleset.handled_access_fs, 0)));
  if (!rules.valid()) {
    return Missing(errno);
  }
  int error = 0;
  const auto allow = [&](const std::string& path, uint64_t rights) {
    if (error == 0 && rights != 0) {
      error = Allow(rules.get(), path, KnownTo(version, rights));
    }
  };
  for (const std::string& directory : places.to_write) {
    allow(directory, reading | kWriting);
  }
  for (const std::string& place : places.to_read) {
    allow(place, reading);
  }
  for (const char* place : kOfTheSystem) {
    allow(place, reading);
  }
  if (error != 0) {
    return Missing(error);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(kRestrictSelf, rules.get(), 0) != 0) {
    return Missing(errno);
  }
  return {};
}

std::vector<std::string> DirectoriesOf(const std::string& path) {
  const auto parent = [](std::filesystem::path file) {
    if (!file.has_filename()) {
      file = file.parent_path();  // of a directory, named with a slash behind it
    }
    const std::string directory = file.parent_path().string();
    return directory.empty() ? std::string(".") : directory;
  };
  std::vector<std::string> directories = {parent(path)};
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  if (!error) {
    directories.push_back(parent(real));
  }
  return directories;
}

std::vector<std::string> DirectoriesOfLinks(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  std::vector<std::string> directories;
  std::error_code error;
  std::filesystem::path left = std::filesystem::absolute(path, error);
  std::filesystem::path done;
  for (int links = 0; !left.empty() && links < kMostLinks;) {
    const std::filesystem::path part = *left.begin();
    left = left.lexically_relative(part);
    left = left == "." ? std::filesystem::path() : left;
    const std::filesystem::path next = done / part;
    if (!std::filesystem::is_symlink(next, error)) {
      done = next;
      continue;
    }
    ++links;
    directories.push_back(done.string());
    const std::filesystem::path target = std::filesystem::read_symlink(next, error);
    left = (target.is_absolute() ? target : done / target) / left;
    done.clear();
  }
  return directories;
}

}  // namespace pcap_zmq
