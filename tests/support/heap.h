// SPDX-License-Identifier: MIT
//
// How much memory malloc() has handed out.
#pragma once

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstddef>
#include <optional>

#include "tests/support/sanitized.h"

namespace pcap_zmq::testing {

inline constexpr char kHeapUnknown[] =
    "malloc is not glibc's own, which alone says how much is in use";

/// Bytes of the heap that are in use; nothing where that cannot be known.
/// Source:  mallinfo(3).
inline std::optional<size_t> HeapBytes() {
#ifdef __GLIBC__
  if (!kSanitized) {
    const struct mallinfo2 heap = ::mallinfo2();
    return heap.uordblks + heap.hblkhd;
  }
#endif
  return std::nullopt;
}

}  // namespace pcap_zmq::testing
