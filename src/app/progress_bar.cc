// SPDX-License-Identifier: MIT
#include "app/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace pcap_zmq {
namespace {

constexpr size_t kWidth = 40;

void Write(const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string ProgressText(double fraction, uint64_t packets) {
  std::string count = std::to_string(packets) + " packets";
  if (std::isnan(fraction)) {
    return count;
  }
  fraction = std::clamp(fraction, 0.0, 1.0);
  const auto filled = static_cast<size_t>(fraction * kWidth);
  std::string percent = std::to_string(static_cast<int>(fraction * 100));
  percent.insert(0, percent.size() < 3 ? 3 - percent.size() : 0, ' ');
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, ' ') + "] " + percent +
         " %  " + count;
}

ProgressBar::ProgressBar() : active_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (drawn_) {
    Write("\n");
  }
}

void ProgressBar::Draw(double fraction, uint64_t packets) {
  if (active_) {
    Write("\r" + ProgressText(fraction, packets) + "\033[K");
    drawn_ = true;
  }
}

}  // namespace pcap_zmq
