// SPDX-License-Identifier: MIT
//
// Packets from a capture file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/packet.h"
#include "base/result.h"
#include "base/stats.h"
#include "base/stop_event.h"
#include "source/pcap_source.h"

namespace pcap_zmq {

class CaptureStream;

struct CaptureFileOptions {
  std::string path = {};      ///< pcap or pcapng, a regular file or a pipe; "-" is stdin
  std::string filter = {};    ///< BPF expression; empty takes everything
  uint32_t snaplen = 65'535;  ///< bytes of each IP packet
  double replay_speed = 0;    ///< multiple of the recorded speed; 0 is as fast as it goes
};

/// A capture file, read with the timestamps that it holds.
///
/// A file that is cut or damaged in the middle delivers the packets before that, logs what is wrong
/// and ends.
/// Threads: one pump; Progress() from any.
class FileSource final : public PcapSource {
 public:
  /// Opens the file and adds it as "file:PATH" to `stats->sources`.  Waits for a pipe's writer to
  /// begin, or for the stop event.
  /// Owns:    borrows `stats`, `clock` and `stop` for the source's life.
  /// Errors:  kConfig, with libpcap's reason.
  static Result<std::unique_ptr<FileSource>> OpenFile(const CaptureFileOptions& options,
                                                      PumpStats* stats, const Clock* clock,
                                                      const StopEvent* stop);
  ~FileSource() override;

  ReadStatus Read(PacketBatch* batch, Nanoseconds timeout) override;
  void StopIntake() override { ended_ = true; }

  /// How much of the file has been read, 0 to 1; NaN for a pipe.
  double Progress() const;

 private:
  struct Input;

  FileSource(Input input, LinkType link_type, Filter filter, const CaptureFileOptions& options,
             PumpStats* stats, const Clock* clock, const StopEvent* stop);
  static Result<Input> OpenInput(const std::string& path, const StopEvent* stop);
  bool Next();
  bool Matches() const;
  Nanoseconds UntilDue();
  Nanoseconds Fill(PacketBatch* batch);
  void Wait(Nanoseconds timeout) const;

  const std::string label_;
  const double replay_speed_;
  const Clock* clock_;
  const StopEvent* stop_;
  std::unique_ptr<CaptureStream> stream_;  // of a pipe; nullptr for a regular file
  Filter filter_;                          // nullptr takes everything

  // The packet that libpcap read last, while it is not yet due.
  pcap_pkthdr* header_ = nullptr;
  const uint8_t* frame_ = nullptr;
  bool held_ = false;
  bool started_ = false;
  Nanoseconds first_timestamp_ = 0;
  Nanoseconds started_at_ = 0;
  bool ended_ = false;
  uint64_t file_bytes_ = 0;  // 0 for a pipe
  std::atomic<uint64_t> read_bytes_{0};
};

}  // namespace pcap_zmq
