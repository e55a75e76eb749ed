#include "bench_read_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

namespace stele::bench {
namespace {

constexpr std::uint64_t streams_interleaved = 1'000;  // Streams that are written in turns.
constexpr std::size_t on_their_way_max = 2'000;       // Appends.
constexpr std::uint64_t sqlite_batch = 10'000;        // Events in one transaction.
constexpr auto take_timeout = std::chrono::seconds{60};
constexpr auto overload_pause = std::chrono::milliseconds{20};
constexpr int overload_tries_max = 3'000;  // A minute.

std::uint64_t mix(std::uint64_t state) {
  state = (state ^ state >> 30) * 0xBF58'476D'1CE4'E5B9ULL;
  state = (state ^ state >> 27) * 0x94D0'49BB'1331'11EBULL;
  return state ^ state >> 31;
}

std::string random_data(std::uint64_t seed) {
  std::string data(event_data_size, '\0');
  for (std::size_t at = 0; at < data.size(); at += sizeof seed) {
    seed += 0x9E37'79B9'7F4A'7C15ULL;
    const std::uint64_t value = mix(seed);
    data.replace(at, sizeof value, reinterpret_cast<const char*>(&value), sizeof value);
  }
  return data;
}

std::string json_data(std::uint64_t seed) {
  const std::uint64_t a = mix(seed);
  const std::uint64_t b = mix(a);
  std::string data = fmt::format(
      R"({{"account":"acc-{:06}","counterparty":"acc-{:06}","amount":"{}.{:02}","currency":"{}",)"
      R"("reference":"{:016x}","bookedAt":"2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z","purpose":")",
      a % 1'000'000, b % 1'000'000, a % 10'000, b % 100, b % 3 == 0 ? "EUR" : "USD", a ^ b,
      a % 12 + 1, b % 28 + 1, a % 24, b % 60, (a >> 8) % 60, (b >> 8) % 1'000'000);
  constexpr std::array<std::string_view, 8> words{"rent ", "salary ",  "invoice ", "refund ",
                                                  "gift ", "savings ", "ticket ",  "groceries "};
  for (std::uint64_t word = a ^ b >> 7; data.size() + 2 < event_data_size; word = mix(word)) {
    data += words[word % words.size()];
  }
  data.resize(event_data_size - 2);
  return data + "\"}";
}

Result<void> drain(CompletionQueue& queue, std::vector<Completion>& completions,
                   std::size_t& on_their_way) {
  if (queue.take(completions, take_timeout) == 0) {
    return fail(Errc::timed_out, "An append of the benchmark was not answered in 60 s.");
  }
  on_their_way -= completions.size();
  for (const Completion& completion : completions) {
    if (!completion.outcome) return std::unexpected{completion.outcome.error()};
  }
  return {};
}

// Sealing may be behind while a log is filled as fast as it goes: then this waits.
Result<void> submit(EventStore& store, const AppendRequest& request, CompletionQueue& queue) {
  auto taken = store.append_async(request, queue, 0);
  for (int tries = 0; !taken && taken.error().code == Errc::overloaded; ++tries) {
    if (tries == overload_tries_max) return taken;
    std::this_thread::sleep_for(overload_pause);
    taken = store.append_async(request, queue, 0);
  }
  return taken;
}

}  // namespace

Interleaving::Interleaving(std::uint64_t events) {
  const std::uint64_t wanted = (events + stream_events - 1) / stream_events;
  at_once_ = std::min(wanted, streams_interleaved);
  streams_ = (wanted + at_once_ - 1) / at_once_ * at_once_;
}

Place Interleaving::place(std::uint64_t index) const {
  const std::uint64_t round = at_once_ * stream_events;
  return {.stream = index / round * at_once_ + index % at_once_,
          .version = index % round / at_once_ + 1};
}

std::string stream_name(std::uint64_t stream) { return "bench-" + std::to_string(stream); }

std::string event_data(ReadPayload payload, std::uint64_t index) {
  return payload == ReadPayload::random ? random_data(index) : json_data(index);
}

Result<void> fill_log(EventStore& store, const Interleaving& layout, ReadPayload payload,
                      std::uint64_t from) {
  CompletionQueue queue;
  std::vector<Completion> completions;
  std::size_t on_their_way = 0;
  const std::array<std::string_view, 1> tags{"bench:read"};
  Result<void> result;
  for (std::uint64_t i = from; i < layout.events() && result; ++i) {
    const std::string name = stream_name(layout.place(i).stream);
    const std::string data = event_data(payload, i);
    NewEvent event{.type = "Measured", .data = data, .tags = tags};
    if (payload == ReadPayload::random) event.content_type = "application/octet-stream";
    const StreamAppend stream{.stream = name, .events = {&event, 1}};
    const AppendRequest request{.streams = {&stream, 1}};
    result = submit(store, request, queue);
    on_their_way += result ? 1U : 0U;
    if (result && on_their_way >= on_their_way_max) {
      result = drain(queue, completions, on_their_way);
    }
  }
  while (on_their_way > 0) {
    auto done = drain(queue, completions, on_their_way);
    if (!done && result) result = std::move(done);
    if (!result && result.error().code == Errc::timed_out) break;
  }
  return result;
}

Result<void> fill_sqlite(sqlite::Database& database, const Interleaving& layout,
                         ReadPayload payload) {
  auto done = database.execute(
      "CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, id BLOB NOT NULL, "
      "append_id BLOB NOT NULL, stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT "
      "NULL, tags TEXT NOT NULL, metadata TEXT NOT NULL, recorded_at INTEGER NOT NULL, data BLOB "
      "NOT NULL);"
      "CREATE UNIQUE INDEX IF NOT EXISTS events_stream ON events (stream, version)");
  if (!done) return done;
  auto last = database.prepare("SELECT coalesce(max(position), 0) FROM events");
  if (!last) return std::unexpected{last.error()};
  const auto row = last->step();
  if (!row) return std::unexpected{row.error()};
  std::uint64_t i = static_cast<std::uint64_t>(last->int64(0));
  last->reset();
  auto insert = database.prepare("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return std::unexpected{insert.error()};
  while (i < layout.events()) {
    auto transaction = sqlite::Transaction::begin(database);
    if (!transaction) return std::unexpected{transaction.error()};
    for (std::uint64_t n = 0; n < sqlite_batch && i < layout.events(); ++n, ++i) {
      const Place place = layout.place(i);
      const std::string name = stream_name(place.stream);
      const std::string data = event_data(payload, i);
      const std::string ids = random_data(~i).substr(0, 32);
      insert->bind(0, static_cast<std::int64_t>(i + 1));
      insert->bind_blob(1, std::string_view{ids}.substr(0, 16));
      insert->bind_blob(2, std::string_view{ids}.substr(16));
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

}  // namespace stele::bench
