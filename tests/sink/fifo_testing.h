// SPDX-License-Identifier: MIT
//
// A FifoSink in a directory of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <memory>
#include <string>

#include "sink/fifo_sink.h"
#include "tests/sink/sink_testing.h"

namespace pcap_zmq::testing {

/// Runs `check` without root's right to read and write anywhere.
template <typename Check>
void WithoutRoot(Check check) {
  const uid_t user = ::geteuid();
  if (user == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  check();
  ASSERT_EQ(::seteuid(user), 0);
}

/// Bytes that nobody has read yet from the pipe behind `fd`.
inline size_t UnreadIn(int fd) {
  int unread = 0;
  EXPECT_EQ(::ioctl(fd, FIONREAD, &unread), 0);
  return static_cast<size_t>(unread);
}

class FifoTest : public SinkTest {
 protected:
  std::unique_ptr<FifoSink> Open(int pipe_bytes = 1 << 20, LinkType link_type = LinkType::kRaw) {
    return OpenWith(&clock_, pipe_bytes, link_type);
  }
  std::unique_ptr<FifoSink> OpenWith(const Clock* clock, int pipe_bytes = 1 << 20,
                                     LinkType link_type = LinkType::kRaw) {
    auto sink = FifoSink::Open(
        {.path = fifo_, .link_type = link_type, .pipe_bytes = pipe_bytes, .mode = 0640}, &stats_,
        clock, &stop_);
    EXPECT_TRUE(sink.ok()) << sink.error().message;
    return sink.Take();
  }
  std::string OpenError(const std::string& path, ErrorKind kind) {
    auto sink = FifoSink::Open({.path = path}, &stats_, &clock_, &stop_);
    EXPECT_FALSE(sink.ok());
    EXPECT_EQ(sink.error().kind, kind);
    return sink.error().message;
  }
  void ExpectNothingLost(uint64_t packets) {
    EXPECT_EQ(stats_.delivered_packets.Value(), packets);
    EXPECT_EQ(stats_.dropped.Total(), 0U);
    EXPECT_EQ(stats_.queued_packets.Value(), 0);
  }

  const std::string fifo_ = Path("capture.pcap");
};

}  // namespace pcap_zmq::testing
