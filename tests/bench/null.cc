// SPDX-License-Identifier: MIT
//
// Reads NFLOG packets and throws them away: what the kernel's side alone costs.
#include <cstdio>

#include "tests/bench/bench_support.h"
#include "tests/bench/nflog_loop.h"

int main(int argc, char** argv) {
  using namespace pcap_zmq::bench;
  const Arguments arguments =
      Parse(argc, argv, "bench_null --group G --threshold N", 0, {"group", "threshold"});
  HandleSignals();
  NflogLoop loop(static_cast<uint16_t>(arguments.Number("group", 0, 65'535)),
                 static_cast<uint32_t>(arguments.Number("threshold", 1, 65'535)));
  loop.Run();
  std::printf("{\"packets\": %llu, \"lost\": %llu}\n",
              static_cast<unsigned long long>(loop.packets()),
              static_cast<unsigned long long>(loop.lost()));
  return 0;
}
