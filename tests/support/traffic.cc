// SPDX-License-Identifier: MIT
#include "tests/support/traffic.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "base/byte_io.h"

namespace pcap_zmq::testing {
namespace {

constexpr uint64_t kMagic = 0x6b72616d2d7a6370;
constexpr size_t kMarkBytes = 24;  // magic, flow, zero, index
// No test sends more; a damaged index could ask for any amount of memory.
constexpr uint64_t kMaxIndex = uint64_t{1} << 32;
constexpr size_t kIpv4Headers = 28;
constexpr size_t kIpv6Headers = 48;
constexpr uint16_t kFirstSourcePort = 20000;
// Larger than any compression window that a frame could exploit.
constexpr size_t kNoiseBytes = size_t{1} << 20;

uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::vector<uint8_t> MakeNoise() {
  std::vector<uint8_t> noise(kNoiseBytes);
  for (size_t i = 0; i < noise.size(); i += 8) {
    StoreLe<uint64_t>(noise.data() + i, Mix(i));
  }
  return noise;
}

std::vector<uint8_t> MakeText() {
  constexpr std::string_view kWords[] = {"GET /",   "index", ".html",    " HTTP/1.1\r\n", "Host: ",
                                         "example", ".net",  "Accept: ", "text/",         "plain;"};
  std::vector<uint8_t> text;
  text.reserve(kNoiseBytes + 16);
  for (uint64_t i = 0; text.size() < kNoiseBytes; ++i) {
    const std::string_view word = kWords[Mix(i) % std::size(kWords)];
    text.insert(text.end(), word.begin(), word.end());
  }
  return text;
}

// The filling of a packet: a stretch of a fixed table.
const uint8_t* Filling(bool compressible, const Mark& mark, size_t size) {
  static const std::vector<uint8_t> noise = MakeNoise();
  static const std::vector<uint8_t> text = MakeText();
  const std::vector<uint8_t>& table = compressible ? text : noise;
  return table.data() + Mix(mark.index * 64 + mark.flow) % (table.size() - size);
}

void WritePayload(const TrafficOptions& options, const Mark& mark, uint8_t* payload, size_t size) {
  StoreBe<uint64_t>(payload, kMagic);
  StoreBe<uint32_t>(payload + 8, mark.flow);
  StoreBe<uint32_t>(payload + 12, 0);
  StoreBe<uint64_t>(payload + 16, mark.index);
  std::memcpy(payload + kMarkBytes, Filling(options.compressible, mark, size - kMarkBytes),
              size - kMarkBytes);
}

size_t PayloadBytes(const TrafficOptions& options, uint32_t flow) {
  return options.packet_bytes - (flow < options.ipv4_flows ? kIpv4Headers : kIpv6Headers);
}

bool IsLoopbackV4Header(const uint8_t* ip) {
  return ip[0] == 0x45 && ip[9] == IPPROTO_UDP && LoadBe<uint32_t>(ip + 12) == INADDR_LOOPBACK &&
         LoadBe<uint32_t>(ip + 16) == INADDR_LOOPBACK;
}

bool IsLoopbackV6Header(const uint8_t* ip) {
  return (ip[0] >> 4) == 6 && ip[6] == IPPROTO_UDP &&
         std::memcmp(ip + 8, &in6addr_loopback, 16) == 0 &&
         std::memcmp(ip + 24, &in6addr_loopback, 16) == 0;
}

UniqueFd OpenFlow(const TrafficOptions& options, uint32_t flow) {
  const bool ipv4 = flow < options.ipv4_flows;
  UniqueFd socket(::socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto source_port = static_cast<uint16_t>(kFirstSourcePort + flow);
  sockaddr_in6 source{};
  sockaddr_in6 destination{};
  socklen_t length = sizeof(sockaddr_in6);
  if (ipv4) {
    length = sizeof(sockaddr_in);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(source_port);
    std::memcpy(&source, &address, sizeof address);
    address.sin_port = htons(options.port);
    std::memcpy(&destination, &address, sizeof address);
  } else {
    source.sin6_family = destination.sin6_family = AF_INET6;
    source.sin6_addr = destination.sin6_addr = in6addr_loopback;
    source.sin6_port = htons(source_port);
    destination.sin6_port = htons(options.port);
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&source), length) != 0 ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&destination), length) != 0) {
    socket.Reset();
  }
  return socket;
}

}  // namespace

std::optional<Mark> RecogniseMark(const TrafficOptions& options,
                                  std::span<const uint8_t> ip_packet) {
  if (ip_packet.size() != options.packet_bytes) {
    return std::nullopt;
  }
  const uint8_t* ip = ip_packet.data();
  size_t udp = 0;
  if (IsLoopbackV4Header(ip) && LoadBe<uint16_t>(ip + 2) == ip_packet.size()) {
    udp = 20;
  } else if (IsLoopbackV6Header(ip) && LoadBe<uint16_t>(ip + 4) + 40u == ip_packet.size()) {
    udp = 40;
  } else {
    return std::nullopt;
  }
  const uint8_t* payload = ip + udp + 8;
  const size_t payload_bytes = ip_packet.size() - udp - 8;
  const Mark mark{LoadBe<uint32_t>(payload + 8), LoadBe<uint64_t>(payload + 16)};
  const uint32_t first = udp == 20 ? 0 : options.ipv4_flows;
  const uint32_t end = first + (udp == 20 ? options.ipv4_flows : options.ipv6_flows);
  if (LoadBe<uint64_t>(payload) != kMagic || LoadBe<uint32_t>(payload + 12) != 0 ||
      mark.flow < first || mark.flow >= end || mark.index > kMaxIndex ||
      LoadBe<uint16_t>(ip + udp) != kFirstSourcePort + mark.flow ||
      LoadBe<uint16_t>(ip + udp + 2) != options.port ||
      LoadBe<uint16_t>(ip + udp + 4) != payload_bytes + 8) {
    return std::nullopt;
  }
  const uint8_t* expected = Filling(options.compressible, mark, payload_bytes - kMarkBytes);
  if (std::memcmp(payload + kMarkBytes, expected, payload_bytes - kMarkBytes) != 0) {
    return std::nullopt;
  }
  return mark;
}

TrafficGenerator::TrafficGenerator(const TrafficOptions& options)
    : options_(options),
      next_index_(options.ipv4_flows + options.ipv6_flows),
      payloads_(kBurst * options.packet_bytes) {}

Result<std::unique_ptr<TrafficGenerator>> TrafficGenerator::Open(const TrafficOptions& options) {
  if (options.packet_bytes < kIpv6Headers + kMarkBytes) {
    return ConfigError("packets of the test traffic are at least 72 bytes");
  }
  std::unique_ptr<TrafficGenerator> generator(new TrafficGenerator(options));
  for (uint32_t flow = 0; flow < options.ipv4_flows + options.ipv6_flows; ++flow) {
    generator->sockets_.push_back(OpenFlow(options, flow));
    if (!generator->sockets_.back().valid()) {
      return RuntimeError("cannot open a UDP socket on lo: " +
                          std::generic_category().message(errno));
    }
  }
  return generator;
}

void TrafficGenerator::SendBurst(uint32_t flow, size_t count) {
  const size_t size = PayloadBytes(options_, flow);
  std::array<iovec, kBurst> parts{};
  std::array<mmsghdr, kBurst> messages{};
  for (size_t i = 0; i < count; ++i) {
    uint8_t* payload = payloads_.data() + i * options_.packet_bytes;
    WritePayload(options_, {flow, next_index_[flow] + i}, payload, size);
    parts[i] = {payload, size};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  size_t done = 0;
  while (done < count) {
    const int accepted = ::sendmmsg(sockets_[flow].get(), messages.data() + done,
                                    static_cast<unsigned>(count - done), 0);
    if (accepted > 0) {
      done += static_cast<size_t>(accepted);
    }
  }
  next_index_[flow] += count;
  sent_.store(sent() + count, std::memory_order_relaxed);
}

void TrafficGenerator::Run(uint64_t count, uint64_t packets_per_second) {
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  const auto flows = static_cast<uint32_t>(next_index_.size());
  // Flows take turns in bursts that together make about a millisecond of traffic.
  const uint64_t turn = packets_per_second == 0
                            ? kBurst
                            : std::clamp<uint64_t>(packets_per_second / 1000 / flows, 1, kBurst);
  uint64_t done = 0;
  while (done < count && !stop_.load(std::memory_order_relaxed)) {
    if (packets_per_second != 0) {
      const auto due =
          start + std::chrono::nanoseconds(static_cast<int64_t>(
                      static_cast<double>(done) * 1e9 / static_cast<double>(packets_per_second)));
      std::this_thread::sleep_until(due);
    }
    const uint64_t burst = std::min(turn, count - done);
    SendBurst(next_flow_, burst);
    next_flow_ = (next_flow_ + 1) % flows;
    done += burst;
  }
}

void TrafficGenerator::Send(uint64_t count, uint64_t packets_per_second) {
  stop_ = false;
  Run(count, packets_per_second);
}

void TrafficGenerator::StartSending(uint64_t packets_per_second) {
  Stop();
  stop_ = false;
  thread_ = std::thread([this, packets_per_second] { Run(UINT64_MAX, packets_per_second); });
}

void TrafficGenerator::Stop() {
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

MarkChecker::MarkChecker(const TrafficOptions& options)
    : options_(options),
      seen_(options.ipv4_flows + options.ipv6_flows),
      last_(options.ipv4_flows + options.ipv6_flows) {}

void MarkChecker::Add(std::span<const uint8_t> ip_packet) {
  const std::optional<Mark> mark = RecogniseMark(options_, ip_packet);
  if (!mark.has_value()) {
    ++foreign_;
    return;
  }
  ++recognised_;
  std::vector<bool>& seen = seen_[mark->flow];
  if (seen.size() <= mark->index) {
    seen.resize(mark->index + 1);
  }
  if (seen[mark->index]) {
    ++duplicates_;
  }
  seen[mark->index] = true;
  std::optional<uint64_t>& last = last_[mark->flow];
  if (last.has_value() && mark->index < *last) {
    ++out_of_order_;
  }
  last = mark->index;
}

bool MarkChecker::Has(uint32_t flow, uint64_t index) const {
  return index < seen_[flow].size() && seen_[flow][index];
}

uint64_t MarkChecker::Missing(const std::vector<uint64_t>& sent_by_flow) const {
  uint64_t missing = 0;
  for (uint32_t flow = 0; flow < sent_by_flow.size(); ++flow) {
    for (uint64_t index = 0; index < sent_by_flow[flow]; ++index) {
      if (!Has(flow, index)) {
        ++missing;
      }
    }
  }
  return missing;
}

}  // namespace pcap_zmq::testing
