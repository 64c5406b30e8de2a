// SPDX-License-Identifier: MIT
//
// How a capturing socket stops taking packets in.
#pragma once

namespace pcap_zmq {

/// From now on the kernel queues nothing more on `fd`; what is queued can still be read.  Needs no
/// privilege.
/// Errors:  false when the kernel refuses.
bool CloseIntake(int fd);

}  // namespace pcap_zmq
