// What full text costs the history while it catches up, and what a search costs then.
//
//   history_bench [EVENTS] [ACCOUNTS] [ROUNDS]
//
// The same events are projected with and without full text, in turns in one run. Half of them are
// of one account, the others of as many as told; a reference is two of 5,000 words, as often as
// words are in a language: a few often, most seldom. Then searches are timed.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "bank/read_models.h"
#include "observe/logger.h"
#include "projection/engine.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/testing/scratch_folder.h"
#include "query/sqlite_reader.h"
#include "stele/event_store.h"

namespace bank {
namespace {

constexpr std::size_t words_count = 5'000;
constexpr std::chrono::minutes catch_up_max{10};
constexpr int searches_each = 20;

struct PlainHistory {  // The history without its words.
  static constexpr auto name = "plain_history";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  using Events = TransactionHistory::Events;
  using Row = TransactionHistory::Row;
  static constexpr const auto& indexes = TransactionHistory::indexes;
  template <typename E>
  static stele::Rows<Row> map(const E& e, const stele::At& at) {
    return TransactionHistory::map(e, at);
  }
};

struct Size {
  std::uint64_t events = 200'000;
  std::uint64_t accounts = 5'000;
  int rounds = 3;
};

std::string word(std::mt19937_64& random) {
  const double place = static_cast<double>(random() % 1'000'000 + 1) / 1'000'000;
  return "word" + std::to_string(static_cast<int>(std::pow(words_count, place)));
}

void fill(stele::EventStore& store, const Size& size) {
  constexpr std::uint64_t events_each = 32;
  std::mt19937_64 random{5};
  const Currency usd = Currency::find("USD").value();
  for (std::uint64_t i = 0; i < size.events; i += events_each) {
    std::vector<std::string> data;
    for (std::uint64_t e = 0; e < events_each; ++e) {
      data.push_back(stele::to_json(MoneyDeposited{.amount = Money{500, usd},
                                                   .balance_after = Money{500, usd},
                                                   .reference = word(random) + " " + word(random)})
                         .value());
    }
    std::vector<stele::NewEvent> events;
    for (const std::string& each : data) events.push_back({.type = "MoneyDeposited", .data = each});
    const bool of_the_large_one = (i / events_each) % 2 == 0;
    const std::string stream =
        of_the_large_one ? "account-large" : "account-" + std::to_string(random() % size.accounts);
    const stele::StreamAppend append{.stream = stream, .events = events};
    if (!store.append({.streams = {&append, 1}})) std::abort();
  }
}

std::uintmax_t bytes_below(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder}) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

// Microseconds of processor time for each event, of this process.
template <typename P>
double catch_up(stele::EventStore& store, const std::filesystem::path& folder) {
  const std::clock_t begun = std::clock();
  {
    stele::projection::Engine engine{store, stele::system_clock(), stele::observe::null_logger()};
    if (!engine.add(stele::make_map<P>(), stele::projection::make_sqlite_generations(folder))) {
      std::abort();
    }
    engine.start();
    if (!engine.wait_until(P::name, store.log_end(), catch_up_max)) std::abort();
    engine.stop();
  }
  const double seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  return seconds * 1e6 / static_cast<double>(stele::number(store.log_end()));
}

void time_searches(const std::filesystem::path& folder) {
  const stele::ReadModel<TransactionHistory> history{
      stele::query::make_sqlite_reader(folder, stele::make_map<TransactionHistory>()->spec())};
  for (const char* account : {"7", "large"}) {
    for (const char* search :
         {"word1", "word4999", "word1 word2", "\"word1 word2\"", "word49*", "deposit"}) {
      const stele::Select select{.where = {{"account_id", stele::Compare::equal, account}},
                                 .order_by = {"timestamp", "version"},
                                 .descending = true,
                                 .search = search};
      std::vector<double> times;
      std::size_t found = 0;
      for (int i = 0; i < searches_each; ++i) {
        const auto begun = std::chrono::steady_clock::now();
        found = history.select(select).value().rows.size();
        times.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
                .count());
      }
      std::ranges::sort(times);
      std::printf("account %-6s q=%-16s %4zu rows  median %7.2f ms\n", account, search, found,
                  times[times.size() / 2]);
    }
  }
}

int run(int argc, char** argv) {
  Size size;
  if (argc > 1) size.events = std::strtoull(argv[1], nullptr, 10);
  if (argc > 2) size.accounts = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) size.rounds = std::atoi(argv[3]);
  const auto store = stele::make_memory_store();
  fill(*store, size);
  for (int round = 1; round <= size.rounds; ++round) {
    const stele::projection::testing::ScratchFolder plain;
    const stele::projection::testing::ScratchFolder words;
    const double without = catch_up<PlainHistory>(*store, plain.path());
    const double with = catch_up<TransactionHistory>(*store, words.path());
    const double events = static_cast<double>(stele::number(store->log_end()));
    std::printf(
        "without %6.2f us CPU, %4.0f bytes an event   with %6.2f us CPU, %4.0f bytes an "
        "event   ratio %.2f\n",
        without, static_cast<double>(bytes_below(plain.path())) / events, with,
        static_cast<double>(bytes_below(words.path())) / events, with / without);
    if (round == size.rounds) time_searches(words.path());
  }
  return 0;
}

}  // namespace
}  // namespace bank

int main(int argc, char** argv) { return bank::run(argc, argv); }
