// SPDX-License-Identifier: MIT
#include "app/keygen_program.h"

int main(int argc, char** argv) {
  return pcap_zmq::RunKeygen(argc, argv);
}
