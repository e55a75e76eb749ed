// Goal: a read model is whole after its process was killed at any instant: its rows are exactly
// those of the events up to its checkpoint.
// Method: a child applies a fixed run of events in small batches, from wherever the checkpoint is,
// and is killed after a random time; the parent opens the file and compares; many times over.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "projection/sqlite/sqlite_sink.h"
#include "projection/testing/sample.h"
#include "projection/testing/scratch_folder.h"

namespace stele::projection::testing {
namespace {

constexpr std::uint64_t events_count = 200'000;
constexpr std::uint64_t batch_events = 17;
constexpr std::uint64_t accounts = 23;
constexpr int kills = 12;

std::string account_of(std::uint64_t position) {
  return std::to_string(position * position % accounts);
}

// Applies events after the checkpoint until killed.
void apply_forever(const std::filesystem::path& folder) {
  const auto fold = make_fold<Sums>();
  const auto sink = make_sqlite_sink(folder);
  const auto held = sink->open(fold->spec());
  if (!held) _exit(2);
  std::uint64_t position = *held ? number((*held)->position) : 0;
  while (position + batch_events <= events_count) {
    std::vector<std::string> streams;
    std::vector<EventView> events(batch_events);
    for (std::uint64_t i = 0; i < batch_events; ++i) {
      streams.push_back("account-" + account_of(position + i + 1));
    }
    std::vector<const EventView*> batch;
    for (std::uint64_t i = 0; i < batch_events; ++i) {
      events[i].position = Position{position + i + 1};
      events[i].version = Version{position + i + 1};
      events[i].stream = streams[i];
      events[i].type = "Paid";
      events[i].data = R"({"amount":1,"day":"2026-01-01"})";
      batch.push_back(&events[i]);
    }
    position += batch_events;
    Checkpoint checkpoint;
    checkpoint.position = Position{position};
    if (!sink->begin() || !fold->project(batch, *sink) || !sink->commit(checkpoint)) _exit(3);
  }
  _exit(0);
}

TEST(SqliteSinkCrash, HoldsExactlyTheEventsUpToItsCheckpointAfterEveryKill) {
  const ScratchFolder folder;
  const auto fold = make_fold<Sums>();
  std::mt19937_64 random{7};
  std::uint64_t last = 0;
  for (int i = 0; i < kills; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) apply_forever(folder.path());
    std::this_thread::sleep_for(std::chrono::microseconds{10'000 + random() % 40'000});
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);

    const auto sink = make_sqlite_sink(folder.path());
    const auto held = sink->open(fold->spec());
    ASSERT_TRUE(held) << held.error().message;
    const std::uint64_t position = *held ? number((*held)->position) : 0;
    ASSERT_GE(position, last);
    last = position;
    std::map<std::string, std::int64_t> expected;
    for (std::uint64_t p = 1; p <= position; ++p) ++expected[account_of(p)];
    ASSERT_TRUE(sink->begin());
    for (const auto& [key, count] : expected) {
      const std::string_view name = key;
      std::int64_t found = 0;
      ASSERT_TRUE(sink->load({&name, 1}, [&](std::size_t, const StoredRow& row) -> Result<void> {
        found = read_row<SumRow>(row.cells).value().count;
        return {};
      }));
      ASSERT_EQ(found, count) << "Account " << key << " at position " << position;
    }
    sink->abandon();
  }
  EXPECT_GT(last, 0U);
}

}  // namespace
}  // namespace stele::projection::testing
