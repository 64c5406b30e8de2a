// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "app/receiver_program.h"

int main(int argc, char** argv) {
  return pcap_zmq::RunReceiver(argc, argv, environ);
}
