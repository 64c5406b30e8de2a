// SPDX-License-Identifier: MIT
//
// Who may send: the public keys in a directory.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pcap_zmq {

/// Follows a directory of public keys, one NAME.pub a sender, or NAME@.pub for a group of senders
/// that share the key.
///
/// What does not end in .pub is passed over; a .pub file whose name no sender may have, or without
/// a key in it, is passed over with a warning.  Of two files with the same key the first by name
/// counts.  A file that is there but cannot be read for the moment, as without descriptors, keeps
/// the key that was read from it last, and is read again at the next Refresh().
/// Threads: one thread calls Refresh(); the rest from any.
class AuthorizedKeys {
 public:
  /// Names by public key in Z85; a group's ends in kGroupMark.
  using Names = std::map<std::string, std::string, std::less<>>;

  explicit AuthorizedKeys(std::string directory) : directory_(std::move(directory)) {}

  /// Takes in what has changed in the directory.  A directory that is gone holds no keys; one that
  /// cannot be read for another reason changes nothing.
  /// Errors:  kConfig when the directory cannot be read.
  Status Refresh();

  /// The keys of now.
  std::shared_ptr<const Names> names() const;

  /// Another number each time names() changes.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  // What tells a changed file from an unchanged one.
  struct Entry {
    std::string file;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_nanos = 0;
    int64_t changed_nanos = 0;

    bool operator==(const Entry&) const = default;
  };

  struct KeyFile {
    Entry entry;
    std::string key;      // empty when it authorizes nobody
    bool unread = false;  // could not be read for the moment; `key` is that of an earlier time

    bool operator==(const KeyFile&) const = default;
  };

  Result<std::vector<Entry>> List() const;
  void Load(const std::vector<Entry>& entries);
  // `known` is what the file of this name was before, or nullptr.
  KeyFile Read(const Entry& entry, const KeyFile* known) const;
  void Publish();

  const std::string directory_;
  std::vector<KeyFile> files_;  // by name
  bool failed_ = false;         // the last time
  std::atomic<uint64_t> version_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const Names> names_ = std::make_shared<Names>();  // guarded by mutex_
};

}  // namespace pcap_zmq
