// SPDX-License-Identifier: MIT
//
// The outcome of an operation that may fail at start-up or at an edge of the process: a value or
// one Error whose message tells the operator what was wrong and what to do.  The packet path does
// not use it: there, loss is counted by reason (drop_reason.h) and work goes on.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace pcap_zmq {

/// Why a program cannot start or go on; decides its exit status.
enum class ErrorKind {
  kConfig,   ///< the user's input was wrong: exit 2
  kRuntime,  ///< the system refused (permission, port in use, no such device): exit 1
};

/// One failure, worded for the operator: a single line without a trailing full stop or newline.
struct Error {
  ErrorKind kind = ErrorKind::kRuntime;
  std::string message;
};

inline Error ConfigError(std::string message) {
  return {ErrorKind::kConfig, std::move(message)};
}
inline Error RuntimeError(std::string message) {
  return {ErrorKind::kRuntime, std::move(message)};
}

/// A `T` or an Error.  Check ok() before the value is taken; taking the wrong side is a bug and
/// ends the process through std::get's exception.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T Take() { return std::move(std::get<0>(state_)); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit

  bool ok() const { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace pcap_zmq
