// SPDX-License-Identifier: MIT
//
// One line of progress for whoever watches a terminal.
#pragma once

#include <cstdint>
#include <string>

namespace pcap_zmq {

/// Draws on stderr when that is a terminal, and nothing otherwise.
class ProgressBar {
 public:
  ProgressBar();
  /// Ends the line.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  bool active() const { return active_; }
  /// Draws `fraction` (0 to 1; NaN where the length is unknown) and a packet count.
  void Draw(double fraction, uint64_t packets);

 private:
  const bool active_;
  bool drawn_ = false;
};

/// "[#####     ]  50 %  1234 packets"
std::string ProgressText(double fraction, uint64_t packets);

}  // namespace pcap_zmq
