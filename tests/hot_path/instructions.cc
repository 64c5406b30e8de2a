// SPDX-License-Identifier: MIT
//
// Runs a step, or reference work, under a tool that counts instructions.
// Usage: hot_path_instructions [STEP DIRECTORY]; without them it lists the steps.
// Prints how many packets Measured() handled; the count is to be of that function alone.
#include <cstdio>
#include <memory>
#include <string_view>

#include "tests/hot_path/hot_path_steps.h"
#include "tests/hot_path/reference_work.h"

namespace {

constexpr int kWarmUp = 3;

[[gnu::noinline]] uint64_t Measured(pcap_zmq::testing::HotPathStep* step) {
  return step->Run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const std::string_view name : pcap_zmq::testing::HotPathStepNames()) {
      std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
    }
    return 0;
  }
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s [STEP DIRECTORY]\n", argv[0]);
    return 2;
  }
  auto step = pcap_zmq::testing::MakeHotPathStep(argv[1], argv[2]);
  if (step == nullptr) {
    step = pcap_zmq::testing::MakeReferenceWork(argv[1]);
  }
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
