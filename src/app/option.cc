// SPDX-License-Identifier: MIT
#include "app/option.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace pcap_zmq {
namespace {

constexpr size_t kHelpWidth = 96;
constexpr size_t kHelpColumn = 28;

std::string Capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

// Appends `text` broken at blanks, every line but the first indented to kHelpColumn.
void AppendWrapped(std::string* out, std::string_view text) {
  size_t column = kHelpColumn;
  while (!text.empty()) {
    const size_t length = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (column > kHelpColumn) {
      if (column + 1 + word.size() > kHelpWidth) {
        out->append("\n").append(kHelpColumn, ' ');
        column = kHelpColumn;
      } else {
        out->push_back(' ');
        ++column;
      }
    }
    out->append(word);
    column += word.size();
  }
  out->push_back('\n');
}

std::string DefaultText(const Option& option) {
  if (!option.default_note.empty()) {
    return option.default_note;
  }
  if (option.positional || option.kind == Option::Kind::kFlag) {
    return {};
  }
  const Option::Values values = option.get();
  return values.empty() || values.front().empty() ? "none" : values.front();
}

void AppendOption(std::string* out, const Option& option) {
  std::string left = "  " + option.Spelling();
  if (!option.positional && !option.value.empty()) {
    left += " " + option.value;
  }
  if (left.size() + 2 > kHelpColumn) {
    left += "\n" + std::string(kHelpColumn, ' ');
  } else {
    left.resize(kHelpColumn, ' ');
  }
  const std::string fallback = DefaultText(option);
  out->append(left);
  AppendWrapped(out, option.help + (fallback.empty() ? "" : " [default: " + fallback + "]") + " [" +
                         option.Variable() + "]");
}

}  // namespace

std::string Option::Variable() const {
  return std::string(kVariablePrefix) + Capitals(name);
}

std::string Option::Spelling() const {
  return positional ? Capitals(name) : "--" + name;
}

std::string FormatUsage(const ProgramText& program, const std::vector<Option>& options) {
  std::string usage = "usage: " + std::string(program.name) + " [OPTIONS]";
  for (const Option& option : options) {
    if (option.positional) {
      usage += " " + option.Spelling() + (option.list ? "..." : "");
    }
  }
  return usage + "\n";
}

std::string FormatHelp(const ProgramText& program, const std::vector<Option>& options) {
  std::string help = FormatUsage(program, options) + "\n" + std::string(program.purpose) + "\n";
  std::string group;
  for (const Option& option : options) {
    if (option.group != group) {
      group = option.group;
      help += "\n" + group + ":\n";
    }
    AppendOption(&help, option);
  }
  help +=
      "\nUnits:\n"
      "  RATE      8MiB/s, 500KiB/s, 10MB/s, 1Gbit/s; a plain number is MiB/s\n"
      "  SIZE      64KiB, 8MiB, 1GiB, 10MB; a plain number is bytes\n"
      "  DURATION  250us, 10ms, 1.5s, 2m; a plain number is seconds\n"
      "\n"
      "Every option can be given as the variable in brackets or as a key of the --config file.\n"
      "Options beat variables, variables beat the file. Lists in variables are split at commas\n"
      "or blanks. The exit status is 0 on success, 2 for wrong configuration and 1 for the rest.\n"
      "\nExamples:\n" +
      std::string(program.examples);
  return help;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  // One row of the usual table: row[j] edits make the first j characters of `b` from what was
  // seen of `a`.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j + 1] + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::string Nearest(std::string_view text, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t fewest = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : candidates) {
    const size_t edits = EditDistance(text, candidate);
    if (edits < fewest) {
      fewest = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace pcap_zmq
