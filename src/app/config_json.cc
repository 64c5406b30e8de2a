// SPDX-License-Identifier: MIT
#include "app/config_json.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/unique_fd.h"

namespace pcap_zmq {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxFileBytes = kMiB;

Result<std::string> ReadFile(const std::string& path) {
  const auto fail = [&](std::string_view reason) {
    return ConfigError("cannot read the configuration file " + path + ": " + std::string(reason));
  };
  // Not blocking, so that a FIFO given by mistake is an error and not a wait.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    const int error = errno;
    return fail(std::strerror(error));
  }
  std::string text;
  std::array<char, 16'384> chunk{};
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    const int error = errno;
    if (got < 0 && error == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(std::strerror(error));
    }
    if (got == 0) {
      return text;
    }
    text.append(chunk.data(), static_cast<size_t>(got));
    if (text.size() > kMaxFileBytes) {
      return fail("it is larger than 1 MiB");
    }
  }
}

// "line 3, column 7" of the byte that the parser stopped at (1-based).
std::string Position(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte == 0 ? 0 : std::min(byte - 1, text.size()));
  const size_t newline = before.rfind('\n');
  const size_t column =
      newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return "line " + std::to_string(1 + std::count(before.begin(), before.end(), '\n')) +
         ", column " + std::to_string(column);
}

// The parser's reason without its own prefix and position.
std::string Reason(std::string_view what) {
  const size_t column = what.find("column ");
  const size_t colon = what.find(": ", column == std::string_view::npos ? 0 : column);
  return std::string(colon == std::string_view::npos ? what : what.substr(colon + 2));
}

Result<Json> ParseObject(const std::string& path, const std::string& text) {
  std::set<std::string> keys;
  std::string repeated;
  const auto note_key = [&](int depth, Json::parse_event_t event, Json& parsed) {
    // A later value would silently replace the earlier one.
    if (event == Json::parse_event_t::key && depth == 1 &&
        !keys.insert(parsed.get<std::string>()).second) {
      repeated = parsed.get<std::string>();
    }
    return true;
  };
  try {
    Json object = Json::parse(text, note_key);
    if (!repeated.empty()) {
      return ConfigError("key \"" + repeated + "\" appears twice in " + path);
    }
    if (!object.is_object()) {
      return ConfigError(path + " must hold one JSON object, such as {\"lwm\": \"16MiB/s\"}");
    }
    return object;
  } catch (const Json::parse_error& error) {
    return ConfigError(path + " is not valid JSON at " + Position(text, error.byte) + ": " +
                       Reason(error.what()));
  } catch (const Json::exception& error) {
    return ConfigError(path + " is not valid JSON: " + Reason(error.what()));
  }
}

// The text of one JSON scalar as the command line would have it; nullopt where the type is wrong.
std::optional<std::string> ScalarText(const Json& value, Option::Kind kind) {
  const bool number = kind == Option::Kind::kAmount || kind == Option::Kind::kNumber;
  if (const auto* text = value.get_ptr<const std::string*>()) {
    return *text;
  }
  if ((value.is_number() && number) || (value.is_boolean() && kind == Option::Kind::kFlag)) {
    return value.dump();
  }
  return std::nullopt;
}

std::string_view WantedType(const Option& option) {
  if (option.list) {
    return "a text or a list of texts";
  }
  switch (option.kind) {
    case Option::Kind::kFlag:
      return "true or false";
    case Option::Kind::kNumber:
      return "a number";
    case Option::Kind::kAmount:
      return "a text or a number";
    case Option::Kind::kText:
      break;
  }
  return "a text";
}

std::string KeyOrigin(const std::string& key, const std::string& path) {
  return "key \"" + key + "\" in " + path;
}

Error UnknownKey(const std::string& key, const std::string& origin,
                 const std::vector<Option>& options) {
  std::vector<std::string> known;
  for (const Option& option : options) {
    if (option.in_file) {
      known.push_back(option.name);
    }
  }
  return ConfigError(origin + " is not known; did you mean \"" + Nearest(key, known) + "\"?");
}

}  // namespace

Result<std::vector<GivenValue>> ReadConfigFile(const std::string& path,
                                               const std::vector<Option>& options) {
  Result<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return text.error();
  }
  const Result<Json> object = ParseObject(path, text.value());
  if (!object.ok()) {
    return object.error();
  }
  std::vector<GivenValue> given;
  for (const auto& [key, value] : object.value().items()) {
    const auto option = std::find_if(options.begin(), options.end(), [&key = key](const Option& o) {
      return o.in_file && o.name == key;
    });
    const std::string origin = KeyOrigin(key, path);
    if (option == options.end()) {
      return UnknownKey(key, origin, options);
    }
    GivenValue one{static_cast<size_t>(option - options.begin()), {}, origin};
    const bool array = option->list && value.is_array();
    for (const Json& element : array ? value : Json::array({value})) {
      std::optional<std::string> scalar = ScalarText(element, option->kind);
      if (!scalar) {
        return ConfigError(origin + " must be " + std::string(WantedType(*option)));
      }
      one.values.push_back(*std::move(scalar));
    }
    given.push_back(std::move(one));
  }
  return given;
}

std::string FormatConfigFile(const std::vector<Option>& options) {
  Json object = Json::object();
  for (const Option& option : options) {
    if (!option.in_file) {
      continue;
    }
    const Option::Values values = option.get();
    Json& slot = object[option.name];
    if (option.list) {
      slot = Json(values);
    } else if (option.kind == Option::Kind::kFlag) {
      slot = values.front() == "true";
    } else if (option.kind == Option::Kind::kNumber) {
      slot = Json::parse(values.front(), nullptr, false);
    } else {
      slot = values.front();
    }
  }
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace pcap_zmq
