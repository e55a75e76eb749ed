#include "bench_read.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "bench_parts.h"
#include "drivers/sqlite/sqlite.h"
#include "stele/limits.h"

namespace stele::bench {
namespace {

constexpr std::uint64_t stream_events = 10;           // Events of one stream.
constexpr std::uint64_t streams_interleaved = 1'000;  // Streams that are written in turns.
constexpr std::size_t data_size = 256;                // Bytes.
constexpr std::uint64_t events_min = 1'000;
constexpr std::uint64_t events_max = 100'000'000;
constexpr std::size_t on_their_way_max = 2'000;  // Appends.
constexpr std::uint64_t sqlite_batch = 10'000;   // Events in one transaction.
constexpr int scans = 3;
constexpr double stream_seconds = 1.5;
constexpr auto take_timeout = std::chrono::seconds{30};

// Which stream the event at `index` (from 0) belongs to, and its version there. Streams are written
// in turns, `streams_interleaved` at a time.
struct Place {
  std::uint64_t stream = 0;
  std::uint64_t version = 0;
};

class Layout {
 public:
  explicit Layout(std::uint64_t events) {
    const std::uint64_t wanted = (events + stream_events - 1) / stream_events;
    at_once_ = std::min(wanted, streams_interleaved);
    streams_ = (wanted + at_once_ - 1) / at_once_ * at_once_;
  }
  [[nodiscard]] std::uint64_t streams() const { return streams_; }
  [[nodiscard]] std::uint64_t events() const { return streams_ * stream_events; }
  [[nodiscard]] Place place(std::uint64_t index) const {
    const std::uint64_t round = at_once_ * stream_events;
    return {.stream = index / round * at_once_ + index % at_once_,
            .version = index % round / at_once_ + 1};
  }

 private:
  std::uint64_t at_once_ = 0;
  std::uint64_t streams_ = 0;
};

std::string stream_name(std::uint64_t stream) { return "bench-" + std::to_string(stream); }

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

Result<void> drain(CompletionQueue& queue, std::vector<Completion>& completions,
                   std::size_t& on_their_way) {
  if (queue.take(completions, take_timeout) == 0) {
    return fail(Errc::timed_out, "An append of the benchmark was not answered in 30 s.");
  }
  on_their_way -= completions.size();
  for (const Completion& completion : completions) {
    if (!completion.outcome) return std::unexpected{completion.outcome.error()};
  }
  return {};
}

Result<void> fill_log(EventStore& store, const Layout& layout, const std::string& data) {
  CompletionQueue queue;
  std::vector<Completion> completions;
  std::size_t on_their_way = 0;
  const std::array<std::string_view, 1> tags{"bench:read"};
  const NewEvent event{.type = "Measured", .data = data, .tags = tags};
  Result<void> result;
  for (std::uint64_t i = 0; i < layout.events() && result; ++i) {
    const std::string name = stream_name(layout.place(i).stream);
    const StreamAppend stream{.stream = name, .events = {&event, 1}};
    const AppendRequest request{.streams = {&stream, 1}};
    result = store.append_async(request, queue, i);
    on_their_way += result ? 1U : 0U;
    if (result && on_their_way >= on_their_way_max) {
      result = drain(queue, completions, on_their_way);
    }
  }
  while (on_their_way > 0) {
    auto done = drain(queue, completions, on_their_way);
    if (!done && result) result = std::move(done);
  }
  return result;
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

Result<double> streams_of_log(const EventStore& store, const Layout& layout) {
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

Result<void> fill_sqlite(sqlite::Database& database, const Layout& layout,
                         const std::string& data) {
  auto done = database.execute(
      "CREATE TABLE events (position INTEGER PRIMARY KEY, id BLOB NOT NULL, append_id BLOB NOT "
      "NULL, stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL, tags TEXT NOT "
      "NULL, metadata TEXT NOT NULL, recorded_at INTEGER NOT NULL, data BLOB NOT NULL);"
      "CREATE UNIQUE INDEX events_stream ON events (stream, version)");
  if (!done) return done;
  auto insert = database.prepare("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return std::unexpected{insert.error()};
  std::array<char, 16> id{};
  for (std::uint64_t i = 0; i < layout.events();) {
    auto transaction = sqlite::Transaction::begin(database);
    if (!transaction) return std::unexpected{transaction.error()};
    for (std::uint64_t n = 0; n < sqlite_batch && i < layout.events(); ++n, ++i) {
      const Place place = layout.place(i);
      const std::string name = stream_name(place.stream);
      const std::string_view id_bytes{id.data(), id.size()};
      insert->bind(0, static_cast<std::int64_t>(i + 1));
      insert->bind_blob(1, id_bytes);
      insert->bind_blob(2, id_bytes);
      insert->bind(3, std::string_view{name});
      insert->bind(4, static_cast<std::int64_t>(place.version));
      insert->bind(5, std::string_view{"Measured"});
      insert->bind(6, std::string_view{"bench:read"});
      insert->bind(7, std::string_view{""});
      insert->bind(8, static_cast<std::int64_t>(i));
      insert->bind_blob(9, data);
      if (auto ran = insert->run(); !ran) return ran;
    }
    if (auto committed = transaction->commit(); !committed) return committed;
  }
  return {};
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

Result<double> streams_of_sqlite(sqlite::Database& database, const Layout& layout) {
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

Result<void> measure_log(const std::string& folder, const Layout& layout, const std::string& data,
                         BenchReadReport& report) {
  {
    auto writing = open_log(folder);
    if (!writing) return std::unexpected{writing.error()};
    if (auto done = fill_log(*writing->store, layout, data); !done) return done;
  }
  const auto start = Steady::now();
  auto opened = open_log(folder);
  if (!opened) return std::unexpected{opened.error()};
  const EventStore& store = *opened->store;
  const auto first = store.read_stream(stream_name(layout.streams() / 2), Version{}, stream_events,
                                       Direction::forward);
  if (!first) return std::unexpected{first.error()};
  report.open_ms = seconds_since(start) * 1'000;
  for (int i = 0; i < scans; ++i) {
    const auto rate = scan_log(store);
    if (!rate) return std::unexpected{rate.error()};
    report.scan_events_per_second = std::max(report.scan_events_per_second, *rate);
  }
  const auto rate = streams_of_log(store, layout);
  if (!rate) return std::unexpected{rate.error()};
  report.stream_events_per_second = *rate;
  return {};
}

Result<void> measure_sqlite(const std::string& path, const Layout& layout, const std::string& data,
                            BenchReadReport& report) {
  sqlite::Options options;
  options.synchronous = sqlite::Synchronous::off;  // Only reading is measured.
  options.cache_kib = 512 * 1'024;                 // All of it in memory, as the log has it.
  auto database = sqlite::Database::open(path, options);
  if (!database) return std::unexpected{database.error()};
  if (auto done = fill_sqlite(**database, layout, data); !done) return done;
  for (int i = 0; i < scans; ++i) {
    const auto rate = scan_sqlite(**database);
    if (!rate) return std::unexpected{rate.error()};
    report.sqlite_scan_events_per_second = std::max(report.sqlite_scan_events_per_second, *rate);
  }
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
  auto folder = WorkFolder::make(options.data);
  if (!folder) return std::unexpected{folder.error()};
  const Layout layout{options.events};
  const std::string data = payload(data_size, 1);
  BenchReadReport report;
  auto done = measure_log(folder->path() + "/log", layout, data, report);
  if (!done) return std::unexpected{done.error()};
  done = measure_sqlite(folder->path() + "/events.sqlite", layout, data, report);
  if (!done) return std::unexpected{done.error()};
  return report;
}

}  // namespace stele::bench
