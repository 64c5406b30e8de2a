// SPDX-License-Identifier: MIT
#include "transport/connection_guard.h"

#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/event_fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "transport/curve_keys.h"
#include "transport/farewell.h"
#include "transport/peer_address.h"
#include "transport/socket_options.h"

namespace pcap_zmq {
namespace {

constexpr char kZapAddress[] = "inproc://zeromq.zap.01";
// Parts of a question, after the envelope that the REP socket takes off.
enum ZapPart : size_t {
  kVersion,
  kRequestId,
  kDomain,
  kAddress,
  kIdentity,
  kMechanism,
  kKey,
  kParts
};

// ZeroMQ's own answers to "no" are 300, on which it leaves the connection open until its handshake
// times out, 10 s later, and 400, on which the sender's ZeroMQ gives up for good, so that a key
// added later would not help.  On an answer that it does not understand it closes the connection
// at once, and the sender tries again (all three seen with 4.3.4).
constexpr std::string_view kRefused = "000";
constexpr std::string_view kWelcome = "200";

constexpr long kRefreshMillis = 500;
constexpr long kIdleMillis = 60'000;

constexpr std::string_view kNobody = "a peer that has left";

// Log lines about refused peers: a few at once, then one in ten seconds.
constexpr int kLogBurst = 5;
constexpr Nanoseconds kLogInterval = 10 * kNanosPerSecond;

// How long ZeroMQ may take to report a connection that it has accepted.
constexpr long kLastLookMillis = 10;
// A connection on which nothing has come for so long is between two frames, and all that was sent
// over it is here.  Who never pauses is not waited for beyond kLongestTalk.
constexpr std::chrono::microseconds kQuietTime{200};
constexpr Nanoseconds kLongestTalk = 200 * kNanosPerMilli;
// Between two looks at peers that were asked to leave.
constexpr long kPartingMillis = 5;
// The receiver's thread looks more often than that unless it waits, for memory or an output.
constexpr Nanoseconds kTakenLately = 100 * kNanosPerMilli;

void Raise(const UniqueFd& event) {
  const uint64_t one = 1;
  // It can only be full of earlier calls, which raise it as well.
  [[maybe_unused]] const ssize_t written = ::write(event.get(), &one, sizeof one);
}

// All parts of the message that is there.
std::vector<std::string> ReceiveParts(void* socket) {
  std::vector<std::string> parts;
  int more = 1;
  while (more != 0) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
      zmq_msg_close(&part);
      return {};
    }
    parts.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
    more = zmq_msg_more(&part);
    zmq_msg_close(&part);
  }
  return parts;
}

std::string_view Explain(ConnectionRefusal refusal) {
  switch (refusal) {
    case ConnectionRefusal::kUnknownKey:
      return "its key is not among the authorized ones";
    case ConnectionRefusal::kMechanism:
      return "one side encrypts and the other does not";
    case ConnectionRefusal::kProtocol:
      return "it does not speak the protocol, or expects another receiver's key";
    case ConnectionRefusal::kLimit:
      return "as many are connected as may be; see --max-connections";
    case ConnectionRefusal::kIncomplete:
    case ConnectionRefusal::kCount:
      break;
  }
  return "it left, or said nothing, before the handshake was over";
}

}  // namespace

Result<std::unique_ptr<ConnectionGuard>> ConnectionGuard::Prepare(const ZmqContext& context,
                                                                  AuthorizedKeys* keys,
                                                                  size_t max_connections,
                                                                  ConnectionStats* stats) {
  auto guard = std::unique_ptr<ConnectionGuard>(new ConnectionGuard(keys, max_connections, stats));
  for (UniqueFd* const event : {&guard->stop_, &guard->leave_, &guard->all_left_event_}) {
    Result<UniqueFd> made = MakeEventFd();
    if (!made.ok()) {
      return made.error();
    }
    *event = made.Take();
  }
  if (keys != nullptr) {
    guard->questions_.reset(zmq_socket(context.handle(), ZMQ_REP));
    if (guard->questions_ == nullptr || zmq_bind(guard->questions_.get(), kZapAddress) != 0) {
      return RuntimeError("cannot authenticate senders: " + LastZmqError());
    }
    SetOption(guard->questions_.get(), ZMQ_LINGER, 0);
  }
  return guard;
}

ConnectionGuard::ConnectionGuard(AuthorizedKeys* keys, size_t max_connections,
                                 ConnectionStats* stats)
    : keys_(keys),
      stats_(stats),
      max_connections_(max_connections),
      log_limits_(kReasonCount<ConnectionRefusal>, RateLimit(kLogBurst, kLogInterval)) {}

ConnectionGuard::~ConnectionGuard() {
  if (thread_.joinable()) {
    Raise(stop_);
    thread_.join();
  }
}

void ConnectionGuard::AskAllToLeave() {
  Raise(leave_);
}

Status ConnectionGuard::Start(SocketMonitor* monitor) {
  monitor_ = monitor;
  Result<std::thread> thread = StartThread("door", [this] { Run(); });
  if (!thread.ok()) {
    return thread.error();
  }
  thread_ = thread.Take();
  return {};
}

void ConnectionGuard::Run() {
  std::array<zmq_pollitem_t, 4> items{};
  items[0] = {nullptr, stop_.get(), ZMQ_POLLIN, 0};
  items[1] = {nullptr, leave_.get(), ZMQ_POLLIN, 0};
  int count = 2;
  for (void* const socket : {monitor_->handle(), questions_.get()}) {
    if (socket != nullptr) {
      items[static_cast<size_t>(count++)] = {socket, 0, ZMQ_POLLIN, 0};
    }
  }
  const SystemClock clock;
  const long patience = keys_ != nullptr ? kRefreshMillis : kIdleMillis;
  long wait = patience;
  Nanoseconds refresh_at = 0;
  while (true) {
    // An error is an interruption, or memory that has run out for the moment.
    zmq_poll(items.data(), count, wait);
    if ((items[0].revents & ZMQ_POLLIN) != 0) {
      return;
    }
    while (const std::optional<ConnectionEvent> event = monitor_->Next()) {
      TakeIn(*event);
    }
    if ((items[1].revents & ZMQ_POLLIN) != 0) {
      items[1].events = 0;  // once is enough
      AskToLeave();
    }
    wait = asked_to_leave_ ? std::min(patience, LookWhoIsLeft()) : patience;
    if (const Nanoseconds now = clock.MonotonicNow(); keys_ != nullptr && now >= refresh_at) {
      [[maybe_unused]] const Status refreshed = keys_->Refresh();  // logs its failures
      stats_->authorized_keys.Set(static_cast<int64_t>(keys_->names()->size()));
      refresh_at = now + kRefreshMillis * kNanosPerMilli;
    }
    AnswerAll();
  }
}

void ConnectionGuard::AnswerAll() {
  while (questions_ != nullptr) {
    const std::vector<std::string> request = ReceiveParts(questions_.get());
    if (request.empty()) {
      return;
    }
    Answer(request);
  }
}

void ConnectionGuard::Answer(const std::vector<std::string>& request) {
  std::string key(kCurveKeyLength + 1, '\0');
  std::string name;
  if (request.size() == kParts && request[kMechanism] == "CURVE" && request[kKey].size() == 32 &&
      zmq_z85_encode(key.data(), reinterpret_cast<const uint8_t*>(request[kKey].data()), 32) !=
          nullptr) {
    key.pop_back();
    const std::shared_ptr<const AuthorizedKeys::Names> names = keys_->names();
    if (const auto found = names->find(key); found != names->end()) {
      name = found->second;
    }
  }
  if (name.empty()) {
    Refuse(ConnectionRefusal::kUnknownKey,
           request.size() == kParts ? std::string_view(request[kAddress]) : kNobody);
    key.clear();
  }
  // The receiver finds the key as the "User-Id" of each message of this connection.
  const std::array<std::string_view, 6> answer = {
      "1.0",
      request.size() > kRequestId ? std::string_view(request[kRequestId]) : std::string_view(),
      name.empty() ? kRefused : kWelcome,
      "",
      key,
      ""};
  for (size_t i = 0; i < answer.size(); ++i) {
    zmq_send(questions_.get(), answer[i].data(), answer[i].size(),
             i + 1 < answer.size() ? ZMQ_SNDMORE : 0);
  }
}

// An event of a failed handshake does not say whose it was; the next disconnection does, as
// ZeroMQ's one thread reports both in a row.
void ConnectionGuard::TakeIn(const ConnectionEvent& event) {
  switch (event.number) {
    case ZMQ_EVENT_LISTENING:
      listener_ = event.value;
      break;
    case ZMQ_EVENT_ACCEPTED:
      Accept(event.value);
      stats_->connected_peers.Set(static_cast<int64_t>(inside_));
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      in_trouble_ = ConnectionRefusal::kIncomplete;
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      if (event.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        in_trouble_ = ConnectionRefusal::kMechanism;
      } else if (event.value != ZMQ_PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE) {  // our own refusal
        in_trouble_ = ConnectionRefusal::kProtocol;
      }
      break;
    case ZMQ_EVENT_DISCONNECTED:
      Forget(event.value);
      stats_->connected_peers.Set(static_cast<int64_t>(inside_));
      break;
    default:
      break;
  }
}

void ConnectionGuard::Accept(int fd) {
  Forget(fd);  // should its end have gone unreported
  Peer peer{PeerAddress(fd), inside_ >= max_connections_, std::nullopt};
  const std::string group = AddressGroup(peer.address);
  if (!peer.cut_off && ++inside_from_[group] > max_connections_ - max_connections_ / 8) {
    --inside_from_[group];
    peer.cut_off = true;
  }
  if (peer.cut_off) {
    ::shutdown(fd, SHUT_RDWR);
    Refuse(ConnectionRefusal::kLimit, peer.address);
  } else {
    ++inside_;
    if (asked_to_leave_) {
      peer.farewell.emplace(fd, peer.address);
    }
  }
  peers_[fd] = std::move(peer);
}

void ConnectionGuard::Forget(int fd) {
  const auto peer = peers_.find(fd);
  if (peer == peers_.end()) {
    return;
  }
  if (!peer->second.cut_off) {
    --inside_;
    if (const auto from = inside_from_.find(AddressGroup(peer->second.address));
        --from->second == 0) {
      inside_from_.erase(from);
    }
    stats_->disconnects.Add();
    if (in_trouble_) {
      Refuse(*in_trouble_, peer->second.address);
    }
  }
  in_trouble_.reset();
  peers_.erase(peer);
}

// Senders come back as soon as they are out, so the door is shut first.  Who is in it by then is
// asked to leave like all others.
void ConnectionGuard::AskToLeave() {
  asked_to_leave_ = true;
  ShutListener(listener_);
  const SystemClock clock;
  const Nanoseconds end = clock.MonotonicNow() + kLongestTalk;
  QuietWatch quiet;
  bool is_waiting = true;
  while (is_waiting) {
    is_waiting = false;
    const bool is_late = clock.MonotonicNow() >= end;
    for (auto& [fd, peer] : peers_) {
      if (peer.cut_off || peer.farewell) {
        continue;
      }
      if (is_late || quiet.IsQuiet(fd)) {
        peer.farewell.emplace(fd, peer.address);
      } else {
        is_waiting = true;
      }
    }
    std::this_thread::sleep_for(kQuietTime);
  }
}

long ConnectionGuard::LookWhoIsLeft() {
  const Nanoseconds now = SystemClock().MonotonicNow();
  const bool all_taken = now - all_taken_at_.load(std::memory_order_relaxed) < kTakenLately;
  for (auto& [fd, peer] : peers_) {
    if (peer.farewell) {
      peer.farewell->Look(now, all_taken);
    }
  }
  if (!peers_.empty() || all_left_) {
    looked_before_ = false;
    return peers_.empty() ? kIdleMillis : kPartingMillis;
  }
  if (!looked_before_ || HasWaitingConnection(listener_)) {
    looked_before_ = true;
    return kLastLookMillis;
  }
  all_left_.store(true, std::memory_order_release);
  Raise(all_left_event_);
  return kIdleMillis;
}

void ConnectionGuard::Refuse(ConnectionRefusal refusal, std::string_view address) {
  stats_->refused.Add(refusal);
  uint64_t unsaid = 0;
  if (log_limits_[static_cast<size_t>(refusal)].Take(SystemClock().MonotonicNow(), &unsaid)) {
    Log(LogLevel::kWarning,
        "turned away " + std::string(address.empty() ? kNobody : address) + ": " +
            std::string(Explain(refusal)) +
            (unsaid > 0 ? " (and " + std::to_string(unsaid) + " others since the last line)" : ""));
  }
}

}  // namespace pcap_zmq
