// SPDX-License-Identifier: MIT
#include "transport/curve_keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

constexpr size_t kKeyBytes = 32;
// Room for a key and for white space; what is longer is something else.
constexpr size_t kLargestKeyFile = 256;
constexpr std::string_view kWhitespace = " \t\r\n";

using KeyText = std::array<char, kCurveKeyLength + 1>;

Error Unreadable(const std::string& path, std::string_view why) {
  return ConfigError("key file " + path + ": " + std::string(why));
}

// Whether the same file can be read once the system is better off.
bool Passes(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
    case EINTR:
    case EAGAIN:
    case ESTALE:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

Error Unreadable(const std::string& path, int error) {
  const Error failure = Unreadable(path, std::strerror(error));
  return Passes(error) ? RuntimeError(failure.message) : failure;
}

Error NoCurve() {
  return RuntimeError(
      "this ZeroMQ library was built without encryption (CURVE); install a "
      "libzmq built with libsodium");
}

// Opens without waiting for the writer of a FIFO that stands in the file's place.
Result<std::string> ReadKeyFile(const std::string& path, bool secret) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return Unreadable(path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Unreadable(path, "is not a regular file");
  }
  if (secret && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Unreadable(path, "others than its owner have access to it; chmod 600 it");
  }
  std::array<char, kLargestKeyFile> buffer{};
  const ssize_t length = ::read(fd.get(), buffer.data(), buffer.size());
  if (length < 0) {
    return Unreadable(path, errno);
  }
  std::string_view text(buffer.data(), static_cast<size_t>(length));
  text.remove_prefix(std::min(text.find_first_not_of(kWhitespace), text.size()));
  text = text.substr(0, text.find_last_not_of(kWhitespace) + 1);
  if (!IsCurveKey(text)) {
    return Unreadable(path, "holds no key of 40 characters, as pcap-zmq-keygen writes them");
  }
  return std::string(text);
}

// Writes a file that is not there yet; on failure there is none.
Status WriteNewFile(const std::string& path, mode_t mode, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) {
    return errno == EEXIST ? ConfigError(path + " is there already; keys are never overwritten")
                           : ConfigError("cannot write " + path + ": " + std::strerror(errno));
  }
  const std::string line = text + "\n";
  // The umask may have taken more away than is wanted, but never adds.
  if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) {
    const int error = errno;
    ::unlink(path.c_str());
    return ConfigError("cannot write " + path + ": " + std::strerror(error));
  }
  return {};
}

}  // namespace

bool IsCurveKey(std::string_view text) {
  // zmq_z85_decode() takes a terminated text, and looks at no more than its length.
  std::array<uint8_t, kKeyBytes> bytes{};
  KeyText terminated{};
  if (text.size() != kCurveKeyLength || text.find('\0') != std::string_view::npos) {
    return false;
  }
  std::memcpy(terminated.data(), text.data(), text.size());
  return zmq_z85_decode(bytes.data(), terminated.data()) != nullptr;
}

Result<CurveKeyPair> MakeCurveKeys() {
  KeyText public_key{};
  KeyText secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    return NoCurve();
  }
  return CurveKeyPair{public_key.data(), secret_key.data()};
}

Result<CurveKeyPair> ReadSecretKey(const std::string& path) {
  Result<std::string> secret_key = ReadKeyFile(path, /*secret=*/true);
  if (!secret_key.ok()) {
    return secret_key.error();
  }
  KeyText public_key{};
  if (zmq_curve_public(public_key.data(), secret_key.value().c_str()) != 0) {
    return NoCurve();
  }
  return CurveKeyPair{public_key.data(), secret_key.Take()};
}

Result<std::string> ReadPublicKey(const std::string& path) {
  return ReadKeyFile(path, /*secret=*/false);
}

Status WriteNewKeys(const std::string& directory, const std::string& name,
                    const CurveKeyPair& keys) {
  if (::mkdir(directory.c_str(), S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH) != 0 &&
      errno != EEXIST) {
    return ConfigError("cannot make directory " + directory + ": " + std::strerror(errno));
  }
  const std::string key_path = directory + "/" + name + ".key";
  const std::string public_path = directory + "/" + name + ".pub";
  if (Status written =
          WriteNewFile(public_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, keys.public_key);
      !written.ok()) {
    return written;
  }
  if (Status written = WriteNewFile(key_path, S_IRUSR | S_IWUSR, keys.secret_key); !written.ok()) {
    ::unlink(public_path.c_str());
    return written;
  }
  return {};
}

}  // namespace pcap_zmq
