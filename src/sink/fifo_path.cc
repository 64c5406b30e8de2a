// SPDX-License-Identifier: MIT
#include "sink/fifo_path.h"

#include <cerrno>
#include <cstring>

#include "sink/permission_hint.h"

namespace pcap_zmq {

Status MakeFifo(const std::string& path, mode_t mode) {
  if (::mkfifo(path.c_str(), mode) == 0 || errno == EEXIST) {
    return {};
  }
  const int error = errno;
  const std::string reason = std::strerror(error);  // NOLINT: messages of known errors are static
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (error == ENOENT || error == ENOTDIR) {
    return ConfigError("cannot make the FIFO " + path + ": there is no directory " + directory +
                       "; make it or name another path");
  }
  if (error == EACCES || error == EPERM || error == EROFS) {
    return ConfigError("cannot make the FIFO " + path + ": no permission to write into " +
                       directory + " (" + reason + "); name another path" +
                       (error == EACCES ? PermissionHint() : ""));
  }
  const std::string message = "cannot make the FIFO " + path + ": " + reason;
  return error == ENAMETOOLONG || error == ELOOP ? ConfigError(message) : RuntimeError(message);
}

Status CheckIsFifo(const std::string& path, const struct stat& status) {
  if (S_ISFIFO(status.st_mode)) {
    return {};
  }
  if (S_ISREG(status.st_mode)) {
    return ConfigError(path + " is a regular file, not a FIFO; write file:" + path +
                       " to replace it by a capture file, or remove it");
  }
  if (S_ISDIR(status.st_mode)) {
    return ConfigError(path + " is a directory; name a path in it, such as " + path +
                       "/capture.pcap");
  }
  return ConfigError(path + " is neither a FIFO nor a missing path; name another one");
}

}  // namespace pcap_zmq
