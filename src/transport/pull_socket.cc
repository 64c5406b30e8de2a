// SPDX-License-Identifier: MIT
#include "transport/pull_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <new>
#include <utility>

#include "transport/endpoint_resolution.h"
#include "transport/peer_address.h"
#include "transport/socket_options.h"

namespace pcap_zmq {
namespace {

constexpr char kZapDomain[] = "pcap-zmq";
// ZeroMQ reads this much at once and leaves messages where they were read, if they fit, in a piece
// of memory which one of them may keep (libzmq's decoder_allocators.cpp).
constexpr size_t kZmqBatch = 8192;
constexpr size_t kZmqBatchMemory = size_t{18} * 1024;
// How long one large message lets all be taken for as large, at least.
constexpr Nanoseconds kWeighingPeriod = 10 * kNanosPerSecond;

// ZeroMQ asks about a key only when a connection is made.  The descriptor is ZeroMQ's, and another
// connection may have it by now; but only one from the same address is cut, and a sender that is
// welcome connects again.
void CutConnection(zmq_msg_t* message) {
  const int fd = zmq_msg_get(message, ZMQ_SRCFD);
  const char* const address = zmq_msg_gets(message, "Peer-Address");
  const std::string now = fd >= 0 ? PeerAddress(fd) : std::string();
  if (!now.empty() && (now == kLocalPeer || (address != nullptr && now == address))) {
    ::shutdown(fd, SHUT_RDWR);
  }
}

// libzmq 4.3.4 gives up a connection whose other end has closed while its messages find no place,
// and loses what the kernel still holds.  Over TCP only a receiver that leaves is told of that end
// in such a moment (Farewell); over ipc: it always is, so there is a place for all that is read at
// once.
int BufferFrames(const PullOptions& options) {
  constexpr int kAllOfABatch = 256;
  return options.endpoint.starts_with("ipc:") ? std::max(options.buffer_frames, kAllOfABatch)
                                              : options.buffer_frames;
}

std::string BindAdvice(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; another program listens there: end it or choose another port";
    case ENODEV:
    case EADDRNOTAVAIL:
      return "; the address is not this host's: write tcp://0.0.0.0:1234 to listen on all";
    case EACCES:
      return "; ports below 1024 and others' directories need more privileges";
    default:
      return "; write it like tcp://0.0.0.0:1234 or ipc:///run/pipe.sock";
  }
}

}  // namespace

// A received message in memory of the pool, until the last of its packets is out.
struct PullSocket::Held {
  zmq_msg_t message;
  Frame::ReleaseFn release_memory;
  void* memory;
};

Result<std::unique_ptr<PullSocket>> PullSocket::Bind(const ZmqContext& context,
                                                     const PullOptions& options,
                                                     ReceiverStats* stats) {
  ZmqSocketHandle socket(zmq_socket(context.handle(), ZMQ_PULL));
  if (socket == nullptr) {
    return RuntimeError("cannot make a ZeroMQ socket: " + LastZmqError());
  }
  SetCommonOptions(socket.get());
  SetOption(socket.get(), ZMQ_RCVHWM, BufferFrames(options));
  SetOption(socket.get(), ZMQ_IPV6, IsIpv6Literal(options.endpoint) ? 1 : 0);
  const auto max_message = static_cast<int64_t>(options.max_message);
  zmq_setsockopt(socket.get(), ZMQ_MAXMSGSIZE, &max_message, sizeof max_message);
  if (options.keys) {
    SetOption(socket.get(), ZMQ_CURVE_SERVER, 1);
    SetKey(socket.get(), ZMQ_CURVE_SECRETKEY, options.keys->secret_key);
    zmq_setsockopt(socket.get(), ZMQ_ZAP_DOMAIN, kZapDomain, sizeof kZapDomain - 1);
  }
  auto guard = ConnectionGuard::Prepare(context, options.keys ? options.authorized : nullptr,
                                        options.max_connections, &stats->connections);
  if (!guard.ok()) {
    return guard.error();
  }
  auto pull =
      std::unique_ptr<PullSocket>(new PullSocket(context, std::move(socket), options, stats));
  pull->guard_ = guard.Take();
  if (zmq_bind(pull->socket_.get(), options.endpoint.c_str()) != 0) {
    const int error = zmq_errno();
    return ConfigError("cannot bind endpoint '" + options.endpoint + "': " + zmq_strerror(error) +
                       BindAdvice(error));
  }
  std::array<char, 512> bound{};
  size_t length = bound.size();
  zmq_getsockopt(pull->socket_.get(), ZMQ_LAST_ENDPOINT, bound.data(), &length);
  pull->bound_endpoint_ = bound.data();
  return pull;
}

PullSocket::PullSocket(const ZmqContext& context, ZmqSocketHandle socket,
                       const PullOptions& options, ReceiverStats* stats)
    : socket_(std::move(socket)),
      monitor_(context, socket_.get()),
      stats_(stats),
      authorized_(options.keys ? options.authorized : nullptr),
      make_room_(options.make_room),
      // Those that wait to be received, and one that waits for a place among them.
      messages_in_zmq_(static_cast<uint64_t>(BufferFrames(options)) + 1),
      inbox_(&stats->memory),
      held_pool_(sizeof(Held)) {
  size_t length = sizeof event_fd_;
  zmq_getsockopt(socket_.get(), ZMQ_FD, &event_fd_, &length);
}

bool PullSocket::Receive(Frame* frame) {
  if (inbox_.empty()) {
    return ReceiveFromZmq(frame);
  }
  std::string key;
  inbox_.Pop(frame, &key);
  if (authorized_ != nullptr && !IsWelcome(key.c_str())) {
    stats_->rejected_frames.Add(RejectReason::kRevoked);
    *frame = Frame();
  }
  return true;
}

int PullSocket::TakeIn() {
  Frame frame;
  while (HasRoom() || (make_room_ && make_room_())) {
    if (!ReceiveFromZmq(&frame)) {
      return event_fd_;
    }
    if (frame.data() != nullptr) {  // not a refused one
      inbox_.Push(std::move(frame), {key_, key_name_});
    }
  }
  return -1;
}

bool PullSocket::HasRoom() {
  Weigh();
  return stats_->memory.HasRoom(MemoryBudget::Holder::kInbox);
}

void PullSocket::WeighTransport(Nanoseconds now) {
  // A period without messages tells nothing of those that wait.
  if (now >= period_ends_ && largest_message_ > 0) {
    largest_before_ = std::exchange(largest_message_, 0);
    period_ends_ = now + kWeighingPeriod;
  }
  Weigh();
}

void PullSocket::Weigh() {
  const auto connections = static_cast<uint64_t>(stats_->connections.connected_peers.Value());
  stats_->memory.Set(MemoryBudget::Holder::kTransport,
                     connections * messages_in_zmq_ * std::max(largest_before_, largest_message_));
}

void PullSocket::Unbind() {
  zmq_unbind(socket_.get(), bound_endpoint_.c_str());
}

bool PullSocket::ReceiveFromZmq(Frame* frame) {
  zmq_msg_t message;
  zmq_msg_init(&message);
  int size = -1;
  do {
    size = zmq_msg_recv(&message, socket_.get(), ZMQ_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    zmq_msg_close(&message);
    if (are_leaving_) {
      guard_->NoteAllTaken(SystemClock().MonotonicNow());
    }
    return false;
  }
  if (authorized_ != nullptr && !IsWelcome(zmq_msg_gets(&message, "User-Id"))) {
    stats_->rejected_frames.Add(RejectReason::kRevoked);
    CutConnection(&message);
    zmq_msg_close(&message);
    *frame = Frame();
    return true;
  }
  Frame memory = held_pool_.Allocate(sizeof(Held));
  void* const place = memory.data();
  const auto [release_memory, owner] = memory.Release();
  auto* held = new (place) Held{{}, release_memory, owner};
  zmq_msg_init(&held->message);
  zmq_msg_move(&held->message, &message);
  zmq_msg_close(&message);
  const auto bytes = static_cast<size_t>(size);
  largest_message_ = std::max(largest_message_, bytes);
  *frame = Frame(static_cast<uint8_t*>(zmq_msg_data(&held->message)), bytes, &ReleaseHeld, held,
                 bytes <= kZmqBatch ? std::max(bytes, kZmqBatchMemory) : bytes);
  return true;
}

bool PullSocket::IsWelcome(const char* key) {
  const bool same_names = names_ != nullptr && names_version_ == authorized_->version();
  if (key == nullptr || (same_names && key_ == key)) {
    return key != nullptr && !key_name_.empty();
  }
  if (!same_names) {
    names_version_ = authorized_->version();
    names_ = authorized_->names();
  }
  key_ = key;
  const auto found = names_->find(key_);
  key_name_ = found != names_->end() ? std::string_view(found->second) : std::string_view();
  return !key_name_.empty();
}

void PullSocket::ReleaseHeld(void* owner) {
  auto* held = static_cast<Held*>(owner);
  zmq_msg_close(&held->message);
  const auto release_memory = held->release_memory;
  release_memory(held->memory);
}

// zmq_poll() would look at the socket before and after its wait, which Receive() does already.
bool PullSocket::Wait(std::span<const int> fds, Nanoseconds timeout) {
  std::array<pollfd, 8> watched{};
  watched[0] = {.fd = event_fd_, .events = POLLIN, .revents = 0};
  nfds_t count = 1;
  for (const int fd : fds) {
    if (fd >= 0 && count < watched.size()) {
      // POLLIN on the stop event; a FIFO's write end reports its lost reader as an error.
      watched[count++] = {.fd = fd, .events = POLLIN, .revents = 0};
    }
  }
  const Nanoseconds patience = std::max<Nanoseconds>(timeout, 0);
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(patience / kNanosPerSecond);
  limit.tv_nsec = static_cast<decltype(limit.tv_nsec)>(patience % kNanosPerSecond);
  if (::ppoll(watched.data(), count, &limit, nullptr) <= 0) {
    return false;
  }
  return std::any_of(watched.begin() + 1, watched.begin() + count,
                     [](const pollfd& one) { return one.revents != 0; });
}

}  // namespace pcap_zmq
