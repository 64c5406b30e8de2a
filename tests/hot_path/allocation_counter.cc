// SPDX-License-Identifier: MIT
#include "tests/hot_path/allocation_counter.h"

#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

// glibc's own, behind the functions that are replaced here for the whole process.
extern "C" {
void* __libc_malloc(size_t size);                      // NOLINT
void* __libc_calloc(size_t count, size_t size);        // NOLINT
void* __libc_realloc(void* memory, size_t size);       // NOLINT
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT
}

namespace pcap_zmq::testing {
namespace {

constexpr int kDepth = 12;

struct Counter {
  bool counting = false;
  bool looking = false;  // the look at the stack may allocate
  Allocations allocations;
  std::array<void*, kDepth> first{};
  int first_depth = 0;
};

thread_local Counter counter;  // NOLINT: trivially constructed, as what runs inside malloc must be

bool IsZeroMq(void* caller) {
  Dl_info info{};
  return dladdr(caller, &info) != 0 && info.dli_fname != nullptr &&
         std::strstr(info.dli_fname, "libzmq") != nullptr;
}

void Count(void* caller) {
  if (!counter.counting || counter.looking) {
    return;
  }
  counter.looking = true;
  if (IsZeroMq(caller)) {
    ++counter.allocations.zeromqs;
  } else if (counter.allocations.ours++ == 0) {
    counter.first_depth = ::backtrace(counter.first.data(), kDepth);
  }
  counter.looking = false;
}

}  // namespace

void StartCounting() {
  // Loads what backtrace() needs.
  std::array<void*, 2> ignored{};
  ::backtrace(ignored.data(), 2);
  counter = {};
  counter.counting = true;
}

Allocations StopCounting() {
  counter.counting = false;
  return counter.allocations;
}

std::string FirstAllocation() {
  char** names = ::backtrace_symbols(counter.first.data(), counter.first_depth);
  std::string text;
  for (int i = 2; names != nullptr && i < counter.first_depth; ++i) {
    text += std::string("\n  ") + names[i];
  }
  std::free(static_cast<void*>(names));
  return text;
}

}  // namespace pcap_zmq::testing

using pcap_zmq::testing::Count;

// NOLINTBEGIN: replacements of the C library's functions have its signatures and habits.
extern "C" {
void* malloc(size_t size) {
  Count(__builtin_return_address(0));
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  Count(__builtin_return_address(0));
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  Count(__builtin_return_address(0));
  return __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  Count(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  Count(__builtin_return_address(0));
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}

void* operator new(size_t size) {
  Count(__builtin_return_address(0));
  void* memory = __libc_malloc(size);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
void* operator new[](size_t size) {
  Count(__builtin_return_address(0));
  void* memory = __libc_malloc(size);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  Count(__builtin_return_address(0));
  return __libc_malloc(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  Count(__builtin_return_address(0));
  return __libc_malloc(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}
// NOLINTEND
