// SPDX-License-Identifier: MIT
//
// pcap-zmq-send from its command line to its exit status.
#pragma once

namespace pcap_zmq {

/// Runs the sender until its input ends or a signal stops it; returns the exit status.
int RunSender(int argc, const char* const* argv, const char* const* envp);

}  // namespace pcap_zmq
