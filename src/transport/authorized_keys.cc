// SPDX-License-Identifier: MIT
#include "transport/authorized_keys.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/sender_key.h"
#include "base/sender_name.h"
#include "transport/curve_keys.h"

namespace pcap_zmq {
namespace {

constexpr std::string_view kSuffix = ".pub";

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

int64_t Nanos(const timespec& time) {
  return time.tv_sec * kNanosPerSecond + time.tv_nsec;
}

}  // namespace

Status AuthorizedKeys::Refresh() {
  Result<std::vector<Entry>> listed = List();
  if (!listed.ok()) {
    if (!std::exchange(failed_, true) && version() != 0) {
      Log(LogLevel::kError, listed.error().message + "; the keys known so far remain valid");
    }
    return listed.error();
  }
  failed_ = false;
  if (version() == 0 || listed.value() != entries_) {
    entries_ = listed.Take();
    Load();
  }
  return {};
}

Result<std::vector<AuthorizedKeys::Entry>> AuthorizedKeys::List() const {
  const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(directory_.c_str()));
  if (directory == nullptr) {
    const int error = errno;
    // Who removes the directory takes everybody's key away; but at the start it is a mistake.
    if (error == ENOENT && version() != 0) {
      return std::vector<Entry>();
    }
    return ConfigError("cannot read the directory of authorized keys " + directory_ + ": " +
                       std::strerror(error));
  }
  std::vector<Entry> entries;
  while (const dirent* found = ::readdir(directory.get())) {
    const std::string_view file = found->d_name;
    struct stat status {};
    // Through symbolic links: a mounted secret's files are links that are exchanged at a stroke.
    if (file.size() > kSuffix.size() && file.ends_with(kSuffix) &&
        ::fstatat(::dirfd(directory.get()), found->d_name, &status, 0) == 0) {
      entries.push_back({std::string(file), status.st_ino, status.st_size, Nanos(status.st_mtim),
                         Nanos(status.st_ctim)});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.file < b.file; });
  return entries;
}

void AuthorizedKeys::Load() {
  auto names = std::make_shared<Names>();
  for (const Entry& entry : entries_) {
    const std::string path = directory_ + "/" + entry.file;
    const std::string name = entry.file.substr(0, entry.file.size() - kSuffix.size());
    const std::string_view own =
        std::string_view(name).substr(0, name.size() - (name.ends_with(kGroupMark) ? 1 : 0));
    if (!IsSenderName(own) || IsReservedSenderName(own)) {
      std::string warning = path;
      warning.append(" authorizes nobody: '").append(name).append("' is no name for a sender (");
      warning.append(kSenderNameRule);
      Log(LogLevel::kWarning, warning.append(", with @ after them for a group; no reserved one)"));
      continue;
    }
    Result<std::string> key = ReadPublicKey(path);
    if (!key.ok()) {
      Log(LogLevel::kWarning, key.error().message + "; it authorizes nobody");
      continue;
    }
    const auto [known, is_new] = names->try_emplace(key.Take(), name);
    if (!is_new) {
      Log(LogLevel::kWarning,
          path + " holds the key of '" + known->second + "' again, which stays its name");
    }
  }
  Log(LogLevel::kInfo, "authorized keys in " + directory_ + ": " + std::to_string(names->size()));
  {
    const std::lock_guard lock(mutex_);
    names_ = std::move(names);
  }
  version_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const AuthorizedKeys::Names> AuthorizedKeys::names() const {
  const std::lock_guard lock(mutex_);
  return names_;
}

}  // namespace pcap_zmq
