// SPDX-License-Identifier: MIT
//
// Both ends of the wire on this host.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/frame.h"
#include "base/unique_fd.h"
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

/// Connects, hears ZeroMQ's greeting and leaves.
inline void PassBy(const std::string& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const timeval patience{kGenerously.count() / 1000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  char greeting = 0;
  ASSERT_EQ(::recv(fd.get(), &greeting, 1, 0), 1);
}

/// A socket test's context and temporary directory, which outlive its sockets.
class SocketTest : public ::testing::Test {
 protected:
  std::unique_ptr<PullSocket> BindOrFail(const PullOptions& options) {
    auto pull = PullSocket::Bind(*context_, options, &stats_);
    EXPECT_TRUE(pull.ok()) << pull.error().message;
    return pull.ok() ? WithGuard(pull.Take()) : nullptr;
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
      pull = bound.ok() ? WithGuard(bound.Take()) : nullptr;
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

  static std::unique_ptr<PullSocket> WithGuard(std::unique_ptr<PullSocket> pull) {
    const Status guarded = pull->StartGuard();
    EXPECT_TRUE(guarded.ok()) << guarded.error().message;
    return pull;
  }

  TempDir directory_;
  ReceiverStats stats_;
  FramePool pool_{4096};
  std::unique_ptr<ZmqContext> context_ = std::make_unique<ZmqContext>(1);
};

}  // namespace pcap_zmq::testing
