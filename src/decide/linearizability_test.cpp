// The checker itself, on histories of a register whose verdict is known.

#include "decide/testing/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace stele::testing {
namespace {

struct Operation {
  Interval when;
  bool write = false;
  char value = '0';  // Written, or read.
};

Operation write(char value, std::uint64_t called, std::uint64_t returned) {
  return {.when = {.called = called, .returned = returned}, .write = true, .value = value};
}
Operation read(char value, std::uint64_t called, std::uint64_t returned) {
  return {.when = {.called = called, .returned = returned}, .value = value};
}

Verdict verdict(const std::vector<Operation>& operations, std::size_t most = 1'000'000) {
  std::vector<Interval> history;
  for (const Operation& each : operations) history.push_back(each.when);
  return check_linearizable(
      history, "0",
      [&](std::size_t i, std::string& state) {
        if (operations[i].write) state = operations[i].value;
        return operations[i].write || state[0] == operations[i].value;
      },
      most);
}

TEST(Linearizability, AcceptsWhatHappensOneAfterAnother) {
  EXPECT_EQ(verdict({}), Verdict::linearizable);
  EXPECT_EQ(verdict({read('0', 1, 2), write('1', 3, 4), read('1', 5, 6)}), Verdict::linearizable);
}

TEST(Linearizability, FindsAStaleRead) {
  EXPECT_EQ(verdict({write('1', 1, 2), read('0', 3, 4)}), Verdict::violated);
}

TEST(Linearizability, LetsAConcurrentReadSeeEitherValue) {
  EXPECT_EQ(verdict({write('1', 1, 4), read('0', 2, 3)}), Verdict::linearizable);
  EXPECT_EQ(verdict({write('1', 1, 4), read('1', 2, 3)}), Verdict::linearizable);
}

TEST(Linearizability, FindsTwoReadsThatDisagreeOnTheOrder) {
  // The first read has returned before the second is called: time may not go back.
  EXPECT_EQ(verdict({write('1', 1, 9), read('1', 2, 3), read('0', 4, 5)}), Verdict::violated);
  EXPECT_EQ(verdict({write('1', 1, 9), read('0', 2, 3), read('1', 4, 5)}), Verdict::linearizable);
}

TEST(Linearizability, FindsALostWrite) {
  EXPECT_EQ(verdict({write('1', 1, 2), write('2', 3, 4), read('1', 5, 6)}), Verdict::violated);
}

TEST(Linearizability, LetsAnUnknownAnswerHaveHappenedOrNotButNotBoth) {
  Operation lost = write('1', 1, 0);
  lost.when.unknown = true;
  EXPECT_EQ(verdict({lost, read('0', 3, 4)}), Verdict::linearizable);
  EXPECT_EQ(verdict({lost, read('1', 3, 4)}), Verdict::linearizable);
  EXPECT_EQ(verdict({lost, read('0', 3, 4), read('1', 5, 6)}), Verdict::linearizable);
  EXPECT_EQ(verdict({lost, read('1', 3, 4), read('0', 5, 6)}), Verdict::violated);
  EXPECT_EQ(verdict({read('1', 0, 0), lost}), Verdict::violated);  // Not before its call.
}

TEST(Linearizability, SaysUndecidedWhenItsSearchIsCutOff) {
  std::vector<Operation> operations;
  for (int i = 0; i < 10; ++i) operations.push_back(write('1', 1, 100));
  operations.push_back(read('2', 1, 100));
  EXPECT_EQ(verdict(operations, 10), Verdict::undecided);
  EXPECT_EQ(verdict(operations), Verdict::violated);
}

TEST(Linearizability, AcceptsEveryHistoryOfARealRegisterAndFindsAPlantedLie) {
  std::mt19937 random{1};
  int found = 0;
  for (int round = 0; round < 300; ++round) {
    // Each operation takes effect at its own instant; its interval is stretched around it.
    std::vector<Operation> operations;
    char value = '0';
    for (std::uint64_t i = 0; i < 24; ++i) {
      const std::uint64_t at = 100 * (i + 1);
      const std::uint64_t called = at - random() % 300 % at;
      const std::uint64_t returned = at + random() % 300;
      if (random() % 2 == 0) {
        value = static_cast<char>('1' + random() % 8);
        operations.push_back(write(value, called, returned));
      } else {
        operations.push_back(read(value, called, returned));
      }
    }
    std::shuffle(operations.begin(), operations.end(), random);
    ASSERT_EQ(verdict(operations), Verdict::linearizable) << round;
    const auto lie = std::find_if(operations.begin(), operations.end(),
                                  [](const Operation& each) { return !each.write; });
    if (lie == operations.end()) continue;
    lie->value = '9';  // Never written.
    ASSERT_EQ(verdict(operations), Verdict::violated) << round;
    ++found;
  }
  EXPECT_GT(found, 250);
}

}  // namespace
}  // namespace stele::testing
