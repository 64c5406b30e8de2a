// SPDX-License-Identifier: MIT
#include "app/file_fence.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <netdb.h>
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
#include <utility>
#include <vector>

#include "app/sandbox.h"
#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace pcap_zmq {
namespace {

using testing::TempDir;

constexpr long kCreateRuleset = 444;

FilePlaces WritingIn(std::vector<std::string> directories) {
  return {std::move(directories), {}, /*fence_reading=*/false};
}

class FileFenceTest : public ::testing::Test {
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
  static int Behind(const FilePlaces& places, const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(FenceFiles(places).ok() ? work() : 99);
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

TEST_F(FileFenceTest, FilesComeAndGoInTheDirectoriesAlone) {
  EXPECT_EQ(Behind(WritingIn({inside_}), [&] { return Refusals(inside_); }), 0);
  Make(inside_ + "/old");
  // The last one is not there to be removed.
  EXPECT_EQ(Behind(WritingIn({inside_}), [&] { return Refusals(outside_); }), 4);
  EXPECT_TRUE(std::filesystem::exists(outside_ + "/old"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside_), {}), 1);
}

TEST_F(FileFenceTest, WhatIsElsewhereCanBeReadAndNotRemoved) {
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

int ErrorOfReading(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)).valid() ? 0 : errno;
}

TEST_F(FileFenceTest, WhereReadingIsFencedFilesElsewhereStayClosed) {
  if (SandboxAllowsTracing()) {
    GTEST_SKIP() << "a sanitizer reads the program's own files";
  }
  const FilePlaces nothing = {{}, {}, /*fence_reading=*/true};
  EXPECT_EQ(Behind(nothing, [&] { return ErrorOfReading(outside_ + "/old"); }), EACCES);
  EXPECT_EQ(Behind(nothing, [&] { return ErrorOfReading(outside_); }), EACCES);
  const FilePlaces some = {{inside_}, {outside_ + "/old"}, /*fence_reading=*/true};
  EXPECT_EQ(Behind(some, [&] { return ErrorOfReading(inside_ + "/old"); }), 0);
  EXPECT_EQ(Behind(some, [&] { return ErrorOfReading(outside_ + "/old"); }), 0);
  EXPECT_EQ(Behind(some, [&] { return ErrorOfReading(outside_); }), EACCES);
  EXPECT_EQ(Behind(some, [&] { return Refusals(outside_); }), 4);
}

TEST_F(FileFenceTest, NamesAreFoundAndTheProgramsFiguresReadWhereReadingIsFenced) {
  EXPECT_EQ(Behind({{}, {}, /*fence_reading=*/true},
                   [&] {
                     addrinfo* found = nullptr;
                     const int failed = ::getaddrinfo("localhost", "1234", nullptr, &found);
                     return failed != 0 ? 98 : ErrorOfReading("/proc/self/stat");
                   }),
            0);
}

TEST_F(FileFenceTest, ThreadsThatComeLaterAreBehindItToo) {
  EXPECT_EQ(Behind(WritingIn({inside_}),
                   [&] {
                     int refused = 0;
                     std::thread([&] { refused = Refusals(outside_); }).join();
                     return refused;
                   }),
            4);
}

TEST_F(FileFenceTest, DirectoriesThatAreMissingAreLeftOut) {
  EXPECT_EQ(Behind(WritingIn({dir_.File("missing"), inside_}), [&] { return Refusals(inside_); }),
            0);
}

TEST_F(FileFenceTest, ALinksTargetCountsAsWell) {
  const std::string link = dir_.File("link");
  ASSERT_EQ(::symlink((inside_ + "/old").c_str(), link.c_str()), 0);
  const std::vector<std::string> directories = DirectoriesOf(link);
  EXPECT_EQ(directories.front(), dir_.path());
  EXPECT_EQ(directories.back(), std::filesystem::canonical(inside_).string());
  EXPECT_EQ(DirectoriesOf("here").front(), ".");
  EXPECT_EQ(DirectoriesOf("/somewhere/authorized/").front(), "/somewhere");
}

// As git-sync does, and Kubernetes with a Secret.
TEST_F(FileFenceTest, WhereALinkIsExchangedWhatItLeadsToStaysReadable) {
  const std::string real = std::filesystem::canonical(dir_.path()).string();
  for (const char* version : {"1", "2"}) {
    std::filesystem::create_directories(real + "/.work/" + version + "/authorized");
    Make(real + "/.work/" + version + "/authorized/gw1.pub");
  }
  std::filesystem::create_directory_symlink(".work/1", real + "/current");
  const std::string authorized = real + "/current/authorized";
  const std::vector<std::string> of_links = DirectoriesOfLinks(authorized);
  EXPECT_EQ(of_links, std::vector<std::string>{real});
  EXPECT_EQ(DirectoriesOfLinks(real + "/.work/1"), std::vector<std::string>{});
  EXPECT_EQ(Behind({{}, of_links, /*fence_reading=*/true},
                   [&] {
                     // Who may write here is another program; this one could not.
                     return ErrorOfReading(real + "/.work/2/authorized/gw1.pub");
                   }),
            0);
}

TEST_F(FileFenceTest, LinksInACircleLeadNowhere) {
  std::filesystem::create_symlink("b", dir_.File("a"));
  std::filesystem::create_symlink("a", dir_.File("b"));
  EXPECT_LE(DirectoriesOfLinks(dir_.File("a")).size(), 40U);
}

}  // namespace
}  // namespace pcap_zmq
