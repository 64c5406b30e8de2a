// SPDX-License-Identifier: MIT
//
// CURVE keys and the files they are kept in: one key a file, as Z85 text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pcap_zmq {

/// Characters of a key in Z85.
inline constexpr size_t kCurveKeyLength = 40;

/// One end's long-term keys, in Z85.
struct CurveKeyPair {
  std::string public_key;
  std::string secret_key;
};

/// What a sender needs to speak to a receiver: its own keys, and the only receiver it trusts.
struct CurveClientKeys {
  CurveKeyPair own;
  std::string server_public_key;
};

/// Whether `text` spells 32 bytes in Z85.
/// Source:  ZeroMQ RFC 32.
bool IsCurveKey(std::string_view text);

/// A new pair, from the system's random numbers.
/// Errors:  kRuntime when this ZeroMQ was built without CURVE.
Result<CurveKeyPair> MakeCurveKeys();

/// Reads a secret key and derives the public one.
/// Errors:  kConfig when the file cannot be read, holds no key, or can be read by anybody but its
///          owner; kRuntime when it could not be read for the moment, as without descriptors, and
///          when this ZeroMQ was built without CURVE.
Result<CurveKeyPair> ReadSecretKey(const std::string& path);

/// Reads a public key.
/// Errors:  kConfig when the file cannot be read or holds no key; kRuntime when it could not be
///          read for the moment, as without descriptors or from a failing disk.
Result<std::string> ReadPublicKey(const std::string& path);

/// Writes DIR/NAME.key, with mode 0600, and DIR/NAME.pub; makes DIR if it is missing.
/// Errors:  kConfig when one of them is there already (neither is touched then) or cannot be
///          written, in which case neither is left behind.
Status WriteNewKeys(const std::string& directory, const std::string& name,
                    const CurveKeyPair& keys);

}  // namespace pcap_zmq
