// SPDX-License-Identifier: MIT
//
// The plainest good reader of an NFLOG group, as libnetfilter_log's own example has it, with the
// settings that a busy gateway needs.
#pragma once

#include <cstdint>

struct nflog_data;
struct nflog_g_handle;
struct nflog_handle;

namespace pcap_zmq::bench {

/// Reads one group until a signal asks it to stop.
class NflogLoop {
 public:
  /// Binds `group`; batches of `threshold` packets, at most 10 ms old.
  /// Errors:  ends the process.
  NflogLoop(uint16_t group, uint32_t threshold);
  virtual ~NflogLoop();
  NflogLoop(const NflogLoop&) = delete;
  NflogLoop& operator=(const NflogLoop&) = delete;

  void Run();

  uint64_t packets() const { return packets_; }
  /// Missed by their sequence numbers.
  uint64_t lost() const { return lost_; }

 protected:
  /// Of each packet; what `data` points to is valid until the call returns.
  virtual void OnPacket(nflog_data* data) { static_cast<void>(data); }
  /// After the packets of each kernel batch.
  virtual void OnBatchEnd() {}

 private:
  void Take(nflog_data* data);

  nflog_handle* handle_;
  nflog_g_handle* group_;
  uint64_t packets_ = 0;
  uint64_t lost_ = 0;
  uint32_t next_sequence_ = 0;
};

}  // namespace pcap_zmq::bench
