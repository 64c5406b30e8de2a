// SPDX-License-Identifier: MIT
//
// A directory for one test's files, removed with all that is in it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace pcap_zmq::testing {

class TempDir {
 public:
  TempDir() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/pcap-zmq-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) {
      std::perror("mkdtemp");
      std::abort();
    }
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  /// The full name of `name` in the directory.
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

  /// Writes `content` to the file `name` and returns its full name.
  std::string Write(std::string_view name, std::string_view content) const {
    std::ofstream(File(name), std::ios::binary)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
    return File(name);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pcap_zmq::testing
