// SPDX-License-Identifier: MIT
#include "tests/support/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

namespace pcap_zmq::testing {
namespace {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Pipe MakePipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    std::abort();
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string FindProgram(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    return ::access(program.c_str(), X_OK) == 0 ? program : "";
  }
  const char* path_variable = std::getenv("PATH");
  std::string directories = path_variable == nullptr ? "" : path_variable;
  directories += ":/usr/sbin:/sbin:/usr/bin:/bin";
  for (size_t at = 0; at < directories.size();) {
    const size_t end = std::min(directories.find(':', at), directories.size());
    std::string candidate = directories.substr(at, end - at) + "/" + program;
    if (end > at && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    at = end + 1;
  }
  return "";
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) {
    pointers.push_back(string.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::vector<std::string>& extra) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, "PCAP_ZMQ_", 9) != 0) {
      environment.emplace_back(*variable);
    }
  }
  environment.insert(environment.end(), extra.begin(), extra.end());
  return environment;
}

// Between fork and exec: nothing here may allocate or lock.
[[noreturn]] void Become(const char* path, char* const* argv, char* const* envp,
                         const std::array<int, 3>& streams, bool drop_capabilities) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int stream = 0; stream < 3; ++stream) {
    ::dup2(streams[static_cast<size_t>(stream)], stream);
  }
  if (drop_capabilities) {
    // Root regains capabilities at exec unless they leave the bounding set too.
    for (unsigned long capability = 0; capability <= CAP_LAST_CAP; ++capability) {
      ::prctl(PR_CAPBSET_DROP, capability);
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    ::syscall(SYS_capset, &header, none.data());
  }
  sigset_t nothing;
  ::sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execve(path, argv, envp);
  ::_exit(127);
}

UniqueFd OpenStdin(const std::string& text) {
  if (text.empty()) {
    return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  Pipe pipe = MakePipe();
  if (::write(pipe.write_end.get(), text.data(), text.size()) !=
      static_cast<ssize_t>(text.size())) {
    std::abort();
  }
  return std::move(pipe.read_end);
}

}  // namespace

Result<std::unique_ptr<Process>> Process::Start(std::vector<std::string> argv,
                                                const Options& options) {
  const std::string path = FindProgram(argv.at(0));
  if (path.empty()) {
    return RuntimeError("there is no program " + argv.at(0));
  }
  std::vector<std::string> environment = Environment(options.env);
  const std::vector<char*> argument_pointers = Pointers(argv);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const UniqueFd in = OpenStdin(options.stdin_text);
  Pipe out = MakePipe();
  Pipe err = MakePipe();
  UniqueFd out_file;
  if (!options.stdout_path.empty()) {
    out_file.Reset(::open(options.stdout_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!out_file.valid()) {
      return RuntimeError("cannot open " + options.stdout_path);
    }
  }
  const std::array<int, 3> streams = {
      in.get(), out_file.valid() ? out_file.get() : out.write_end.get(), err.write_end.get()};

  const pid_t pid = ::fork();
  if (pid < 0) {
    return RuntimeError("fork failed");
  }
  if (pid == 0) {
    Become(path.c_str(), argument_pointers.data(), environment_pointers.data(), streams,
           options.drop_net_admin);
  }
  return std::unique_ptr<Process>(
      new Process(pid, std::move(out.read_end), std::move(err.read_end)));
}

Process::Process(pid_t pid, UniqueFd out, UniqueFd err) : pid_(pid) {
  reader_ = std::thread([this, out = std::move(out), err = std::move(err)]() mutable {
    ReadOutput(std::move(out), std::move(err));
  });
}

Process::~Process() {
  Kill();
  reader_.join();
}

void Process::Signal(int signal) const {
  if (!exit_status_.has_value()) {
    ::kill(pid_, signal);
  }
}

void Process::Kill() {
  if (!exit_status_.has_value()) {
    ::kill(pid_, SIGKILL);
    WaitForExit();
  }
}

bool Process::running() {
  return !WaitForExit(std::chrono::milliseconds(0)).has_value();
}

std::optional<int> Process::WaitForExit(std::chrono::milliseconds deadline) {
  if (exit_status_.has_value()) {
    return exit_status_;
  }
  int status = 0;
  const bool ended = WaitUntil([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, deadline,
                               std::chrono::milliseconds(5));
  if (!ended) {
    return std::nullopt;
  }
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // The pipes have no other writers left: the reader ends too.
  reader_.join();
  reader_ = std::thread([] {});
  return exit_status_;
}

void Process::ReadOutput(UniqueFd out, UniqueFd err) {
  std::array<char, 65536> buffer{};
  while (out.valid() || err.valid()) {
    std::array<pollfd, 2> waiting = {pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), -1);
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) {
        continue;
      }
      const ssize_t got = ::read(waiting[i].fd, buffer.data(), buffer.size());
      if (got <= 0) {
        (i == 0 ? out : err).Reset();
        continue;
      }
      const std::lock_guard lock(mutex_);
      (i == 0 ? stdout_ : stderr_).append(buffer.data(), static_cast<size_t>(got));
      output_grew_.notify_all();
    }
  }
}

bool Process::WaitForStderr(std::string_view text, std::chrono::milliseconds deadline) {
  std::unique_lock lock(mutex_);
  return output_grew_.wait_for(lock, deadline,
                               [&] { return stderr_.find(text) != std::string::npos; });
}

std::string Process::Stdout() const {
  const std::lock_guard lock(mutex_);
  return stdout_;
}

std::string Process::Stderr() const {
  const std::lock_guard lock(mutex_);
  return stderr_;
}

uint64_t Process::ResidentBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

uint64_t Process::PeakResidentBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; file >> word;) {
    if (word == "VmHWM:") {
      uint64_t kibibytes = 0;
      file >> kibibytes;
      return kibibytes << 10;
    }
  }
  return 0;
}

void Process::ForgetPeak() {
  std::ofstream("/proc/" + std::to_string(pid_) + "/clear_refs") << "5";
}

Result<CommandOutcome> RunCommand(std::vector<std::string> argv, const std::string& stdin_text) {
  const std::string name = argv.at(0);
  Process::Options options;
  options.stdin_text = stdin_text;
  auto process = Process::Start(std::move(argv), options);
  if (!process.ok()) {
    return process.error();
  }
  const std::optional<int> status = process.value()->WaitForExit(4 * kGenerously);
  if (!status.has_value()) {
    return RuntimeError(name + " does not end");
  }
  return CommandOutcome{*status, process.value()->Stdout(), process.value()->Stderr()};
}

Status RunOrFail(std::vector<std::string> argv, const std::string& stdin_text) {
  std::string line;
  for (const std::string& argument : argv) {
    line += (line.empty() ? "" : " ") + argument;
  }
  const auto outcome = RunCommand(std::move(argv), stdin_text);
  if (!outcome.ok()) {
    return outcome.error();
  }
  if (outcome.value().status != 0) {
    return RuntimeError(line + " ended with " + std::to_string(outcome.value().status) + ": " +
                        outcome.value().err);
  }
  return {};
}

bool HaveProgram(const std::string& program) {
  return !FindProgram(program).empty();
}

}  // namespace pcap_zmq::testing
