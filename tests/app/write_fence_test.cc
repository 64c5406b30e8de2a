// SPDX-License-Identifier: MIT
#include "app/write_fence.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace pcap_zmq {
namespace {

using testing::TempDir;

constexpr long kCreateRuleset = 444;

class WriteFenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef PCAP_ZMQ_COVERAGE
    GTEST_SKIP() << "a build that counts what it runs writes beside its objects";
#endif
    // The fence itself is not asked: if it is broken, its tests have to fail.
    if (::syscall(kCreateRuleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 0) {
      GTEST_SKIP() << "the kernel has no Landlock";
    }
    std::filesystem::create_directory(inside_);
    std::filesystem::create_directory(outside_);
    Make(inside_ + "/old");
    Make(outside_ + "/old");
  }

  static void Make(const std::string& path) {
    ASSERT_GE(UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).get(), 0);
  }

  // Runs `work` behind the fence, in a child; its answer is the exit status.
  static int Behind(const std::vector<std::string>& directories, const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(FenceWrites(directories).ok() ? work() : 99);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // How many of the things that change a directory fail there, with EACCES.
  static int Refusals(const std::string& directory) {
    const std::string file = directory + "/new";
    const std::string old = directory + "/old";
    int refused = 0;
    const auto look = [&refused](int result) {
      refused += result < 0 && errno == EACCES ? 1 : 0;
      return result;
    };
    look(UniqueFd(::open(old.c_str(), O_WRONLY | O_CLOEXEC)).get());
    look(UniqueFd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).get());
    look(::mkfifo((directory + "/fifo").c_str(), 0600));
    look(::rename(old.c_str(), (directory + "/renamed").c_str()));
    look(::unlink((directory + "/renamed").c_str()));
    return refused;
  }

  TempDir dir_;
  const std::string inside_ = dir_.File("inside");
  const std::string outside_ = dir_.File("outside");
};

TEST_F(WriteFenceTest, FilesComeAndGoInTheDirectoriesAlone) {
  EXPECT_EQ(Behind({inside_}, [&] { return Refusals(inside_); }), 0);
  Make(inside_ + "/old");
  // The last one is not there to be removed.
  EXPECT_EQ(Behind({inside_}, [&] { return Refusals(outside_); }), 4);
  EXPECT_TRUE(std::filesystem::exists(outside_ + "/old"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside_), {}), 1);
}

TEST_F(WriteFenceTest, WhatIsElsewhereCanBeReadAndNotRemoved) {
  EXPECT_EQ(Behind({},
                   [&] {
                     const UniqueFd file(::open((outside_ + "/old").c_str(), O_RDONLY | O_CLOEXEC));
                     return file.valid() && ::unlink((outside_ + "/old").c_str()) < 0 &&
                                    errno == EACCES
                                ? 0
                                : 1;
                   }),
            0);
}

TEST_F(WriteFenceTest, ThreadsThatComeLaterAreBehindItToo) {
  EXPECT_EQ(Behind({inside_},
                   [&] {
                     int refused = 0;
                     std::thread([&] { refused = Refusals(outside_); }).join();
                     return refused;
                   }),
            4);
}

TEST_F(WriteFenceTest, DirectoriesThatAreMissingAreLeftOut) {
  EXPECT_EQ(Behind({dir_.File("missing"), inside_}, [&] { return Refusals(inside_); }), 0);
}

TEST_F(WriteFenceTest, ALinksTargetCountsAsWell) {
  const std::string link = dir_.File("link");
  ASSERT_EQ(::symlink((inside_ + "/old").c_str(), link.c_str()), 0);
  const std::vector<std::string> directories = DirectoriesOf(link);
  EXPECT_EQ(directories.front(), dir_.path());
  EXPECT_EQ(directories.back(), std::filesystem::canonical(inside_).string());
  EXPECT_EQ(DirectoriesOf("here").front(), ".");
}

}  // namespace
}  // namespace pcap_zmq
