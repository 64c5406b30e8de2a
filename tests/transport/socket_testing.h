// SPDX-License-Identifier: MIT
//
// Both ends of the wire on this host.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/frame.h"
#include "tests/support/packet_builder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "transport/pull_socket.h"
#include "transport/push_socket.h"
#include "transport/zmq_context.h"

namespace pcap_zmq::testing {

inline constexpr char kAnyPort[] = "tcp://127.0.0.1:*";

/// `size` bytes that tell frame `number` from all others.
inline Bytes FrameBytes(uint64_t number, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>((number * 31 + i * (number + 7)) >> (i % 5));
  }
  std::memcpy(bytes.data(), &number, std::min(size, sizeof number));
  return bytes;
}

/// A socket test's context and temporary directory, which outlive its sockets.
class SocketTest : public ::testing::Test {
 protected:
  std::unique_ptr<PullSocket> BindOrFail(const PullOptions& options) {
    auto pull = PullSocket::Bind(*context_, options, &stats_);
    EXPECT_TRUE(pull.ok()) << pull.error().message;
    return pull.ok() ? pull.Take() : nullptr;
  }
  std::unique_ptr<PullSocket> BindOrFail(const std::string& endpoint = kAnyPort) {
    PullOptions options;
    options.endpoint = endpoint;
    return BindOrFail(options);
  }

  /// Binds where another socket has just closed, which ZeroMQ does at its leisure.
  std::unique_ptr<PullSocket> BindAgain(const std::string& endpoint) {
    std::unique_ptr<PullSocket> pull;
    PullOptions options;
    options.endpoint = endpoint;
    WaitUntil([&] {
      auto bound = PullSocket::Bind(*context_, options, &stats_);
      pull = bound.ok() ? bound.Take() : nullptr;
      return pull != nullptr;
    });
    EXPECT_NE(pull, nullptr);
    return pull;
  }

  std::unique_ptr<PushSocket> ConnectOrFail(const PushOptions& options) {
    auto push = PushSocket::Connect(*context_, options);
    EXPECT_TRUE(push.ok()) << push.error().message;
    return push.ok() ? push.Take() : nullptr;
  }
  std::unique_ptr<PushSocket> ConnectOrFail(const std::string& endpoint) {
    PushOptions options;
    options.endpoint = endpoint;
    return ConnectOrFail(options);
  }

  /// An endpoint on which nobody receives, unless the test binds it.
  std::string LonelyEndpoint() const { return "ipc://" + directory_.File("socket"); }

  Frame MakeFrame(const Bytes& bytes, uint32_t packets = 1) {
    Frame frame = pool_.Allocate(bytes.size());
    std::memcpy(frame.data(), bytes.data(), bytes.size());
    frame.set_packet_count(packets);
    return frame;
  }
  SendOutcome Send(PushSocket* push, const Bytes& bytes, uint32_t packets = 1) {
    return push->Send(MakeFrame(bytes, packets));
  }

  /// The next frame that arrives; reports a failure when none does.
  static std::optional<Frame> ReceiveFrame(PullSocket* pull) {
    Frame frame;
    const bool arrived =
        WaitUntil([&] { return pull->Receive(&frame) || pull->Wait({}, 10 * kNanosPerMilli); },
                  kGenerously, std::chrono::milliseconds(0));
    EXPECT_TRUE(arrived) << "no frame came";
    return arrived ? std::optional(std::move(frame)) : std::nullopt;
  }
  static Bytes ReceiveBytes(PullSocket* pull) {
    const auto frame = ReceiveFrame(pull);
    return frame ? Bytes(frame->data(), frame->data() + frame->size()) : Bytes();
  }

  static uint64_t BufferedFrames(const PushSocket& push) {
    return push.accepted().frames - push.released().frames;
  }

  TempDir directory_;
  ReceiverStats stats_;
  FramePool pool_{4096};
  std::unique_ptr<ZmqContext> context_ = std::make_unique<ZmqContext>(1);
};

}  // namespace pcap_zmq::testing
