// SPDX-License-Identifier: MIT
//
// Which library computes CURVE for libzmq: it is chosen when libzmq is built, and zmq_has() tells
// only that there is one.
#pragma once

#include <string>

namespace pcap_zmq {

enum class CurveLibrary {
  kLibsodium,
  kTweetnacl,  ///< compiled into libzmq; about a tenth as fast
  kUnknown,    ///< libzmq is not a shared library, so nothing can be seen of what it uses
};

/// A libzmq, and the library that computes CURVE for it.
struct CurveLibraryUse {
  CurveLibrary library = CurveLibrary::kUnknown;
  std::string zmq_path;  ///< file of the shared library; empty where there is none
};

/// The libzmq that this process calls.
/// Threads: any, also in the sandbox.
CurveLibraryUse FindCurveLibrary();

/// Likewise, for the libzmq that holds `function`, which may be null.  Libsodium counts when that
/// library or one that it depends on has it, not when only something else in the process does.
CurveLibraryUse FindCurveLibrary(const void* function);

}  // namespace pcap_zmq
