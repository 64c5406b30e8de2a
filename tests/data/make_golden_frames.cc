// SPDX-License-Identifier: MIT
//
// Writes the golden files into a directory; README.md beside this says when.
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/data/golden_frames.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_golden_frames DIRECTORY\n", stderr);
    return 2;
  }
  for (const auto& [name, message] : pcap_zmq::testing::GoldenFiles()) {
    const std::string path = std::string(argv[1]) + "/" + name;
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(message.data()),
               static_cast<std::streamsize>(message.size()));
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 1;
    }
    std::printf("%5zu bytes  %s\n", message.size(), path.c_str());
  }
  return 0;
}
