// SPDX-License-Identifier: MIT
//
// The names by which a libzmq is recognised, and those of the crypto library that is compiled into
// it.  Loaded by tests, and into the programs with LD_PRELOAD, where everything else is the real
// libzmq's.
#include <dlfcn.h>

#include <cstddef>

extern "C" {

// The programs that it is loaded into never call it.
int zmq_curve_keypair(char* /*public_key*/, char* /*secret_key*/) {
  return -1;
}

#ifdef PCAP_ZMQ_STUB_HOLDS_SODIUM
void sodium_memzero(void* /*memory*/, size_t /*size*/) {}
#else
// Libzmq's copy of tweetnacl has it, so that the name proves nothing.  With LD_PRELOAD it stands
// before libsodium's, which the real libzmq needs.
int sodium_init() {
  const auto real = reinterpret_cast<int (*)()>(::dlsym(RTLD_NEXT, "sodium_init"));
  return real == nullptr ? -1 : real();
}
#endif

}  // extern "C"
