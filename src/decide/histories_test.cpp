// Two processors on one store, judged from outside: every answer, accepted and rejected, must be
// one that a single teller could have given. The same test finds a store that forgets to compare.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <latch>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "decide/processor.h"
#include "decide/testing/bank.h"
#include "decide/testing/linearizability.h"
#include "decide/testing/wrapped_store.h"
#include "store/testing/on_disk.h"

namespace stele::decide {
namespace {

using namespace testing_bank;  // NOLINT(google-build-using-namespace): the test's whole world.

constexpr std::size_t accounts = 2;
constexpr std::size_t clients = 6;
constexpr std::size_t commands_each = 5;

struct Operation {
  testing::Interval when;
  enum class What : std::uint8_t { deposit, withdraw, transfer } what = What::deposit;
  std::size_t account = 0, other = 0;
  std::int64_t amount = 0;
  enum class Answer : std::uint8_t { accepted, rejected, unknown } answer = Answer::accepted;
  std::int64_t balance = 0;  // After, if accepted; found, if rejected.
};

using Balances = std::array<std::int64_t, accounts>;

std::string to_bytes(const Balances& balances) {
  return {reinterpret_cast<const char*>(balances.data()), sizeof(balances)};
}

/// What one teller would do.
bool teller(const Operation& operation, std::string& state) {
  Balances balances{};
  std::memcpy(balances.data(), state.data(), sizeof(balances));
  std::int64_t& balance = balances[operation.account];
  const bool pays = operation.what != Operation::What::deposit;
  const bool covered = !pays || balance >= operation.amount;
  if (operation.answer == Operation::Answer::rejected) {
    return !covered && balance == operation.balance;
  }
  if (!covered) return operation.answer == Operation::Answer::unknown;
  balance += pays ? -operation.amount : operation.amount;
  if (operation.what == Operation::What::transfer) balances[operation.other] += operation.amount;
  state = to_bytes(balances);
  return operation.answer == Operation::Answer::unknown || balance == operation.balance;
}

void note(Operation& operation, const CommandResult& result) {
  if (const auto* accepted = std::get_if<Accepted>(&result)) {
    operation.answer = Operation::Answer::accepted;
    operation.balance = operation.what == Operation::What::deposit
                            ? accepted->find<Deposited>()->balance_after
                            : accepted->find<Withdrawn>()->balance_after;
  } else if (const auto* rejection = std::get_if<Rejection>(&result)) {
    operation.answer = Operation::Answer::rejected;
    operation.balance = std::stoll(rejection->details.at(0).json);
  } else {
    operation.answer = Operation::Answer::unknown;
    operation.when.unknown = true;
  }
}

CommandCall call_for(const Operation& operation, const std::string& prefix) {
  const std::string key = prefix + std::to_string(operation.account);
  switch (operation.what) {
    case Operation::What::deposit:
      return call_of<Account>(key, Deposit{operation.amount});
    case Operation::What::withdraw:
      return call_of<Account>(key, Withdraw{operation.amount});
    case Operation::What::transfer:
      break;
  }
  return call_of<Account>(key,
                          Transfer{prefix + std::to_string(operation.other), operation.amount});
}

/// One history: clients that send a few commands each, at once, over two processors.
class History {
 public:
  History(CommandProcessor& left, CommandProcessor& right, std::string prefix, std::uint64_t seed)
      : processors_{&left, &right}, prefix_{std::move(prefix)}, seed_{seed} {}

  testing::Verdict play() {
    std::latch all{static_cast<std::ptrdiff_t>(clients)};
    std::vector<std::unique_ptr<Client>> running;
    for (std::size_t c = 0; c < clients; ++c) {
      running.push_back(
          std::make_unique<Client>(Client{*this, all, std::mt19937_64{seed_ + c}, c}));
    }
    for (auto& each : running) next(*each);
    all.wait();
    std::vector<Operation> operations;
    for (auto& each : running) {
      operations.insert(operations.end(), each->sent.begin(), each->sent.end());
    }
    std::vector<testing::Interval> intervals;
    for (const Operation& each : operations) intervals.push_back(each.when);
    rejected = static_cast<std::size_t>(
        std::ranges::count(operations, Operation::Answer::rejected, &Operation::answer));
    return testing::check_linearizable(
        intervals, to_bytes({}),
        [&](std::size_t i, std::string& state) { return teller(operations[i], state); });
  }

  std::size_t rejected = 0;

 private:
  struct Client {
    History& history;
    std::latch& all;
    std::mt19937_64 random;
    std::size_t number;
    std::vector<Operation> sent = {};
  };

  /// Sends the client's next command when the one before is answered: on the decision thread.
  void next(Client& client) {
    if (client.sent.size() == commands_each) return client.all.count_down();
    Operation& operation = client.sent.emplace_back();
    const std::uint64_t kind = client.random() % 10;
    operation.what = kind < 4   ? Operation::What::deposit
                     : kind < 8 ? Operation::What::withdraw
                                : Operation::What::transfer;
    operation.account = client.random() % accounts;
    operation.other = 1 - operation.account;
    operation.amount = static_cast<std::int64_t>(1 + client.random() % 6);
    operation.when.called = clock_.fetch_add(1);
    processors_[client.number % 2]->submit(call_for(operation, prefix_),
                                           [this, &client](CommandResult result) {
                                             Operation& answered = client.sent.back();
                                             answered.when.returned = clock_.fetch_add(1);
                                             note(answered, result);
                                             next(client);
                                           });
  }

  std::array<CommandProcessor*, 2> processors_;
  std::string prefix_;
  std::uint64_t seed_;
  std::atomic<std::uint64_t> clock_{1};
};

struct Tally {
  int histories = 0, violated = 0, undecided = 0;
  std::size_t rejected = 0;
  std::uint64_t conflicts = 0;
};

/// Plays up to `count` histories on `store`, or to the first violation.
Tally play(EventStore& store, int count, bool stop_at_violation = false) {
  const ProcessorParts parts{.store = &store, .clock = &system_clock()};
  CommandProcessor left{parts};
  CommandProcessor right{parts};
  Tally tally;
  for (int i = 0; i < count; ++i) {
    History history{left, right, "h" + std::to_string(i) + "-", static_cast<std::uint64_t>(i) * 97};
    const testing::Verdict verdict = history.play();
    ++tally.histories;
    tally.rejected += history.rejected;
    if (verdict == testing::Verdict::violated) ++tally.violated;
    if (verdict == testing::Verdict::undecided) ++tally.undecided;
    if (stop_at_violation && tally.violated > 0) break;
  }
  tally.conflicts = left.stats().conflicts + right.stats().conflicts;
  return tally;
}

void expect_sound(const Tally& tally) {
  EXPECT_EQ(tally.violated, 0);
  EXPECT_EQ(tally.undecided, 0);
  EXPECT_GT(tally.rejected, 500U);   // Rejections are judged as well,
  EXPECT_GT(tally.conflicts, 500U);  // and the processors did meet.
}

TEST(Histories, AreLinearizableOnTheMemoryStore) {
  const auto store = make_memory_store();
  testing::SlowStore slow{*store};
  expect_sound(play(slow, 2'000));
}

TEST(Histories, AreLinearizableOnTheEmbeddedStore) {
  const auto disk = testing::on_disk();
  expect_sound(play(disk->store(), 1'000));
}

TEST(Histories, AreFoundWrongWhenTheStoreIgnoresTheTip) {
  const auto store = make_memory_store();
  testing::SlowStore slow{*store};
  testing::CarelessStore careless{slow, testing::CarelessStore::Ignores::tip};
  EXPECT_GT(play(careless, 5'000, true).violated, 0);
}

TEST(Histories, AreFoundWrongWhenTheStoreIgnoresWhatIsExpected) {
  const auto store = make_memory_store();
  testing::SlowStore slow{*store};
  testing::CarelessStore careless{slow, testing::CarelessStore::Ignores::everything};
  EXPECT_GT(play(careless, 5'000, true).violated, 0);
}

}  // namespace
}  // namespace stele::decide
