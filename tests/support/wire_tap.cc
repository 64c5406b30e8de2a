// SPDX-License-Identifier: MIT
#include "tests/support/wire_tap.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd Listen(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 16) != 0) {
    socket.Reset();
  }
  return socket;
}

// What one side said and the other has not taken yet.
struct Direction {
  std::vector<uint8_t> buffer = std::vector<uint8_t>(kBufferBytes);
  size_t begin = 0;
  size_t end = 0;
  bool empty() const { return begin == end; }
};

}  // namespace

struct WireTap::Link {
  UniqueFd client;
  UniqueFd target;
  Direction up;    // client to target
  Direction down;  // target to client
};

Result<std::unique_ptr<WireTap>> WireTap::Start(uint16_t listen_port, uint16_t target_port) {
  UniqueFd listener = Listen(listen_port);
  if (!listener.valid()) {
    return RuntimeError("cannot listen on port " + std::to_string(listen_port) + ": " +
                        std::generic_category().message(errno));
  }
  return std::unique_ptr<WireTap>(new WireTap(listen_port, target_port, std::move(listener)));
}

WireTap::WireTap(uint16_t listen_port, uint16_t target_port, UniqueFd listener)
    : listen_port_(listen_port),
      target_port_(target_port),
      listener_(std::move(listener)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Run(); });
}

WireTap::~WireTap() {
  stop_ = true;
  SetWanted(false);
  thread_.join();
}

void WireTap::SetWanted(bool wanted) {
  wanted_ = wanted;
  const uint64_t one = 1;
  static_cast<void>(::write(wake_.get(), &one, sizeof one));
}

void WireTap::Accept() {
  UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  UniqueFd target(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(target_port_);
  // Nobody behind the tap: the client sees its connection closed.
  if (!client.valid() ||
      ::connect(target.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return;
  }
  const int on = 1;
  ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(target.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Link& link = links_.emplace_back();
  link.client = std::move(client);
  link.target = std::move(target);
}

void WireTap::Count(size_t bytes) {
  const auto slot = static_cast<size_t>((std::chrono::steady_clock::now() - start_) / kSlot);
  const std::lock_guard lock(mutex_);
  slots_.resize(std::max(slots_.size(), slot + 1));
  slots_[slot] += bytes;
}

// Moves what can be moved without blocking; false when either side has closed or failed.
bool WireTap::Forward(Link* link, bool upstream) {
  Direction& direction = upstream ? link->up : link->down;
  const int from = upstream ? link->client.get() : link->target.get();
  const int to = upstream ? link->target.get() : link->client.get();
  if (direction.empty()) {
    const ssize_t got =
        ::recv(from, direction.buffer.data(), direction.buffer.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      return false;
    }
    direction.begin = 0;
    direction.end = got > 0 ? static_cast<size_t>(got) : 0;
  }
  if (!direction.empty()) {
    const ssize_t put = ::send(to, direction.buffer.data() + direction.begin,
                               direction.end - direction.begin, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    }
    if (put > 0) {
      direction.begin += static_cast<size_t>(put);
      if (upstream) {
        Count(static_cast<size_t>(put));
      }
    }
  }
  return true;
}

void WireTap::Run() {
  while (!stop_) {
    std::vector<pollfd> waiting = {pollfd{wake_.get(), POLLIN, 0},
                                   pollfd{listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      const bool up_waits = !link.up.empty();
      const bool down_waits = !link.down.empty();
      waiting.push_back({link.client.get(),
                         static_cast<int16_t>((up_waits ? 0 : POLLIN) | (down_waits ? POLLOUT : 0)),
                         0});
      waiting.push_back({link.target.get(),
                         static_cast<int16_t>((down_waits ? 0 : POLLIN) | (up_waits ? POLLOUT : 0)),
                         0});
    }
    ::poll(waiting.data(), waiting.size(), -1);
    size_t at = 2;
    for (auto link = links_.begin(); link != links_.end(); at += 2) {
      const bool active = waiting[at].revents != 0 || waiting[at + 1].revents != 0;
      const bool alive = !active || (Forward(&*link, true) && Forward(&*link, false));
      link = alive ? std::next(link) : links_.erase(link);
    }
    if (waiting[1].revents != 0) {
      Accept();
    }
    if (waiting[0].revents != 0) {
      uint64_t ignored = 0;
      static_cast<void>(::read(wake_.get(), &ignored, sizeof ignored));
    }
    if (!wanted_) {
      links_.clear();
      listener_.Reset();
    } else if (!listener_.valid()) {
      WaitUntil([this] { return (listener_ = Listen(listen_port_)).valid() || stop_; });
    }
  }
}

std::vector<uint64_t> WireTap::Slots() const {
  const auto current = static_cast<size_t>((std::chrono::steady_clock::now() - start_) / kSlot);
  const std::lock_guard lock(mutex_);
  std::vector<uint64_t> slots = slots_;
  slots.resize(current);
  return slots;
}

uint64_t WireTap::bytes() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(slots_.begin(), slots_.end(), uint64_t{0});
}

}  // namespace pcap_zmq::testing
