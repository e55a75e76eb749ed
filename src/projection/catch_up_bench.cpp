// How fast two projections catch up, beside a bare loop of prepared statements that writes the same
// rows into the same tables with the same indexes, in turns in one run.
//
//   catch_up_bench [EVENTS] [STREAMS] [ROUNDS]
//
// The bare loop knows its rows beforehand: it reads no log and decodes nothing. It writes what a
// hand-written projector would: for each event one upsert of the summary and one insert of the
// history, in transactions of as many events as the engine's batches.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "drivers/sqlite/sqlite.h"
#include "observe/logger.h"
#include "projection/engine.h"
#include "projection/sqlite/sqlite_generations.h"
#include "projection/sqlite/sqlite_sink.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"

namespace stele::projection::testing {
namespace {

using Seconds = std::chrono::duration<double>;

struct Size {
  std::uint64_t events = 200'000;
  std::uint64_t streams = 20'000;
  int rounds = 5;
};

std::uint64_t stream_of(const Size& size, std::uint64_t i) {
  return (i * 0x9E3779B97F4A7C15ULL >> 20) % size.streams;
}

void fill(EventStore& store, const Size& size) {
  constexpr std::uint64_t events_each = 64;
  for (std::uint64_t i = 0; i < size.events; i += events_each) {
    std::vector<std::string> names;
    std::vector<StreamAppend> appends;
    const NewEvent event{.type = "Paid", .data = R"({"amount":5,"day":"2026-01-01T00:00:00Z"})"};
    names.reserve(events_each);
    for (std::uint64_t e = 0; e < events_each && i + e < size.events; ++e) {
      const std::string name = "account-" + std::to_string(stream_of(size, i + e));
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    for (const std::string& name : names)
      appends.push_back({.stream = name, .events = {&event, 1}});
    if (!store.append({.streams = appends})) std::abort();
  }
}

/// How long a run took, by the wall and by the processor: the second is what a busy machine leaves
/// comparable.
struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;
};

class Stopwatch {
 public:
  [[nodiscard]] Cost read() const {
    return {Seconds{std::chrono::steady_clock::now() - begin_}.count(),
            static_cast<double>(std::clock() - cpu_begin_) / CLOCKS_PER_SEC};
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::clock_t cpu_begin_ = std::clock();
};

Cost run_engine(EventStore& store) {
  const ScratchFolder folder;
  Engine engine{store, system_clock(), observe::null_logger()};
  if (!engine.add(make_fold<Sums>(), make_sqlite_generations(folder.path()))) std::abort();
  if (!engine.add(make_map<Payments>(), make_sqlite_generations(folder.path()))) std::abort();
  const Stopwatch watch;
  engine.start();
  for (const char* name : {"sums", "payments"}) {
    if (!engine.wait_until(name, store.log_end(), std::chrono::minutes{10})) std::abort();
  }
  return watch.read();
}

struct BareRow {
  std::string account;
  std::string event_id;
  std::int64_t sum = 0;
  std::int64_t version = 0;
};

std::vector<BareRow> known_rows(const EventStore& store) {
  std::vector<BareRow> rows;
  std::map<std::string, std::int64_t, std::less<>> sums;
  for (Position after{}; after < store.log_end();) {
    const auto page = store.read_all(after, {}, 1'000).value();
    for (const EventView& event : page.events) {
      std::string account{id_of(event.stream)};
      const std::int64_t sum = sums[account] += 5;
      rows.push_back({std::move(account), event.id.text(), sum,
                      static_cast<std::int64_t>(number(event.version))});
    }
    after = page.looked_to;
  }
  return rows;
}

Cost run_bare(const std::vector<BareRow>& rows) {
  const ScratchFolder folder;
  const auto fold = make_fold<Sums>();
  const auto map = make_map<Payments>();
  for (const ProjectionSpec& spec : {fold->spec(), map->spec()}) {
    if (!make_sqlite_sink(folder.path())->open(spec)) std::abort();
  }
  const auto open = [&](const ProjectionSpec& spec) {
    return sqlite::Database::open(
               sqlite_file(folder.path(), spec),
               {.synchronous = sqlite::Synchronous::normal, .cache_kib = 8 * 1'024})
        .value();
  };
  const Stopwatch watch;
  const auto sums = open(fold->spec());
  const auto payments = open(map->spec());
  auto upsert = sums->prepare(
                        "INSERT INTO sums VALUES(?,?,?,'',NULL,?,?,?,0) ON CONFLICT(row_key) DO "
                        "UPDATE SET row_version=excluded.row_version, "
                        "row_position=excluded.row_position, sum=excluded.sum, "
                        "count=excluded.count, last=excluded.last")
                    .value();
  auto insert = payments->prepare("INSERT INTO payments VALUES(?,?,?,?,5,?)").value();
  const std::size_t batch = EngineOptions{}.batch_events_max;
  for (std::size_t at = 0; at < rows.size(); at += batch) {
    auto first = sqlite::Transaction::begin(*sums).value();
    auto second = sqlite::Transaction::begin(*payments).value();
    for (std::size_t i = at; i < std::min(at + batch, rows.size()); ++i) {
      const BareRow& row = rows[i];
      const auto position = static_cast<std::int64_t>(i + 1);
      upsert.bind(0, std::string_view{row.account});
      upsert.bind(1, row.version);
      upsert.bind(2, position);
      upsert.bind(3, row.sum);
      upsert.bind(4, row.version);
      upsert.bind(5, position);
      insert.bind(0, std::string_view{row.event_id});
      insert.bind(1, row.version);
      insert.bind(2, position);
      insert.bind(3, std::string_view{row.account});
      insert.bind(4, row.version);
      if (!upsert.run() || !insert.run()) std::abort();
    }
    if (!first.commit() || !second.commit()) std::abort();
  }
  return watch.read();
}

int run(int argc, char** argv) {
  Size size;
  if (argc > 1) size.events = std::strtoull(argv[1], nullptr, 10);
  if (argc > 2) size.streams = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) size.rounds = std::atoi(argv[3]);
  const auto store = make_memory_store();
  fill(*store, size);
  const auto rows = known_rows(*store);
  const double events = static_cast<double>(rows.size());
  std::vector<double> ratios;
  for (int round = 0; round < size.rounds; ++round) {
    const Cost bare = run_bare(rows);
    const Cost ours = run_engine(*store);
    ratios.push_back(bare.seconds / ours.seconds);
    std::printf(
        "bare loop %8.0f events/s, %5.2f us CPU each   engine %8.0f events/s, %5.2f us CPU each   "
        "ratio %.2f\n",
        events / bare.seconds, bare.cpu_seconds * 1e6 / events, events / ours.seconds,
        ours.cpu_seconds * 1e6 / events, ratios.back());
  }
  std::ranges::sort(ratios);
  std::printf("median ratio %.2f over %zu events in %llu streams\n", ratios[ratios.size() / 2],
              rows.size(), static_cast<unsigned long long>(size.streams));
  return 0;
}

}  // namespace
}  // namespace stele::projection::testing

int main(int argc, char** argv) { return stele::projection::testing::run(argc, argv); }
