// SPDX-License-Identifier: MIT
//
// Sends UDP packets of one size at a steady rate to a port of the loopback address.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "tests/bench/bench_support.h"
#include "tests/bench/load_mark.h"

namespace pcap_zmq::bench {
namespace {

constexpr size_t kHeaders = 28;  // IPv4 and UDP
constexpr size_t kBurst = 64;
// Up to this rate each packet is sent at its own time; above, those of a step go together.
constexpr uint64_t kSingleRate = 2'000;
constexpr uint64_t kStep = 200'000;
constexpr uint64_t kSecond = 1'000'000'000;

std::vector<uint8_t> MakeFilling(bool compressible, size_t size) {
  std::vector<uint8_t> filling(size);
  const std::string text =
      "GET /index.html HTTP/1.1\r\nHost: www.example.net\r\nAccept: text/html\r\n";
  uint64_t state = 1;
  for (size_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    filling[i] = compressible ? static_cast<uint8_t>(text[i % text.size()])
                              : static_cast<uint8_t>(state >> 56);
  }
  return filling;
}

// A burst's packets in memory of their own, so that one call sends them.
class Burst {
 public:
  Burst(size_t payload_bytes, bool compressible) {
    const std::vector<uint8_t> filling = MakeFilling(compressible, payload_bytes + kBurst);
    for (size_t i = 0; i < kBurst; ++i) {
      payloads_[i].assign(filling.begin() + static_cast<long>(i),
                          filling.begin() + static_cast<long>(i + payload_bytes));
      StoreLe<uint64_t>(payloads_[i].data(), kLoadMagic);
      vectors_[i] = {payloads_[i].data(), payload_bytes};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  // Sends `count` packets; returns how many went.
  size_t Send(int fd, size_t count, uint64_t index) {
    const uint64_t now = MonotonicNow();
    for (size_t i = 0; i < count; ++i) {
      StoreLe<uint64_t>(payloads_[i].data() + 8, now);
      StoreLe<uint64_t>(payloads_[i].data() + 16, index + i);
    }
    const int sent = ::sendmmsg(fd, messages_.data(), static_cast<unsigned>(count), 0);
    if (sent < 0 && errno != EINTR && errno != EAGAIN && errno != ENOBUFS) {
      Fail("cannot send");
    }
    return static_cast<size_t>(std::max(sent, 0));
  }

 private:
  std::array<std::vector<uint8_t>, kBurst> payloads_;
  std::array<iovec, kBurst> vectors_{};
  std::array<mmsghdr, kBurst> messages_{};
};

int Connect(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int large = 8 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Fail("cannot make a socket");
  }
  return fd;
}

void SleepUntil(uint64_t when) {
  const timespec time{static_cast<time_t>(when / kSecond), static_cast<long>(when % kSecond)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

int Run(const Arguments& arguments) {
  const auto port = static_cast<uint16_t>(arguments.Number("port", 1, 65'535));
  const size_t size = arguments.Number("size", kHeaders + kLoadMarkBytes, 65'500);
  const uint64_t rate = arguments.Number("rate", 0, 100'000'000);
  const uint64_t length = arguments.Number("seconds", 1, 3'600) * kSecond;
  HandleSignals();
  const int fd = Connect(port);
  Burst burst(size - kHeaders, arguments.Has("compressible"));

  const uint64_t start = MonotonicNow();
  uint64_t now = start;
  uint64_t sent = 0;
  uint64_t step_end = start;
  while (stop_requested == 0 && now - start < length) {
    uint64_t due = kBurst;
    if (rate > 0) {
      due = (rate <= kSingleRate ? sent + 1 : (step_end - start) * rate / kSecond) - sent;
    }
    while (due > 0 && stop_requested == 0) {
      const size_t went = burst.Send(fd, std::min<uint64_t>(due, kBurst), sent);
      sent += went;
      due -= went;
    }
    if (rate > 0) {
      step_end = rate <= kSingleRate ? start + sent * kSecond / rate : step_end + kStep;
      SleepUntil(step_end);
    }
    now = MonotonicNow();
  }
  std::printf("{\"sent\": %llu, \"seconds\": %.3f, \"cpu_seconds\": %.3f}\n",
              static_cast<unsigned long long>(sent),
              static_cast<double>(MonotonicNow() - start) / 1e9, CpuSeconds());
  return 0;
}

}  // namespace
}  // namespace pcap_zmq::bench

int main(int argc, char** argv) {
  return pcap_zmq::bench::Run(pcap_zmq::bench::Parse(
      argc, argv,
      "bench_load --port P --size BYTES --rate PPS --seconds S [--compressible] (rate 0: flat out)",
      0, {"port", "size", "rate", "seconds"}, {"compressible"}));
}
