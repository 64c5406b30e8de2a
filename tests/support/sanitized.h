// SPDX-License-Identifier: MIT
//
// Which sanitizer this build has, in the words of GCC and of Clang.
#pragma once

namespace pcap_zmq::testing {

#if defined(__SANITIZE_ADDRESS__)
#define PCAP_ZMQ_TESTS_UNDER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define PCAP_ZMQ_TESTS_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PCAP_ZMQ_TESTS_UNDER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define PCAP_ZMQ_TESTS_UNDER_TSAN 1
#endif
#endif

#ifdef PCAP_ZMQ_TESTS_UNDER_ASAN
inline constexpr bool kUnderAsan = true;
#else
inline constexpr bool kUnderAsan = false;
#endif
#ifdef PCAP_ZMQ_TESTS_UNDER_TSAN
inline constexpr bool kUnderTsan = true;
#else
inline constexpr bool kUnderTsan = false;
#endif
inline constexpr bool kSanitized = kUnderAsan || kUnderTsan;

}  // namespace pcap_zmq::testing
