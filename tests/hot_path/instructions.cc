// SPDX-License-Identifier: MIT
//
// Runs a step under a tool that counts instructions.  Usage: hot_path_instructions STEP DIRECTORY
// Prints how many packets Measured() handled; the count is to be of that function alone.
#include <cstdio>
#include <memory>

#include "tests/hot_path/hot_path_steps.h"

namespace {

constexpr int kWarmUp = 3;

[[gnu::noinline]] uint64_t Measured(pcap_zmq::testing::HotPathStep* step) {
  return step->Run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s STEP DIRECTORY\n", argv[0]);
    return 2;
  }
  const auto step = pcap_zmq::testing::MakeHotPathStep(argv[1], argv[2]);
  if (step == nullptr) {
    std::fprintf(stderr, "no step is called %s\n", argv[1]);
    return 2;
  }
  for (int i = 0; i < kWarmUp; ++i) {
    step->Prepare();
    step->Run();
    step->Finish();
  }
  step->Prepare();
  const uint64_t packets = Measured(step.get());
  step->Finish();
  std::printf("%llu\n", static_cast<unsigned long long>(packets));
  return 0;
}
