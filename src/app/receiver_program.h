// SPDX-License-Identifier: MIT
//
// pcap-zmq-recv from its command line to its exit status.
#pragma once

namespace pcap_zmq {

/// Runs the receiver until a signal stops it or all its outputs have ended; returns the exit
/// status.
int RunReceiver(int argc, const char* const* argv, const char* const* envp);

}  // namespace pcap_zmq
