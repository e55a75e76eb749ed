// The events of `bench read`: which stream each belongs to, its bytes, and how they come into the
// log and into SQLite.

#pragma once

#include <cstdint>
#include <string>

#include "bench_read.h"
#include "drivers/sqlite/sqlite.h"
#include "stele/event_store.h"

namespace stele::bench {

inline constexpr std::uint64_t stream_events = 10;   ///< Events of one stream.
inline constexpr std::size_t event_data_size = 256;  ///< Bytes.

/// Which stream an event belongs to, and its version there.
struct Place {
  std::uint64_t stream = 0;
  std::uint64_t version = 0;
};

/// Streams are written in turns, a thousand at a time.
class Interleaving {
 public:
  explicit Interleaving(std::uint64_t events);
  [[nodiscard]] std::uint64_t streams() const { return streams_; }
  [[nodiscard]] std::uint64_t events() const { return streams_ * stream_events; }
  [[nodiscard]] Place place(std::uint64_t index) const;  ///< `index` from 0.

 private:
  std::uint64_t at_once_ = 0;
  std::uint64_t streams_ = 0;
};

[[nodiscard]] std::string stream_name(std::uint64_t stream);

/// The data of the event at `index`: no two are the same.
[[nodiscard]] std::string event_data(ReadPayload payload, std::uint64_t index);

/// Appends the events from `from` on, one to an append, many on their way; waits when the log is
/// overloaded. Errors: those of the store.
[[nodiscard]] Result<void> fill_log(EventStore& store, const Interleaving& layout,
                                    ReadPayload payload, std::uint64_t from);

/// The same events as rows of a table "events", unless they are there. Errors: those of SQLite.
[[nodiscard]] Result<void> fill_sqlite(sqlite::Database& database, const Interleaving& layout,
                                       ReadPayload payload);

}  // namespace stele::bench
