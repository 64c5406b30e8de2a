// SPDX-License-Identifier: MIT
//
// Work on the same packets that no change of ours can make dearer: what counts of the steps are
// divided by where a toolchain has no baseline of its own.
#pragma once

#include <memory>
#include <string_view>

#include "tests/hot_path/hot_path_steps.h"

namespace pcap_zmq::testing {

/// "reference_code", a plain loop over headers, "reference_copy", the C library's copies, or what a
/// compression library does by itself: "reference_deflate", "reference_inflate",
/// "reference_zstd_pack" and "reference_zstd_unpack".  Null for another name.
std::unique_ptr<HotPathStep> MakeReferenceWork(std::string_view name);

}  // namespace pcap_zmq::testing
