// SPDX-License-Identifier: MIT
#include "transport/curve_library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <zmq.h>

#include <string>

namespace pcap_zmq::testing {
namespace {

// A library that is loaded beside the real libzmq, for as long as a test runs.
class LoadedLibrary {
 public:
  explicit LoadedLibrary(const char* path) : handle_(::dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(handle_, nullptr) << ::dlerror();
  }
  ~LoadedLibrary() {
    if (handle_ != nullptr) {
      ::dlclose(handle_);
    }
  }
  LoadedLibrary(const LoadedLibrary&) = delete;
  LoadedLibrary& operator=(const LoadedLibrary&) = delete;

  const void* Function(const char* name) const {
    return handle_ == nullptr ? nullptr : ::dlsym(handle_, name);
  }

 private:
  void* handle_;
};

int OwnFunction() {
  return 0;
}

TEST(CurveLibrary, OfADistributionsLibzmqIsLibsodium) {
  ASSERT_EQ(zmq_has("curve"), 1);
  const CurveLibraryUse use = FindCurveLibrary();
  EXPECT_EQ(use.library, CurveLibrary::kLibsodium);
  EXPECT_NE(use.zmq_path.find("/libzmq.so"), std::string::npos) << use.zmq_path;
}

TEST(CurveLibrary, OfALibzmqWithoutLibsodiumIsTweetnaclThoughAnotherLibraryHasLibsodium) {
  ASSERT_NE(::dlsym(RTLD_DEFAULT, "sodium_memzero"), nullptr)
      << "the real libzmq brings libsodium into this process";
  const LoadedLibrary stub(PCAP_ZMQ_WITHOUT_SODIUM);
  const CurveLibraryUse use = FindCurveLibrary(stub.Function("zmq_curve_keypair"));
  EXPECT_EQ(use.library, CurveLibrary::kTweetnacl);
  EXPECT_EQ(use.zmq_path, PCAP_ZMQ_WITHOUT_SODIUM);
}

TEST(CurveLibrary, OfALibzmqThatHoldsLibsodiumItselfIsLibsodium) {
  const LoadedLibrary stub(PCAP_ZMQ_HOLDING_SODIUM);
  const CurveLibraryUse use = FindCurveLibrary(stub.Function("zmq_curve_keypair"));
  EXPECT_EQ(use.library, CurveLibrary::kLibsodium);
  EXPECT_EQ(use.zmq_path, PCAP_ZMQ_HOLDING_SODIUM);
}

TEST(CurveLibrary, OfALibzmqThatIsPartOfTheProgramOrNotThereIsUnknown) {
  const CurveLibraryUse own = FindCurveLibrary(reinterpret_cast<const void*>(&OwnFunction));
  EXPECT_EQ(own.library, CurveLibrary::kUnknown);
  EXPECT_EQ(own.zmq_path, "");
  EXPECT_EQ(FindCurveLibrary(nullptr).library, CurveLibrary::kUnknown);
}

}  // namespace
}  // namespace pcap_zmq::testing
