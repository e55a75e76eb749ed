#include "bench_read.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bench_parts.h"
#include "bench_read_data.h"
#include "stele/limits.h"
#include "store/embedded/embedded_store.h"

namespace stele::bench {
namespace {

using store::EmbeddedStore;

constexpr std::uint64_t events_min = 1'000;
constexpr std::uint64_t events_max = 100'000'000;
constexpr std::uint64_t cache_mib_max = 65'536;
constexpr int scans = 3;
constexpr int clean_openings = 3;
constexpr double stream_seconds = 1.5;
constexpr auto seal_timeout = std::chrono::seconds{60};
constexpr auto seal_poll = std::chrono::milliseconds{20};

// The same pseudo-random order of streams for both stores.
class Picks {
 public:
  explicit Picks(std::uint64_t streams) : streams_{streams} {}
  std::uint64_t next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state_ >> 33) % streams_;
  }

 private:
  std::uint64_t streams_;
  std::uint64_t state_ = 1;
};

// Reads bytes so that a reader that only hands out addresses gains nothing.
std::uint64_t touch(std::string_view bytes) {
  std::uint64_t sum = bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += 64) sum += static_cast<unsigned char>(bytes[i]);
  return sum;
}

Result<double> scan_log(const EventStore& store) {
  const auto start = Steady::now();
  std::uint64_t events = 0;
  std::uint64_t sum = 0;
  Position after{};
  while (true) {
    const auto page = store.read_all(after, Filter{}, limits::read_events_max);
    if (!page) return std::unexpected{page.error()};
    for (const EventView& event : page->events) sum += touch(event.data) + touch(event.stream);
    events += page->events.size();
    after = page->looked_to;
    if (after >= page->log_end) break;
  }
  if (sum == 0) return fail(Errc::internal, "The scan of the log read nothing.");
  return static_cast<double>(events) / seconds_since(start);
}

Result<double> streams_of_log(const EventStore& store, const Interleaving& layout) {
  Picks picks{layout.streams()};
  const auto start = Steady::now();
  std::uint64_t events = 0;
  std::uint64_t sum = 0;
  while (seconds_since(start) < stream_seconds) {
    const auto page =
        store.read_stream(stream_name(picks.next()), Version{}, stream_events, Direction::forward);
    if (!page) return std::unexpected{page.error()};
    if (page->events.size() != stream_events) {
      return fail(Errc::internal, "A stream of the benchmark holds " +
                                      std::to_string(page->events.size()) + " events, not 10.");
    }
    for (const EventView& event : page->events) sum += touch(event.data) + touch(event.stream);
    events += page->events.size();
  }
  if (sum == 0) return fail(Errc::internal, "The stream reads read nothing.");
  return static_cast<double>(events) / seconds_since(start);
}

constexpr std::string_view columns =
    "position, id, append_id, stream, version, type, tags, metadata, recorded_at, data";

// Takes every column, as an event does; returns the rows.
Result<std::uint64_t> take_rows(sqlite::Statement& rows, std::uint64_t& sum) {
  std::uint64_t count = 0;
  while (true) {
    const auto row = rows.step();
    if (!row) return std::unexpected{row.error()};
    if (!*row) return count;
    ++count;
    sum += touch(rows.text(3)) + touch(rows.blob(9)) + rows.blob(1).size() + rows.blob(2).size() +
           rows.text(5).size() + rows.text(6).size() + rows.text(7).size() +
           static_cast<std::uint64_t>(rows.int64(0) + rows.int64(4) + rows.int64(8));
  }
}

Result<double> scan_sqlite(sqlite::Database& database) {
  auto rows = database.prepare("SELECT " + std::string{columns} + " FROM events ORDER BY position");
  if (!rows) return std::unexpected{rows.error()};
  const auto start = Steady::now();
  std::uint64_t sum = 0;
  const auto count = take_rows(*rows, sum);
  if (!count) return std::unexpected{count.error()};
  return static_cast<double>(*count) / seconds_since(start);
}

Result<double> streams_of_sqlite(sqlite::Database& database, const Interleaving& layout) {
  auto rows = database.prepare("SELECT " + std::string{columns} +
                               " FROM events WHERE stream = ? ORDER BY version");
  if (!rows) return std::unexpected{rows.error()};
  Picks picks{layout.streams()};
  const auto start = Steady::now();
  std::uint64_t events = 0;
  std::uint64_t sum = 0;
  while (seconds_since(start) < stream_seconds) {
    const std::string name = stream_name(picks.next());
    rows->reset();
    rows->bind(0, std::string_view{name});
    const auto count = take_rows(*rows, sum);
    if (!count) return std::unexpected{count.error()};
    events += *count;
  }
  return static_cast<double>(events) / seconds_since(start);
}

Result<std::unique_ptr<EmbeddedStore>> open_store(const std::string& folder,
                                                  const BenchReadOptions& options) {
  EmbeddedStore::Setup setup;
  setup.data = folder;
  setup.options.block_cache_size = options.cache_mib * 1'024 * 1'024;
  return EmbeddedStore::open(std::move(setup));
}

// In a process of its own, which ends as a kill ends it: nothing is closed.
int fill_and_die(const std::string& folder, const Interleaving& layout,
                 const BenchReadOptions& options) {
  auto store = open_store(folder, options);
  if (!store) {
    std::fprintf(stderr, "stele: %s\n", store.error().message.c_str());
    return 1;
  }
  const auto done = fill_log(**store, layout, options.payload, number((*store)->log_end()));
  if (!done) {
    std::fprintf(stderr, "stele: %s\n", done.error().message.c_str());
    return 1;
  }
  (void)::kill(::getpid(), SIGKILL);
  return 1;
}

Result<void> fill(const std::string& folder, const Interleaving& layout,
                  const BenchReadOptions& options) {
  const pid_t child = ::fork();
  if (child < 0) return fail(Errc::unavailable, "The process that fills the log cannot be made.");
  if (child == 0) ::_exit(fill_and_die(folder, layout, options));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return {};
  return fail(Errc::unavailable, "The process that fills the log failed; see above.");
}

struct Opened {
  std::unique_ptr<EmbeddedStore> store;
  double ms = 0;
};

Result<Opened> timed_open(const std::string& folder, const Interleaving& layout,
                          const BenchReadOptions& options) {
  const auto start = Steady::now();
  auto store = open_store(folder, options);
  if (!store) return std::unexpected{store.error()};
  const auto first = (*store)->read_stream(stream_name(layout.streams() / 2), Version{},
                                           stream_events, Direction::forward);
  if (!first) return std::unexpected{first.error()};
  return Opened{.store = std::move(*store), .ms = seconds_since(start) * 1'000};
}

void wait_for_sealing(const EmbeddedStore& store) {
  const auto until = Steady::now() + seal_timeout;
  while (store.stats().unsealed_segments > 1 && Steady::now() < until) {
    std::this_thread::sleep_for(seal_poll);
  }
}

// What the system counts as this process's memory now.
double resident_mib() {
  std::ifstream status{"/proc/self/status"};
  std::string line;
  constexpr std::string_view name = "VmRSS:";
  while (std::getline(status, line)) {
    if (!line.starts_with(name)) continue;
    const std::size_t digits = line.find_first_of("0123456789");
    double kib = 0;
    if (digits == std::string::npos) break;
    std::from_chars(line.data() + digits, line.data() + line.size(), kib);
    return kib / 1'024;
  }
  return 0;
}

// Segments that have an index beside them are sealed.
void measure_files(const std::string& folder, std::uint64_t events, BenchReadReport& report) {
  std::error_code error;
  double size = 0;
  std::uint64_t first_open = 1;
  for (const auto& entry : std::filesystem::directory_iterator{folder + "/log", error}) {
    std::filesystem::path index = entry.path();
    if (index.extension() != ".seg") continue;
    const std::string name = index.stem().string();
    if (std::filesystem::exists(index.replace_extension(".idx"))) {
      size += static_cast<double>(entry.file_size() + std::filesystem::file_size(index));
    } else {
      std::uint64_t first = 0;
      std::from_chars(name.data(), name.data() + name.size(), first);
      first_open = first_open == 1 ? first : std::min(first_open, first);
    }
  }
  report.unsealed_events = static_cast<double>(events - (first_open - 1));
  const auto sealed = static_cast<double>((first_open - 1) * event_data_size);
  report.stored_ratio = sealed > 0 ? size / sealed : 0;
}

Result<void> measure_openings(const std::string& folder, const Interleaving& layout,
                              const BenchReadOptions& options, BenchReadReport& report) {
  auto killed = timed_open(folder, layout, options);
  if (!killed) return std::unexpected{killed.error()};
  report.open_after_kill_ms = killed->ms;
  wait_for_sealing(*killed->store);
  killed->store.reset();
  std::array<double, clean_openings> times{};
  for (double& ms : times) {
    const auto opened = timed_open(folder, layout, options);
    if (!opened) return std::unexpected{opened.error()};
    ms = opened->ms;
    if (report.resident_open_mib == 0) report.resident_open_mib = resident_mib();
  }
  std::ranges::sort(times);
  report.open_ms = times[times.size() / 2];
  return {};
}

Result<void> measure_log(const std::string& folder, const Interleaving& layout,
                         const BenchReadOptions& options, BenchReadReport& report) {
  if (auto done = fill(folder, layout, options); !done) return done;
  if (auto done = measure_openings(folder, layout, options, report); !done) return done;
  auto opened = timed_open(folder, layout, options);
  if (!opened) return std::unexpected{opened.error()};
  const EventStore& store = *opened->store;
  for (int i = 0; i < scans; ++i) {
    const auto rate = scan_log(store);
    if (!rate) return std::unexpected{rate.error()};
    report.scan_events_per_second = std::max(report.scan_events_per_second, *rate);
  }
  const auto warm = streams_of_log(store, layout);  // What it reads is in memory for the next.
  if (!warm) return std::unexpected{warm.error()};
  const auto rate = streams_of_log(store, layout);
  if (!rate) return std::unexpected{rate.error()};
  report.stream_events_per_second = *rate;
  report.resident_read_mib = resident_mib();
  measure_files(folder, layout.events(), report);
  return {};
}

Result<void> measure_sqlite(const std::string& path, const Interleaving& layout,
                            const BenchReadOptions& bench, BenchReadReport& report) {
  sqlite::Options options;
  options.synchronous = sqlite::Synchronous::off;  // Only reading is measured.
  options.cache_kib = static_cast<int>(bench.cache_mib) * 1'024;
  auto database = sqlite::Database::open(path, options);
  if (!database) return std::unexpected{database.error()};
  if (auto done = fill_sqlite(**database, layout, bench.payload); !done) return done;
  for (int i = 0; i < scans; ++i) {
    const auto rate = scan_sqlite(**database);
    if (!rate) return std::unexpected{rate.error()};
    report.sqlite_scan_events_per_second = std::max(report.sqlite_scan_events_per_second, *rate);
  }
  const auto warm = streams_of_sqlite(**database, layout);
  if (!warm) return std::unexpected{warm.error()};
  const auto rate = streams_of_sqlite(**database, layout);
  if (!rate) return std::unexpected{rate.error()};
  report.sqlite_stream_events_per_second = *rate;
  return {};
}

}  // namespace

Result<BenchReadReport> bench_read(const BenchReadOptions& options) {
  if (options.events < events_min || options.events > events_max) {
    return fail(Errc::invalid, "--events must be " + std::to_string(events_min) + " to " +
                                   std::to_string(events_max) + ".");
  }
  if (options.cache_mib < 1 || options.cache_mib > cache_mib_max) {
    return fail(Errc::invalid, "--cache-mib must be 1 to " + std::to_string(cache_mib_max) + ".");
  }
  auto folder = WorkFolder::make(options.data);
  if (!folder) return std::unexpected{folder.error()};
  const Interleaving layout{options.events};
  BenchReadReport report;
  auto done = measure_log(folder->path() + "/log", layout, options, report);
  if (!done) return std::unexpected{done.error()};
  if (options.sqlite) {
    done = measure_sqlite(folder->path() + "/events.sqlite", layout, options, report);
    if (!done) return std::unexpected{done.error()};
  }
  return report;
}

}  // namespace stele::bench
