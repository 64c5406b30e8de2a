// SPDX-License-Identifier: MIT
#include "app/write_fence.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

// Headers of older kernels lack them, and the numbers of these calls are the same everywhere.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr uint64_t kRefer = uint64_t{1} << 13;     // LANDLOCK_ACCESS_FS_REFER, version 2
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE, version 3

constexpr uint64_t kInDirectories = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                    LANDLOCK_ACCESS_FS_MAKE_FIFO | kTruncate;
constexpr uint64_t kNowhere = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                              LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_EXECUTE | kRefer;

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
  return RuntimeError(std::string("the kernel does not confine writing to directories: ") +
                      std::strerror(error));  // NOLINT: messages of known errors are static
}

}  // namespace

Status FenceWrites(const std::vector<std::string>& directories) {
#ifdef PCAP_ZMQ_COVERAGE
  return {};  // the counts of such a build are written beside its objects when it ends
#endif
  const long version = ::syscall(kCreateRuleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0) {
    return Missing(errno);
  }
  landlock_ruleset_attr ruleset{};
  ruleset.handled_access_fs = KnownTo(version, kInDirectories | kNowhere);
  // Of the structure as it was at first: newer fields are not used.
  const UniqueFd rules(
      static_cast<int>(::syscall(kCreateRuleset, &ruleset, sizeof ruleset.handled_access_fs, 0)));
  if (!rules.valid()) {
    return Missing(errno);
  }
  for (const std::string& directory : directories) {
    const UniqueFd place(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place.valid()) {
      continue;  // whoever needs it says what is wrong
    }
    landlock_path_beneath_attr rule{};
    rule.allowed_access = KnownTo(version, kInDirectories);
    rule.parent_fd = place.get();
    if (::syscall(kAddRule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      return Missing(errno);
    }
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(kRestrictSelf, rules.get(), 0) != 0) {
    return Missing(errno);
  }
  return {};
}

std::vector<std::string> DirectoriesOf(const std::string& path) {
  const auto parent = [](const std::filesystem::path& file) {
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

}  // namespace pcap_zmq
