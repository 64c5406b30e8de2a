// SPDX-License-Identifier: MIT
//
// Runs a fuzz target over kept inputs, without a fuzzer: each file whole, then each beginning of
// it.  Usage: NAME_replay DIRECTORY...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// From a heap block of the exact size, so that the sanitizer sees a read outside of it.
void Replay(const std::vector<char>& input, size_t size) {
  const auto copy = std::make_unique<uint8_t[]>(size);
  std::copy_n(input.begin(), size, copy.get());
  LLVMFuzzerTestOneInput(copy.get(), size);
}

// How many files were replayed; -1 when something could not be read.
int ReplayDirectory(const char* directory) {
  std::error_code error;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> input{std::istreambuf_iterator<char>(file),
                                  std::istreambuf_iterator<char>()};
    if (!file.is_open() || file.bad()) {
      std::fprintf(stderr, "cannot read %s\n", entry.path().c_str());
      return -1;
    }
    std::printf("%s, %zu bytes\n", entry.path().c_str(), input.size());
    std::fflush(stdout);  // so that the last line names the input that ends the process
    for (size_t size = 0; size <= input.size(); ++size) {
      Replay(input, size);
    }
    ++files;
  }
  if (error) {
    std::fprintf(stderr, "cannot list %s: %s\n", directory, error.message().c_str());
    return -1;
  }
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    const int replayed = ReplayDirectory(argv[i]);
    if (replayed <= 0) {
      std::fprintf(stderr, "nothing replayed from %s\n", argv[i]);
      return 1;
    }
    files += replayed;
  }
  std::printf("%d files replayed\n", files);
  return files > 0 ? 0 : 1;
}
