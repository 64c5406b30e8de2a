// SPDX-License-Identifier: MIT
#include "transport/push_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <utility>

#include "base/log.h"
#include "transport/endpoint_resolution.h"
#include "transport/socket_options.h"

namespace pcap_zmq {

// What ZeroMQ has let go of; lives until both the socket and the last frame are gone.
struct PushSocket::Account {
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> bytes{0};
};

// Rides along with a frame through ZeroMQ.
struct PushSocket::InFlight {
  Frame frame;
  std::shared_ptr<Account> account;  // empty for a frame that was refused
  Frame::ReleaseFn release_memory;
  void* memory;
};

Result<std::unique_ptr<PushSocket>> PushSocket::Connect(const ZmqContext& context,
                                                        const PushOptions& options) {
  auto resolved = ResolveEndpoint(options.endpoint);
  if (!resolved.ok()) {
    return resolved.error();
  }
  if (resolved.value().unresolved_yet) {
    Log(LogLevel::kWarning, "the name service does not answer for " + options.endpoint +
                                " yet; connecting as soon as it does");
  }
  ZmqSocketHandle socket(zmq_socket(context.handle(), ZMQ_PUSH));
  if (socket == nullptr) {
    return RuntimeError("cannot make a ZeroMQ socket: " + LastZmqError());
  }
  SetCommonOptions(socket.get());
  SetOption(socket.get(), ZMQ_SNDHWM, options.buffer_frames);
  SetOption(socket.get(), ZMQ_IPV6, resolved.value().ipv6_only ? 1 : 0);
  auto push = std::unique_ptr<PushSocket>(new PushSocket(context, std::move(socket), options));
  if (zmq_connect(push->socket_.get(), options.endpoint.c_str()) != 0) {
    return ConfigError("cannot connect to endpoint '" + options.endpoint + "': " + LastZmqError() +
                       "; write it like tcp://ids.host:1234");
  }
  return push;
}

PushSocket::PushSocket(const ZmqContext& context, ZmqSocketHandle socket,
                       const PushOptions& options)
    : options_(options),
      socket_(std::move(socket)),
      monitor_(context, socket_.get()),
      in_flight_pool_(sizeof(InFlight)),
      account_(std::make_shared<Account>()) {}

PushSocket::~PushSocket() = default;

SendOutcome PushSocket::Send(Frame frame) {
  const uint64_t size = frame.size();
  const uint32_t packets = frame.packet_count();
  const uint64_t buffered = accepted_.bytes - account_->bytes.load(std::memory_order_relaxed);
  // A frame above the whole budget still passes when nothing else waits.
  if (buffered != 0 && buffered + size > options_.buffer_bytes) {
    return SendOutcome::kFullBytes;
  }
  Frame memory = in_flight_pool_.Allocate(sizeof(InFlight));
  void* const place = memory.data();
  const auto [release_memory, owner] = memory.Release();
  auto* in_flight = new (place) InFlight{std::move(frame), account_, release_memory, owner};

  zmq_msg_t message;
  if (zmq_msg_init_data(&message, in_flight->frame.data(), size, &OnReleased, in_flight) != 0) {
    in_flight->account.reset();
    OnReleased(nullptr, in_flight);
    return SendOutcome::kFull;
  }
  while (zmq_msg_send(&message, socket_.get(), ZMQ_DONTWAIT) < 0) {
    if (errno != EINTR) {
      in_flight->account.reset();
      zmq_msg_close(&message);  // runs OnReleased
      return SendOutcome::kFull;
    }
  }
  ++accepted_.frames;
  accepted_.packets += packets;
  accepted_.bytes += size;
  return SendOutcome::kAccepted;
}

// Runs in whatever thread lets go of the message last.
void PushSocket::OnReleased(void* /*data*/, void* hint) {
  auto* in_flight = static_cast<InFlight*>(hint);
  if (Account* account = in_flight->account.get(); account != nullptr) {
    account->frames.fetch_add(1, std::memory_order_relaxed);
    account->packets.fetch_add(in_flight->frame.packet_count(), std::memory_order_relaxed);
    account->bytes.fetch_add(in_flight->frame.size(), std::memory_order_relaxed);
  }
  const auto release_memory = in_flight->release_memory;
  void* const memory = in_flight->memory;
  in_flight->~InFlight();
  release_memory(memory);
}

PushSocket::Tally PushSocket::released() const {
  return {account_->frames.load(std::memory_order_relaxed),
          account_->packets.load(std::memory_order_relaxed),
          account_->bytes.load(std::memory_order_relaxed)};
}

double PushSocket::fill() const {
  const Tally gone = released();
  const auto frames = static_cast<double>(accepted_.frames - gone.frames);
  const auto bytes = static_cast<double>(accepted_.bytes - gone.bytes);
  return std::max(frames / options_.buffer_frames,
                  bytes / static_cast<double>(options_.buffer_bytes));
}

bool PushSocket::Delivered() {
  if (released().frames != accepted_.frames) {
    return false;
  }
  monitor_.Poll();
  for (const int fd : monitor_.connections()) {
    // The descriptor is ZeroMQ's and may just have been closed or reused: then the answer is about
    // nothing, and waiting a little longer or shorter is all that it can cause.
    int unacknowledged = 0;
    if (ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0) {
      return false;
    }
  }
  return true;
}

void PushSocket::Close(Nanoseconds linger) {
  SetOption(socket_.get(), ZMQ_LINGER, static_cast<int>(linger / kNanosPerMilli));
  monitor_.Close();
  socket_.reset();
}

}  // namespace pcap_zmq
