// SPDX-License-Identifier: MIT
//
// The bare path, first half: NFLOG packets behind record headers into one ZeroMQ message a kernel
// batch.  No rate control, no checks, no account: what any sender has to do.
#include <libnetfilter_log/libnetfilter_log.h>
#include <sys/time.h>
#include <zmq.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "base/byte_io.h"
#include "tests/bench/bench_support.h"
#include "tests/bench/nflog_loop.h"

namespace pcap_zmq::bench {
namespace {

constexpr size_t kMessageRoom = size_t{512} * 1024;
constexpr int kLinger = 1'000;

class BareSender final : public NflogLoop {
 public:
  BareSender(uint16_t group, uint32_t threshold, void* socket)
      : NflogLoop(group, threshold), socket_(socket), message_(kMessageRoom) {}

  uint64_t refused() const { return refused_; }

 protected:
  void OnPacket(nflog_data* data) override {
    char* payload = nullptr;
    const int size = nflog_get_payload(data, &payload);
    if (size <= 0 || filled_ + 16 + static_cast<size_t>(size) > message_.size()) {
      return;
    }
    timeval time{};
    nflog_get_timestamp(data, &time);
    uint8_t* const record = message_.data() + filled_;
    StoreLe<uint32_t>(record, static_cast<uint32_t>(time.tv_sec));
    StoreLe<uint32_t>(record + 4, static_cast<uint32_t>(time.tv_usec) * 1'000);
    StoreLe<uint32_t>(record + 8, static_cast<uint32_t>(size));
    StoreLe<uint32_t>(record + 12, static_cast<uint32_t>(size));
    std::memcpy(record + 16, payload, static_cast<size_t>(size));
    filled_ += 16 + static_cast<size_t>(size);
  }

  void OnBatchEnd() override {
    if (filled_ > 0 && zmq_send(socket_, message_.data(), filled_, ZMQ_DONTWAIT) < 0) {
      ++refused_;
    }
    filled_ = 0;
  }

 private:
  void* socket_;
  std::vector<uint8_t> message_;
  size_t filled_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace
}  // namespace pcap_zmq::bench

int main(int argc, char** argv) {
  using namespace pcap_zmq::bench;
  const Arguments arguments = Parse(argc, argv, "bench_bare_send ENDPOINT --group G --threshold N",
                                    1, {"group", "threshold"});
  HandleSignals();
  void* const context = zmq_ctx_new();
  void* const socket = zmq_socket(context, ZMQ_PUSH);
  zmq_setsockopt(socket, ZMQ_LINGER, &kLinger, sizeof kLinger);
  if (zmq_connect(socket, arguments.positional[0].c_str()) != 0) {
    Fail("cannot connect to " + arguments.positional[0]);
  }
  {
    BareSender sender(static_cast<uint16_t>(arguments.Number("group", 0, 65'535)),
                      static_cast<uint32_t>(arguments.Number("threshold", 1, 65'535)), socket);
    sender.Run();
    std::printf("{\"packets\": %llu, \"lost\": %llu, \"refused\": %llu}\n",
                static_cast<unsigned long long>(sender.packets()),
                static_cast<unsigned long long>(sender.lost()),
                static_cast<unsigned long long>(sender.refused()));
  }
  zmq_close(socket);
  zmq_ctx_term(context);
  return 0;
}
