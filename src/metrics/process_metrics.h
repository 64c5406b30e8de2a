// SPDX-License-Identifier: MIT
//
// What the kernel says of this process, under the names that all Prometheus clients use.
#pragma once

#include "metrics/exposition.h"

namespace pcap_zmq {

/// Adds the process_* metrics.  What cannot be read (no /proc) is left out.
/// Source:  proc(5), /proc/[pid]/stat.
void AddProcessMetrics(Exposition* out);

}  // namespace pcap_zmq
