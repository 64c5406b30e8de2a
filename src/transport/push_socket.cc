// SPDX-License-Identifier: MIT
#include "transport/push_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "base/log.h"
#include "transport/endpoint_resolution.h"
#include "transport/socket_options.h"

namespace pcap_zmq {
namespace {

// ZeroMQ tries again at once or not at all, so after a second it is not going to.
constexpr Nanoseconds kUntilReopened = kNanosPerSecond;
// For the frames that a probe took between its handshake and our learning of it.
constexpr Nanoseconds kProbeLinger = kNanosPerSecond;
// More frames than this on their way mean that they wait.
constexpr uint64_t kBacklogFrames = 64;
// Less than this is not worth a copy.
constexpr size_t kWorthACopy = 256;

// A pooled frame keeps memory for the largest one; a backlog of small ones would take many times
// what is in it.
bool IsWasteful(const Frame& frame) {
  return frame.capacity() > 2 * (frame.size() + kWorthACopy);
}

Frame ShrinkToFit(Frame frame) {
  Frame small = HeapFrame(frame.size());
  std::memcpy(small.data(), frame.data(), frame.size());
  small.set_packet_count(frame.packet_count());
  return small;
}

}  // namespace

// What ZeroMQ has let go of; lives until both the socket and the last frame are gone.
struct PushSocket::Account {
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> memory{0};  // that the frames took
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
  ResolvedEndpoint resolved;
  // Where names are followed, that is done by others, who can wait for the name service.
  if (!options.may_be_unknown || !HasHostName(options.endpoint)) {
    auto answer = ResolveEndpoint(options.endpoint);
    if (!answer.ok()) {
      return answer.error();
    }
    resolved = answer.value();
  }
  if (resolved.unresolved_yet) {
    Log(LogLevel::kWarning, "the name service does not answer for " + options.endpoint +
                                " yet; connecting as soon as it does");
  }
  auto push = std::unique_ptr<PushSocket>(new PushSocket(context, options, resolved.ipv6_only));
  if (Status opened = push->Open(/*probe=*/false); !opened.ok()) {
    return opened.error();
  }
  return push;
}

PushSocket::PushSocket(const ZmqContext& context, const PushOptions& options, bool ipv6_only)
    : context_(context),
      options_(options),
      ipv6_only_(ipv6_only),
      silence_watch_(options.endpoint),
      in_flight_pool_(sizeof(InFlight)),
      account_(std::make_shared<Account>()) {}

Status PushSocket::Open(bool probe) {
  socket_.reset(zmq_socket(context_.handle(), ZMQ_PUSH));
  if (socket_ == nullptr) {
    return RuntimeError("cannot make a ZeroMQ socket: " + LastZmqError());
  }
  SetSenderOptions(socket_.get());
  SetOption(socket_.get(), ZMQ_SNDHWM, options_.buffer_frames);
  SetOption(socket_.get(), ZMQ_IPV6, ipv6_only_ ? 1 : 0);
  SetOption(socket_.get(), ZMQ_IMMEDIATE, probe ? 1 : 0);
  if (options_.keys) {
    SetKey(socket_.get(), ZMQ_CURVE_SERVERKEY, options_.keys->server_public_key);
    SetKey(socket_.get(), ZMQ_CURVE_PUBLICKEY, options_.keys->own.public_key);
    SetKey(socket_.get(), ZMQ_CURVE_SECRETKEY, options_.keys->own.secret_key);
  }
  monitor_.emplace(context_, socket_.get());
  if (zmq_connect(socket_.get(), options_.endpoint.c_str()) != 0) {
    return ConfigError("cannot connect to endpoint '" + options_.endpoint + "': " + LastZmqError() +
                       "; write it like tcp://ids.host:1234");
  }
  return {};
}

PushSocket::~PushSocket() = default;

SendOutcome PushSocket::Send(Frame frame) {
  const uint64_t buffered = accepted_memory_ - account_->memory.load(std::memory_order_relaxed);
  if (IsWasteful(frame) && (waiting_frames() > kBacklogFrames ||
                            buffered + frame.capacity() > options_.buffer_bytes / 4)) {
    frame = ShrinkToFit(std::move(frame));
  }
  const uint64_t size = frame.size();
  const uint64_t capacity = frame.capacity();
  const uint32_t packets = frame.packet_count();
  // A frame above the whole budget still passes when nothing else waits.
  if (buffered != 0 && buffered + capacity > options_.buffer_bytes) {
    return SendOutcome::kFullBytes;
  }
  if (socket_ == nullptr) {
    return SendOutcome::kFull;
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
  accepted_memory_ += capacity;
  return SendOutcome::kAccepted;
}

// Runs in whatever thread lets go of the message last.  Who sees a frame in the account sees its
// packets and bytes there too, and finds its memory back in the pools.
void PushSocket::OnReleased(void* /*data*/, void* hint) {
  auto* in_flight = static_cast<InFlight*>(hint);
  const std::shared_ptr<Account> account = std::move(in_flight->account);
  const uint64_t packets = in_flight->frame.packet_count();
  const uint64_t bytes = in_flight->frame.size();
  const uint64_t capacity = in_flight->frame.capacity();
  const auto release_memory = in_flight->release_memory;
  void* const memory = in_flight->memory;
  in_flight->~InFlight();
  release_memory(memory);
  if (account != nullptr) {
    account->packets.fetch_add(packets, std::memory_order_relaxed);
    account->bytes.fetch_add(bytes, std::memory_order_relaxed);
    account->memory.fetch_add(capacity, std::memory_order_relaxed);
    account->frames.fetch_add(1, std::memory_order_release);
  }
}

PushSocket::Tally PushSocket::released() const {
  return {account_->frames.load(std::memory_order_acquire),
          account_->packets.load(std::memory_order_relaxed),
          account_->bytes.load(std::memory_order_relaxed)};
}

double PushSocket::fill() const {
  const Tally gone = released();
  const auto frames = static_cast<double>(accepted_.frames - gone.frames);
  const auto memory =
      static_cast<double>(accepted_memory_ - account_->memory.load(std::memory_order_relaxed));
  return std::max(frames / options_.buffer_frames,
                  memory / static_cast<double>(options_.buffer_bytes));
}

bool PushSocket::Delivered() {
  if (released().frames != accepted_.frames) {
    return false;
  }
  TakeInEvents();
  for (const int fd : connections_) {
    // The descriptor is ZeroMQ's and may just have been closed or reused: then the answer is about
    // nothing, and waiting a little longer or shorter is all that it can cause.
    int unacknowledged = 0;
    if (ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0) {
      return false;
    }
  }
  return true;
}

void PushSocket::PollConnections(Nanoseconds now) {
  TakeInEvents();
  silence_watch_.Look(connections_, now);
  if (!given_up_) {
    given_up_since_ = 0;
  } else if (given_up_since_ == 0) {
    given_up_since_ = now;
  }
  if (socket_ == nullptr || (given_up_ && now - given_up_since_ >= kUntilReopened)) {
    Reopen(/*probe=*/true);
  } else if (probing_ && ready_) {
    Reopen(/*probe=*/false);
  }
}

void PushSocket::TakeInEvents() {
  while (const std::optional<ConnectionEvent> event =
             monitor_ ? monitor_->Next() : std::optional<ConnectionEvent>()) {
    TakeIn(*event);
  }
}

void PushSocket::TakeIn(const ConnectionEvent& event) {
  switch (event.number) {
    case ZMQ_EVENT_CONNECTED:
      connections_.insert(event.value);
      given_up_ = false;
      break;
    case ZMQ_EVENT_CONNECT_DELAYED:
    case ZMQ_EVENT_CONNECT_RETRIED:
      given_up_ = false;
      break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      ready_ = true;
      told_failure_.clear();
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      NoteHandshakeFailure(event);
      break;
    case ZMQ_EVENT_DISCONNECTED:
      connections_.erase(event.value);
      ready_ = false;
      given_up_ = true;
      break;
    default:
      break;
  }
}

void PushSocket::NoteHandshakeFailure(const ConnectionEvent& event) {
  ++handshake_failures_;
  const bool encrypts = options_.keys.has_value();
  std::string reason = encrypts ? "the receiver does not know this sender's key, or --server-key "
                                  "is not the receiver's key"
                                : "the peer closed the connection";
  if (event.number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
    const bool mismatch = event.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH;
    reason = !mismatch  ? "the peer does not speak ZeroMQ's protocol"
             : encrypts ? "the receiver does not encrypt; give it --curve-key and "
                          "--authorized-keys"
                        : "the receiver wants encryption; use --curve-key and --server-key";
  }
  uint64_t unsaid = 0;
  if (reason != told_failure_ && log_limit_.Take(SystemClock().MonotonicNow(), &unsaid)) {
    Log(LogLevel::kWarning, "no handshake with " + options_.endpoint + ": " + reason);
    told_failure_ = std::move(reason);
  }
}

void PushSocket::Reopen(bool probe) {
  if (socket_ != nullptr) {
    Close(probe ? 0 : kProbeLinger);
  }
  connections_.clear();
  ready_ = false;
  given_up_ = false;
  probing_ = probe;
  if (!Open(probe).ok()) {
    // Out of sockets; the next poll tries again.
    monitor_.reset();
    socket_.reset();
  }
}

void PushSocket::Close(Nanoseconds linger) {
  if (socket_ == nullptr) {
    return;
  }
  SetOption(socket_.get(), ZMQ_LINGER, static_cast<int>(linger / kNanosPerMilli));
  monitor_.reset();
  socket_.reset();
}

}  // namespace pcap_zmq
