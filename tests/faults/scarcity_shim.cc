// SPDX-License-Identifier: MIT
//
// A system that refuses a program one thread or one eventfd, preloaded into it: the one whose
// number FAULT_THREAD or FAULT_EVENTFD names, from 1 on.  Only what the program's own code asks for
// counts: threads by way of the C++ library, and eventfds.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/auxv.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

int NumberIn(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

std::atomic<int> until_thread{NumberIn("FAULT_THREAD")};
std::atomic<int> until_eventfd{NumberIn("FAULT_EVENTFD")};

bool IsOfTheCppLibrary(void* caller) {
  Dl_info info{};
  return ::dladdr(caller, &info) != 0 && std::strstr(info.dli_fname, "libstdc++") != nullptr;
}

bool IsOfTheProgram(void* caller) {
  Dl_info info{};
  Dl_info program{};
  return ::dladdr(caller, &info) != 0 &&
         ::dladdr(reinterpret_cast<void*>(::getauxval(AT_ENTRY)), &program) != 0 &&
         info.dli_fbase == program.dli_fbase;
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  if (IsOfTheCppLibrary(__builtin_return_address(0)) && --until_thread == 0) {
    return EAGAIN;
  }
  static const auto next = Next<decltype(&pthread_create)>("pthread_create");
  return next(thread, attributes, start, argument);
}

int eventfd(unsigned int initial, int flags) noexcept {
  if (IsOfTheProgram(__builtin_return_address(0)) && --until_eventfd == 0) {
    errno = EMFILE;
    return -1;
  }
  static const auto next = Next<int (*)(unsigned int, int)>("eventfd");
  return next(initial, flags);
}
}
