// SPDX-License-Identifier: MIT
//
// Any bytes as the configuration file of either program.
#include <cstdint>

#include "tests/fuzz/config_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pcap_zmq;
  testing::Invocation invocation;
  invocation.has_file = true;
  invocation.file.assign(reinterpret_cast<const char*>(data), size);
  testing::CheckInvocation<SenderConfig>(invocation);
  testing::CheckInvocation<ReceiverConfig>(invocation);
  return 0;
}
