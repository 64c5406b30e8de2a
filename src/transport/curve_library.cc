// SPDX-License-Identifier: MIT
#include "transport/curve_library.h"

#include <dlfcn.h>

#include <memory>

namespace pcap_zmq {
namespace {

struct LibraryCloser {
  void operator()(void* library) const { ::dlclose(library); }
};
using LibraryHandle = std::unique_ptr<void, LibraryCloser>;

}  // namespace

CurveLibraryUse FindCurveLibrary() {
  // The program is left out: one that is not position-independent calls libzmq through entries of
  // its own, and those are what taking a function's address would give.
  return FindCurveLibrary(::dlsym(RTLD_NEXT, "zmq_curve_keypair"));
}

CurveLibraryUse FindCurveLibrary(const void* function) {
  Dl_info holder{};
  if (function == nullptr || ::dladdr(function, &holder) == 0 || holder.dli_fname == nullptr) {
    return {};
  }
  // Finds what is loaded and never loads; fails for the program itself.
  const LibraryHandle zmq(::dlopen(holder.dli_fname, RTLD_LAZY | RTLD_NOLOAD));
  if (zmq == nullptr) {
    return {};
  }
  // Looks in the library and in all that it depends on.  The name has to be one that tweetnacl
  // lacks: libzmq's copy has crypto_box(), randombytes() and sodium_init(), too.
  const bool has_sodium = ::dlsym(zmq.get(), "sodium_memzero") != nullptr;
  return {has_sodium ? CurveLibrary::kLibsodium : CurveLibrary::kTweetnacl, holder.dli_fname};
}

}  // namespace pcap_zmq
