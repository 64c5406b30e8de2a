// SPDX-License-Identifier: MIT
//
// The pipe at work for a long time, with a fault every few seconds.  Run by tests/faults/soak.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <regex>

#include "tests/faults/fault_fixture.h"

namespace pcap_zmq::testing {
namespace {

using std::chrono::steady_clock;

// Small, so that a fault of a few seconds fills them and their memory is the same each time.
const Arguments kGatewayOptions = {"--zmq-buffer",   "200", "--zmq-buffer-bytes", "8MiB",
                                   "--nflog-buffer", "8MiB"};
const Arguments kIdsOptions = {"--memory", "32MiB"};
// The most that a killed receiver takes with it: its memory, 64 frames at work, socket buffers of
// both hosts and the pipe, full of packets.
constexpr uint64_t kHeldBytes = uint64_t{64} * 65'536 + (uint64_t{32 + 6 + 4 + 1} << 20);

unsigned long long Long(uint64_t number) {
  return number;
}

enum class Fault {
  kKillReceiver,
  kReplaceReader,
  kStopReader,
  kCutLink,
  kOverrun,
  kRestartSender,
  kHangups,
};

constexpr std::array<std::pair<Fault, const char*>, 7> kFaults = {{
    {Fault::kKillReceiver, "receiver killed"},
    {Fault::kReplaceReader, "reader killed and replaced"},
    {Fault::kStopReader, "reader stopped for 3 s"},
    {Fault::kCutLink, "link cut for 2 s"},
    {Fault::kOverrun, "sender stopped until its socket overran"},
    {Fault::kRestartSender, "sender restarted"},
    {Fault::kHangups, "SIGHUP storm"},
}};

class Soak : public FaultTest {
 protected:
  // Lives of programs that have ended.
  struct Past {
    SenderLedger senders;
    uint64_t lost = 0;                  // counted by receivers up to their last scrape
    uint64_t generated_unbound = 0;     // while no sender was there
    uint64_t sent_before_receiver = 0;  // by senders that ended before this receiver came
    uint64_t read_before_receiver = 0;
    uint64_t receivers_killed = 0;
  };

  // The most memory that a program had in some stretch of time, whichever life it was in.
  struct Peak {
    uint64_t gateway = 0;
    uint64_t ids = 0;
  };

  bool PassTime(double seconds) {
    const auto end = steady_clock::now() + std::chrono::duration<double>(seconds);
    return WaitUntil(
        [&] {
          NotePeak();
          return steady_clock::now() >= end || !sender_->running() || !receiver_->running();
        },
        std::chrono::hours(1), std::chrono::milliseconds(50));
  }

  void NotePeak() {
    peak_.gateway = std::max(peak_.gateway, sender_->PeakResidentBytes());
    peak_.ids = std::max(peak_.ids, receiver_->PeakResidentBytes());
  }

  Peak TakePeak() {
    NotePeak();
    sender_->ForgetPeak();
    receiver_->ForgetPeak();
    return std::exchange(peak_, {});
  }

  void Strike(Fault fault) {
    switch (fault) {
      case Fault::kKillReceiver:
        past_.lost += ReadIds().gone();
        receiver_->Kill();
        ++past_.receivers_killed;
        ASSERT_TRUE(WaitUntil([&] {
          return reader_->findings().captures == captures_ + past_.receivers_killed;
        })) << "the reader does not see that its writer has gone";
        past_.sent_before_receiver = past_.senders.sent;
        past_.read_before_receiver = reader_->distinct();
        ASSERT_NO_FATAL_FAILURE(StartIds(kIdsOptions));
        break;
      case Fault::kReplaceReader:
        reader_->Kill();
        ++captures_;
        ASSERT_TRUE(WaitUntil([&] { return IdsMetric("sink_reader_attached") == 0; }));
        reader_->Start();
        break;
      case Fault::kStopReader:
        reader_->Signal(SIGSTOP);
        PassTime(3);
        reader_->Signal(SIGCONT);
        break;
      case Fault::kCutLink:
        CutLink();
        PassTime(2);
        RestoreLink();
        break;
      case Fault::kOverrun:
        sender_->Signal(SIGSTOP);
        PassTime(1);
        sender_->Signal(SIGCONT);
        break;
      case Fault::kRestartSender:
        ASSERT_NO_FATAL_FAILURE(RestartSender());
        break;
      case Fault::kHangups:
        for (int i = 0; i < 300; ++i) {
          sender_->Signal(SIGHUP);
          receiver_->Signal(SIGHUP);
        }
        break;
    }
    ++struck_[fault];
    ASSERT_TRUE(WaitForRead(1000)) << "the traffic does not come back";
  }

  // Its last words are its final ledger.
  void RestartSender() {
    const uint64_t generated = generator_->sent();
    Terminate(sender_.get());
    static const std::regex words(
        "captured ([0-9]+) packets, sent ([0-9]+), dropped ([0-9]+).*, lost in the kernel "
        "([0-9]+)");
    const std::string text = sender_->Stderr();
    std::smatch found;
    ASSERT_TRUE(std::regex_search(text, found, words)) << text;
    past_.senders.captured += std::stoull(found[1]);
    past_.senders.sent += std::stoull(found[2]);
    past_.senders.dropped += std::stoull(found[3]);
    past_.senders.kernel_lost += std::stoull(found[4]);
    ASSERT_NO_FATAL_FAILURE(StartGateway(kGatewayOptions));
    past_.generated_unbound += generator_->sent() - generated;
  }

  // Those that end a program come last: it has lived through the others by then.
  void ShuffleRound() {
    std::shuffle(round_.begin(), round_.end(), random_);
    std::stable_partition(round_.begin(), round_.end(), [](const auto& named) {
      return named.first != Fault::kKillReceiver && named.first != Fault::kRestartSender;
    });
  }

  void StrikeAll(double every) {
    for (const auto& [fault, name] : round_) {
      ASSERT_NO_FATAL_FAILURE(StrikeAfter(every, fault, name));
    }
  }

  void StrikeAfter(double every, Fault fault, const char* name) {
    SCOPED_TRACE(name);
    const auto next = std::max(next_fault_, steady_clock::now());
    PassTime(std::chrono::duration<double>(next - steady_clock::now()).count());
    next_fault_ = next + std::chrono::duration_cast<steady_clock::duration>(
                             std::chrono::duration<double>(every));
    if (::isatty(STDERR_FILENO) != 0) {
      std::fprintf(stderr, "\r%6.0f s  generated %llu  read %llu  %-44s",
                   std::chrono::duration<double>(steady_clock::now() - start_).count(),
                   Long(generator_->sent()), Long(reader_->distinct()), name);
    }
    ASSERT_NO_FATAL_FAILURE(Strike(fault));
  }

  void CloseTheBooks();
  void PrintTable(const Peak& first, const Peak& last) const;

  std::mt19937_64 random_;
  Past past_;
  Books books_;
  Peak peak_;
  std::array<std::pair<Fault, const char*>, kFaults.size()> round_ = kFaults;
  std::map<Fault, uint64_t> struck_;
  uint64_t captures_ = 0;  // ended by the reader's own death
  const steady_clock::time_point start_ = steady_clock::now();
  steady_clock::time_point next_fault_;
};

void Soak::CloseTheBooks() {
  books_ = SettleNewGateway();
  const uint64_t heard_by_this_receiver =
      past_.senders.sent + books_.sender.sent - past_.sent_before_receiver;
  WaitUntil([&] {
    books_.receiver = ReadIds();
    return books_.receiver.Settled(heard_by_this_receiver);
  });
  WaitUntil([&] {
    books_.read = reader_->distinct();
    return books_.read - past_.read_before_receiver >= books_.receiver.sink_delivered;
  });
  const Status sender_law = books_.sender.Check(books_.sender.captured + books_.sender.kernel_lost);
  const Status receiver_law = books_.receiver.Check(heard_by_this_receiver);
  EXPECT_TRUE(sender_law.ok()) << sender_law.error().message;
  EXPECT_TRUE(receiver_law.ok()) << receiver_law.error().message;
  EXPECT_EQ(past_.senders.captured, past_.senders.sent + past_.senders.dropped);
  EXPECT_EQ(books_.read - past_.read_before_receiver, books_.receiver.sink_delivered);
  books_.sender.captured += past_.senders.captured;
  books_.sender.kernel_lost += past_.senders.kernel_lost;
  books_.sender.sent += past_.senders.sent;
  books_.sender.dropped += past_.senders.dropped;
  past_.lost += books_.receiver.gone();
}

void Soak::PrintTable(const Peak& first, const Peak& last) const {
  const uint64_t unbound = books_.logged - books_.sender.captured - books_.sender.kernel_lost;
  const uint64_t died = books_.sender.sent - books_.read - past_.lost;
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start_).count();
  std::printf("\nsoak of %.0f s, %.0f packets a second\n", seconds,
              static_cast<double>(books_.generated) / seconds);
  for (const auto& [fault, name] : kFaults) {
    const auto times = struck_.find(fault);
    std::printf("  %-52s %12llu times\n", name, Long(times == struck_.end() ? 0 : times->second));
  }
  const std::array<std::pair<const char*, uint64_t>, 8> rows = {{
      {"generated", books_.generated},
      {"= read by the IDS, each once", books_.read},
      {"+ gone before the rules saw them", books_.generated - books_.logged},
      {"+ logged while no sender was bound", unbound},
      {"+ lost in the kernel (kernel_lost)", books_.sender.kernel_lost},
      {"+ dropped by the sender", books_.sender.dropped},
      {"+ lost on the wire, as receivers counted", past_.lost},
      {"+ died with killed receivers", died},
  }};
  for (const auto& [name, packets] : rows) {
    std::printf("  %-52s %12llu packets\n", name, Long(packets));
  }
  for (const auto& [name, before, after] :
       {std::tuple{"sender", first.gateway, last.gateway}, {"receiver", first.ids, last.ids}}) {
    std::printf("  most memory of the %-8s first and last faults %8llu %8llu KiB (%+.1f %%)\n",
                name, Long(before >> 10), Long(after >> 10),
                100.0 * (static_cast<double>(after) / static_cast<double>(before) - 1));
  }
}

TEST_F(Soak, FaultsOneAfterTheOtherLeaveTheBooksClosedAndTheMemoryAsItWas) {
  const auto seconds = static_cast<double>(FaultSetting("SECONDS", 10));
  const auto every = static_cast<double>(FaultSetting("EVERY", 1));
  const uint64_t rate = FaultSetting("PPS", 5000);
  const uint64_t seed = FaultSetting("SEED", std::random_device()());
  std::printf("FAULT_SEED=%llu\n", Long(seed));
  random_.seed(seed);
  ASSERT_NO_FATAL_FAILURE(StartPipe(rate, kGatewayOptions, kIdsOptions));
  next_fault_ = steady_clock::now();
  // All faults at both ends, in one order, so that like is compared with like.
  ShuffleRound();
  ASSERT_NO_FATAL_FAILURE(StrikeAll(every));
  const Peak first = TakePeak();
  const auto last_round = std::chrono::duration<double>(seconds - every * kFaults.size());
  std::uniform_int_distribution<size_t> any(0, kFaults.size() - 1);
  while (steady_clock::now() - start_ < last_round) {
    const auto& [fault, name] = kFaults[any(random_)];
    ASSERT_NO_FATAL_FAILURE(StrikeAfter(every, fault, name));
  }
  TakePeak();
  ASSERT_NO_FATAL_FAILURE(StrikeAll(every));
  PassTime(every);
  const Peak last = TakePeak();
  CloseTheBooks();
  PrintTable(first, last);
  const uint64_t accounted = books_.sender.captured + books_.sender.kernel_lost;
  ASSERT_GE(books_.logged, accounted);
  EXPECT_LE(books_.logged - accounted, past_.generated_unbound);
  ASSERT_GE(books_.sender.sent, books_.read + past_.lost);
  EXPECT_LE(books_.sender.sent - books_.read - past_.lost,
            past_.receivers_killed * (kHeldBytes / (traffic_.packet_bytes + 16)));
  ExpectReaderIsWhole(captures_ + past_.receivers_killed);
  EXPECT_EQ(reader_->Missing(generator_->sent_by_flow()), books_.missing());
  if (seconds >= 120) {  // else there is no telling
    EXPECT_LE(static_cast<double>(last.gateway), 1.05 * static_cast<double>(first.gateway));
    EXPECT_LE(static_cast<double>(last.ids), 1.05 * static_cast<double>(first.ids));
  }
  EndPipe();
}

}  // namespace
}  // namespace pcap_zmq::testing
