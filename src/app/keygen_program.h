// SPDX-License-Identifier: MIT
//
// pcap-zmq-keygen from its command line to its exit status.
#pragma once

namespace pcap_zmq {

/// Makes a pair of CURVE keys and writes it to files; returns the exit status: 2 for what the user
/// can mend, 1 for the rest.
int RunKeygen(int argc, const char* const* argv);

}  // namespace pcap_zmq
