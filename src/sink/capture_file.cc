// SPDX-License-Identifier: MIT
#include "sink/capture_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>

#include "base/link_type.h"
#include "base/log.h"
#include "sink/pcap_format.h"
#include "sink/permission_hint.h"

namespace pcap_zmq {
namespace {

// Others may rename or make the file at the same moments.
constexpr int kTries = 10;

std::string Reason(int error) {
  return std::strerror(error);  // NOLINT: messages of known errors are static
}

Error Refusal(const std::string& path, int error) {
  const std::string message = "cannot write to the file " + path + ": " + Reason(error);
  const bool disk = error == ENOSPC || error == EDQUOT || error == EIO || error == EMFILE;
  return disk ? RuntimeError(message)
              : ConfigError(message + "; name another path" +
                            (error == EACCES ? PermissionHint() : ""));
}

std::optional<Error> RefuseKind(const std::string& path, mode_t mode) {
  if (S_ISREG(mode)) {
    return std::nullopt;
  }
  if (S_ISFIFO(mode)) {
    return ConfigError(path + " is a FIFO; name it without file:");
  }
  if (S_ISDIR(mode)) {
    return ConfigError(path + " is a directory; name a file in it, such as file:" + path +
                       "/capture.pcap");
  }
  if (S_ISLNK(mode)) {
    return ConfigError(path + " is a symbolic link, which is not followed; name the file itself");
  }
  return ConfigError(path + " is no regular file; name one");
}

// Whether it is empty, or ends within or after the header of a capture of ours.
bool HasOnlyBegun(int fd, off_t size) {
  FileHeaderBytes begun{};
  if (size > static_cast<off_t>(begun.size()) ||
      ::pread(fd, begun.data(), begun.size(), 0) != static_cast<ssize_t>(size)) {
    return false;
  }
  const auto is_prefix_of = [&](LinkType link_type) {
    const FileHeaderBytes header = FileHeader(link_type);
    return std::equal(begun.begin(), begun.begin() + size, header.begin());
  };
  return is_prefix_of(LinkType::kRaw) || is_prefix_of(LinkType::kEthernet);
}

// False when another writer has it.  File systems without locks let everybody have it.
bool Lock(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

// As rename(2), where `to` must not exist.
int RenameTo(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return errno;
  }
  // A file system that cannot tell: there is a moment in which another could make `to`.
  struct stat status {};
  if (::lstat(to.c_str(), &status) == 0) {
    return EEXIST;
  }
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

// The first of PATH.1, PATH.2 and so on to which `path` could be renamed, or what kept it from
// that.
struct PutAside {
  std::string kept;
  int error = 0;
};

PutAside PutItAside(const std::string& path) {
  PutAside result{{}, EEXIST};
  for (uint64_t number = 1; result.error == EEXIST; ++number) {
    result.kept = path;
    result.kept.append(".").append(std::to_string(number));
    result.error = RenameTo(path, result.kept);
  }
  return result;
}

}  // namespace

Result<UniqueFd> OpenCaptureFile(const std::string& path, mode_t mode) {
  // Before it is opened, which alone does something to some devices.
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (const std::optional<Error> refusal = RefuseKind(path, status.st_mode)) {
      return *refusal;
    }
  }
  for (int i = 0; i < kTries; ++i) {
    UniqueFd fd(::open(path.c_str(),
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode));
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
      return Refusal(path, errno);
    }
    if (const std::optional<Error> refusal = RefuseKind(path, status.st_mode)) {
      return *refusal;
    }
    if (!Lock(fd.get())) {
      return ConfigError("another program writes to " + path + "; name another path");
    }
    // Whoever had it until now may have written to it or put it aside meanwhile.
    struct stat named {};
    if (::fstat(fd.get(), &status) != 0 || ::lstat(path.c_str(), &named) != 0 ||
        named.st_dev != status.st_dev || named.st_ino != status.st_ino) {
      continue;
    }
    if (HasOnlyBegun(fd.get(), status.st_size)) {
      if (::ftruncate(fd.get(), 0) != 0) {
        return Refusal(path, errno);
      }
      return fd;
    }
    const PutAside old = PutItAside(path);
    if (old.error != 0) {
      return ConfigError(path + " holds a capture that cannot be renamed to " + old.kept + ": " +
                         Reason(old.error) + "; name another path" +
                         (old.error == EACCES ? PermissionHint() : ""));
    }
    Log(LogLevel::kInfo, "the capture that was in " + path + " is now " + old.kept);
  }
  return ConfigError(path + " is made anew by others all the time; name another path");
}

}  // namespace pcap_zmq
