// SPDX-License-Identifier: MIT
#include "tests/integration/wire_peer.h"

#include <zlib.h>
#include <zmq.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/byte_io.h"
#include "tests/support/wait.h"

namespace pcap_zmq::testing {
namespace {

constexpr size_t kHeaderBytes = 48;

std::string Address(uint16_t port) {
  return "tcp://127.0.0.1:" + std::to_string(port);
}

void SetInt(void* socket, int option, int value) {
  ::zmq_setsockopt(socket, option, &value, sizeof value);
}

}  // namespace

Bytes MakeFrame(const HeaderFields& fields, std::span<const uint8_t> payload) {
  Bytes frame(kHeaderBytes);
  uint8_t* header = frame.data();
  StoreLe<uint32_t>(header, fields.magic);
  header[4] = fields.version;
  header[5] = fields.codec;
  StoreLe<uint16_t>(header + 6, fields.flags);
  StoreLe<uint32_t>(header + 8, fields.link_type);
  StoreLe<uint32_t>(header + 12, fields.packet_count);
  StoreLe<uint64_t>(header + 16, fields.stream_id);
  StoreLe<uint64_t>(header + 24, fields.sequence);
  StoreLe<uint64_t>(header + 32, fields.first_ordinal);
  StoreLe<uint32_t>(header + 40, fields.raw_length);
  StoreLe<uint32_t>(header + 44, fields.reserved);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

HeaderFields ReadHeader(std::span<const uint8_t> frame) {
  if (frame.size() < kHeaderBytes) {
    return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  }
  const uint8_t* header = frame.data();
  return {LoadLe<uint32_t>(header),
          header[4],
          header[5],
          LoadLe<uint16_t>(header + 6),
          LoadLe<uint32_t>(header + 8),
          LoadLe<uint32_t>(header + 12),
          LoadLe<uint64_t>(header + 16),
          LoadLe<uint64_t>(header + 24),
          LoadLe<uint64_t>(header + 32),
          LoadLe<uint32_t>(header + 40),
          LoadLe<uint32_t>(header + 44)};
}

Bytes ZlibPack(std::span<const uint8_t> bytes) {
  uLongf size = ::compressBound(bytes.size());
  Bytes packed(size);
  if (::compress(packed.data(), &size, bytes.data(), bytes.size()) != Z_OK) {
    std::abort();
  }
  packed.resize(size);
  return packed;
}

Bytes ZlibBomb(size_t size) {
  z_stream stream{};
  if (::deflateInit(&stream, Z_BEST_COMPRESSION) != Z_OK) {
    std::abort();
  }
  Bytes zeros(size_t{1} << 20);
  Bytes packed(size / 500 + 65536);
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  for (size_t done = 0; done < size; done += zeros.size()) {
    stream.next_in = zeros.data();
    stream.avail_in = static_cast<uInt>(std::min(zeros.size(), size - done));
    ::deflate(&stream, done + zeros.size() >= size ? Z_FINISH : Z_NO_FLUSH);
  }
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  return packed;
}

WirePush::WirePush(uint16_t port)
    : context_(::zmq_ctx_new()), socket_(::zmq_socket(context_, ZMQ_PUSH)) {
  SetInt(socket_, ZMQ_LINGER, 0);
  SetInt(socket_, ZMQ_SNDTIMEO, static_cast<int>(kGenerously.count()));
  ::zmq_connect(socket_, Address(port).c_str());
}

WirePush::~WirePush() {
  ::zmq_close(socket_);
  ::zmq_ctx_term(context_);
}

bool WirePush::Send(std::span<const uint8_t> message) {
  return ::zmq_send(socket_, message.data(), message.size(), 0) == static_cast<int>(message.size());
}

WirePull::WirePull(uint16_t port)
    : context_(::zmq_ctx_new()), socket_(::zmq_socket(context_, ZMQ_PULL)) {
  SetInt(socket_, ZMQ_LINGER, 0);
  SetInt(socket_, ZMQ_RCVTIMEO, 50);
  ::zmq_bind(socket_, Address(port).c_str());
  thread_ = std::thread([this] { Run(); });
}

void WirePull::Run() {
  const SystemClock clock;
  while (!stop_) {
    zmq_msg_t message;
    ::zmq_msg_init(&message);
    if (::zmq_msg_recv(&message, socket_, 0) >= 0) {
      const auto* data = static_cast<const uint8_t*>(::zmq_msg_data(&message));
      frames_.push_back({clock.WallNow(), Bytes(data, data + ::zmq_msg_size(&message))});
      packets_ += ReadHeader(frames_.back().bytes).packet_count;
      ++arrived_;
    }
    ::zmq_msg_close(&message);
  }
  ::zmq_close(socket_);
}

void WirePull::Stop() {
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
    ::zmq_ctx_term(context_);
  }
}

}  // namespace pcap_zmq::testing
