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

std::string_view NameOf(std::string_view file) {
  return file.substr(0, file.size() - kSuffix.size());
}

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
  Load(listed.value());
  return {};
}

Result<std::vector<AuthorizedKeys::Entry>> AuthorizedKeys::List() const {
  const auto failure = [this](int error) {
    return ConfigError("cannot read the directory of authorized keys " + directory_ + ": " +
                       std::strerror(error));
  };
  const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(directory_.c_str()));
  if (directory == nullptr) {
    const int error = errno;
    // Who removes the directory takes everybody's key away; but at the start it is a mistake.
    if (error == ENOENT && version() != 0) {
      return std::vector<Entry>();
    }
    return failure(error);
  }
  std::vector<Entry> entries;
  errno = 0;
  while (const dirent* found = ::readdir(directory.get())) {
    const std::string_view file = found->d_name;
    struct stat status {};
    // Through symbolic links: a mounted secret's files are links that are exchanged at a stroke.
    if (file.size() > kSuffix.size() && file.ends_with(kSuffix)) {
      if (::fstatat(::dirfd(directory.get()), found->d_name, &status, 0) == 0) {
        entries.push_back({std::string(file), status.st_ino, status.st_size, Nanos(status.st_mtim),
                           Nanos(status.st_ctim)});
      } else if (errno == EIO || errno == ENOMEM || errno == ESTALE) {
        return failure(errno);
      }
    }
    errno = 0;
  }
  // Half a list would take away the keys of the other half.
  if (errno != 0) {
    return failure(errno);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.file < b.file; });
  return entries;
}

void AuthorizedKeys::Load(const std::vector<Entry>& entries) {
  std::vector<KeyFile> files;
  for (const Entry& entry : entries) {
    const auto known = std::find_if(files_.begin(), files_.end(), [&](const KeyFile& one) {
      return one.entry.file == entry.file;
    });
    if (known != files_.end() && known->entry == entry && !known->unread) {
      files.push_back(*known);
    } else {
      files.push_back(Read(entry, known != files_.end() ? &*known : nullptr));
    }
  }
  if (version() == 0 || files != files_) {
    files_ = std::move(files);
    Publish();
  }
}

AuthorizedKeys::KeyFile AuthorizedKeys::Read(const Entry& entry, const KeyFile* known) const {
  const std::string path = directory_ + "/" + entry.file;
  const std::string_view name = NameOf(entry.file);
  const std::string_view own = name.substr(0, name.size() - (name.ends_with(kGroupMark) ? 1 : 0));
  if (!IsSenderName(own) || IsReservedSenderName(own)) {
    std::string warning = path;
    warning.append(" authorizes nobody: '").append(name).append("' is no name for a sender (");
    warning.append(kSenderNameRule);
    Log(LogLevel::kWarning, warning.append(", with @ after them for a group; no reserved one)"));
    return {entry, {}};
  }
  Result<std::string> key = ReadPublicKey(path);
  if (key.ok()) {
    return {entry, key.Take()};
  }
  if (key.error().kind != ErrorKind::kRuntime) {
    Log(LogLevel::kWarning, key.error().message + "; it authorizes nobody");
    return {entry, {}};
  }
  std::string last = known != nullptr ? known->key : std::string();
  if (known == nullptr || !known->unread) {
    Log(LogLevel::kError,
        key.error().message +
            (last.empty() ? "; it authorizes nobody" : "; its last key remains valid") +
            " until it can be read; retrying");
  }
  return {entry, std::move(last), /*unread=*/true};
}

void AuthorizedKeys::Publish() {
  auto names = std::make_shared<Names>();
  for (const KeyFile& file : files_) {
    if (file.key.empty()) {
      continue;
    }
    const auto [known, is_new] = names->try_emplace(file.key, NameOf(file.entry.file));
    if (!is_new) {
      Log(LogLevel::kWarning, directory_ + "/" + file.entry.file + " holds the key of '" +
                                  known->second + "' again, which stays its name");
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
