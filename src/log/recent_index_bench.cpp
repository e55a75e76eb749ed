// What a key costs in the index of an open segment, and what a read costs from a sealed one, on the
// real disk with warm pages. Run: log_bench [folder]; the folder (default /tmp/stele-log-bench) is
// emptied and filled.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "log/recent_index.h"
#include "log/seal_segment.h"
#include "log/sealed_segment.h"
#include "log/testing/sealed_log.h"

namespace stele::log {
namespace {

constexpr std::uint64_t salt = 1;
constexpr std::uint64_t index_events = 250'000;  // About what a segment holds.

struct Random {
  std::uint64_t state = 1;
  std::uint64_t operator()() {
    state = state * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    return state ^ state >> 29;
  }
  std::uint64_t operator()(std::uint64_t n) { return ((*this)() >> 20) % n; }
};

IndexedEvent event_of(Random& random, std::vector<KeyHash>& tags) {
  tags = {0x77'0000'0000'0000ULL + random(1'000) * 0x9E37'79B9'7F4A'7C15ULL};
  return {.stream = (1 + random(index_events / 10)) * 0x9E37'79B9'7F4A'7C15ULL,
          .category = 11,
          .type = 21 + random(2),
          .tags = tags,
          .version = Version{1},
          .tip = Tip{2}};
}

RecentIndex filled_index() {
  RecentIndex index;
  Random random;
  std::vector<KeyHash> tags;
  for (std::uint64_t i = 0; i < index_events; ++i) {
    const IndexedEvent event = event_of(random, tags);
    index.add_frame(random(), 4'096, {&event, 1});
  }
  return index;
}

// One event: an append id, a stream, a category, a type, a tag.
void add_frames(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::vector<IndexedEvent> events(batch);
  std::vector<std::vector<KeyHash>> tags(batch);
  std::vector<KeyHash> ids(batch);
  RecentIndex index;
  Random random;
  for (auto _ : state) {
    if (index.size() + batch > index_events) {
      state.PauseTiming();
      index = RecentIndex{};
      state.ResumeTiming();
    }
    for (std::size_t i = 0; i < batch; ++i) {
      events[i] = event_of(random, tags[i]);
      ids[i] = random();
      index.prefetch(events[i]);
      index.prefetch_append(ids[i]);
    }
    for (std::size_t i = 0; i < batch; ++i) index.add_frame(ids[i], 4'096, {&events[i], 1});
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}
BENCHMARK(add_frames)->Arg(1)->Arg(16)->Arg(128);

void find_streams(benchmark::State& state) {
  const RecentIndex index = filled_index();
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::vector<KeyHash> keys(batch);
  Random random;
  for (auto _ : state) {
    for (KeyHash& key : keys) {
      key = (1 + random(index_events / 10)) * 0x9E37'79B9'7F4A'7C15ULL;
      index.prefetch_stream(key);
    }
    for (const KeyHash key : keys) benchmark::DoNotOptimize(index.find_stream(key));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}
BENCHMARK(find_streams)->Arg(1)->Arg(16)->Arg(128);

void find_absent_appends(benchmark::State& state) {
  const RecentIndex index = filled_index();
  Random random{99};
  std::vector<Ordinal> found;
  for (auto _ : state) {
    index.find_append(random(), found);
    benchmark::DoNotOptimize(found.data());
  }
}
BENCHMARK(find_absent_appends);

// ---- Sealed segments
// -----------------------------------------------------------------------------

std::string& folder() {
  static std::string path = "/tmp/stele-log-bench";
  return path;
}

enum class Payload { random, json };

std::string payload(Payload kind, Random& random) {
  std::string text;
  while (text.size() < 256) {
    if (kind == Payload::random) {
      text.push_back(static_cast<char>(random()));
    } else {
      text += "{\"amount\":\"" + std::to_string(random(100'000)) + "\",\"account\":\"" +
              std::to_string(random(1'000'000)) + "\",\"reason\":\"salary\"},";
    }
  }
  text.resize(256);
  return text;
}

struct Bench {
  std::unique_ptr<Disk> disk = make_real_disk();
  std::shared_ptr<BlockCache> cache = std::make_shared<BlockCache>();
  std::shared_ptr<const SealedSegment> segment = nullptr;
  std::size_t streams = 0;
};

// Streams of ten, told round by round, so that a stream's events lie far apart.
Bench& sealed(Payload kind) {
  static Bench benches[2];
  Bench& bench = benches[static_cast<std::size_t>(kind)];
  if (bench.segment != nullptr) return bench;
  const std::string path = folder() + (kind == Payload::random ? "/random" : "/json");
  std::filesystem::remove_all(path);
  testing::OpenSegmentWriter writer{*bench.disk, path, Position{1}, salt};
  Random random;
  bench.streams = 18'000;
  for (std::size_t i = 0; i < bench.streams * 10; ++i) {
    writer.append({{.stream = "account-" + std::to_string(i % bench.streams),
                    .type = i % 3 == 0 ? "MoneyWithdrawn" : "MoneyDeposited",
                    .data = payload(kind, random)}});
  }
  const auto report = seal_segment(*bench.disk, writer.finish(), nullptr);
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    std::abort();
  }
  std::fprintf(stderr, "%s: %.1f MB of frames, %.1f MB sealed, %.2f bytes of index an event\n",
               path.c_str(), static_cast<double>(report->size_before) / 1e6,
               static_cast<double>(report->size_after) / 1e6,
               static_cast<double>(report->index_size) / static_cast<double>(bench.streams * 10));
  bench.segment = *SealedSegment::open(*bench.disk, path, Position{1}, bench.cache);
  return bench;
}

void scan_sealed(benchmark::State& state) {
  const auto& segment = *sealed(static_cast<Payload>(state.range(0))).segment;
  std::int64_t events = 0;
  std::vector<EventView> views;
  for (auto _ : state) {
    for (Ordinal at = 0; at < segment.info().events;) {
      const auto blocks = *segment.run_with(at, 1'000);
      const BlockPtr& block = blocks.front();
      views.clear();
      for (const FrameRef& ref : block->frames) {
        const auto frame = FrameView::parse(block->view().subspan(ref.offset), log_seed(salt),
                                            FrameView::Check::known);
        EventCursor cursor = frame->events();
        EventView event;
        while (cursor.next(event)) views.push_back(event);
      }
      benchmark::DoNotOptimize(views.data());
      events += static_cast<std::int64_t>(views.size());
      at = block->end;
    }
  }
  state.SetItemsProcessed(events);
}
BENCHMARK(scan_sealed)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void read_streams_of_ten(benchmark::State& state) {
  const Bench& bench = sealed(static_cast<Payload>(state.range(0)));
  Random random;
  for (auto _ : state) {
    const std::string name = "account-" + std::to_string(random(bench.streams));
    const auto found =
        bench.segment->collect({.streams = {key_hash(salt, KeyKind::stream, name)}}, 0, 100);
    for (const Ordinal ordinal : found->ordinals) {
      benchmark::DoNotOptimize(bench.segment->frame_with(ordinal));
    }
  }
  state.SetItemsProcessed(state.iterations() * 10);
}
BENCHMARK(read_streams_of_ten)->Arg(0)->Arg(1);

void find_absent_streams_sealed(benchmark::State& state) {
  const Bench& bench = sealed(Payload::random);
  Random random;
  for (auto _ : state) {
    benchmark::DoNotOptimize(bench.segment->last_of(random()));
  }
}
BENCHMARK(find_absent_streams_sealed);

void open_sealed(benchmark::State& state) {
  Bench& bench = sealed(Payload::random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SealedSegment::open(*bench.disk, folder() + "/random", Position{1}, bench.cache));
  }
}
BENCHMARK(open_sealed);

}  // namespace
}  // namespace stele::log

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc > 1) stele::log::folder() = argv[1];
  benchmark::RunSpecifiedBenchmarks();
}
