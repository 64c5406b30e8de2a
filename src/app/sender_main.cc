// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "app/sender_program.h"

int main(int argc, char** argv) {
  return pcap_zmq::RunSender(argc, argv, environ);
}
