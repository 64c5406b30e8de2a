// SPDX-License-Identifier: MIT
//
// Every way in which a packet or a frame can be lost, with the label under which it is counted.
// The enums are closed: a loss that fits none of these is a bug.  src/README.md explains each.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace pcap_zmq {

/// Why the sender did not send a packet that it had captured.
enum class DropReason {
  kShed,          ///< above the high watermark
  kZmqHwm,        ///< ZeroMQ's buffer was full in frames (--zmq-buffer)
  kZmqBytes,      ///< ZeroMQ's buffer was full in bytes (--zmq-buffer-bytes)
  kLinkType,      ///< not IP, so nothing that the pipe carries
  kNoPayload,     ///< the kernel logged the packet without its bytes (nft `snaplen 0`)
  kOversized,     ///< larger than any reader accepts (kMaxCapturedLength)
  kEndpointGone,  ///< not taken within --drain-timeout by an endpoint that has left its name
  kShutdown,      ///< still in ZeroMQ's buffer when --drain-timeout ran out
  kCount
};

/// Why a sink did not deliver a packet that the receiver had accepted.
enum class SinkDropReason {
  kQueueFull,   ///< the sink is slower than the traffic and may not hold the others up
  kWriteError,  ///< the disk is full or failing
  kLinkType,    ///< the packet does not fit the capture's link type
  kShutdown,    ///< not taken by a reader before --drain-timeout ran out
  kCount
};

/// Why the receiver refused a frame.
enum class RejectReason {
  kTooShort,     ///< shorter than its header
  kMagic,        ///< neither ours nor the 2012 sender's
  kVersion,      ///< a version of the format that this receiver does not know
  kHeader,       ///< header fields that contradict one another or exceed the limits
  kCodec,        ///< a codec that this receiver does not know
  kInflate,      ///< the payload does not decompress
  kRawLength,    ///< the payload is not as long as the header says
  kRecordChain,  ///< a record that does not fit its frame; the records before it are delivered
  kLegacy,       ///< a damaged message of the 2012 sender; the records before it are delivered
  kControl,      ///< a control frame that is not valid JSON of the known shape
  kDuplicate,    ///< packets that this receiver has accepted before
  kRevoked,      ///< of a connection whose key is not authorized any more
  kForeign,      ///< of a stream that belongs to another sender's key
  kCount
};

/// Why a connection to the receiver came to nothing.
enum class ConnectionRefusal {
  kUnknownKey,  ///< its key is not among the authorized ones
  kMechanism,   ///< one side encrypts and the other does not
  kProtocol,    ///< not ZeroMQ's protocol, or encrypted for another receiver
  kIncomplete,  ///< it left, or said nothing, before the handshake was over
  kLimit,       ///< as many were connected as may be (--max-connections)
  kCount
};

template <typename Reason>
inline constexpr size_t kReasonCount = static_cast<size_t>(Reason::kCount);

inline constexpr std::array<std::string_view, kReasonCount<DropReason>> kDropReasonNames = {
    "shed",       "zmq_hwm",   "zmq_bytes",     "linktype",
    "no_payload", "oversized", "endpoint_gone", "shutdown"};
inline constexpr std::array<std::string_view, kReasonCount<SinkDropReason>> kSinkDropReasonNames = {
    "queue_full", "write_error", "linktype", "shutdown"};
inline constexpr std::array<std::string_view, kReasonCount<RejectReason>> kRejectReasonNames = {
    "too_short",    "magic",  "version", "header",    "codec",   "inflate", "raw_length",
    "record_chain", "legacy", "control", "duplicate", "revoked", "foreign"};
inline constexpr std::array<std::string_view, kReasonCount<ConnectionRefusal>>
    kConnectionRefusalNames = {"unknown_key", "mechanism", "protocol", "incomplete", "limit"};

constexpr std::string_view Label(DropReason reason) {
  return kDropReasonNames[static_cast<size_t>(reason)];
}
constexpr std::string_view Label(SinkDropReason reason) {
  return kSinkDropReasonNames[static_cast<size_t>(reason)];
}
constexpr std::string_view Label(ConnectionRefusal reason) {
  return kConnectionRefusalNames[static_cast<size_t>(reason)];
}
constexpr std::string_view Label(RejectReason reason) {
  return kRejectReasonNames[static_cast<size_t>(reason)];
}

}  // namespace pcap_zmq
