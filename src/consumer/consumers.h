// Module: consumer
// Named consumers: each remembers how far its reader has acknowledged the log, so that a reader in
// any language needs no store of its own. Rules and state, without HTTP and without waiting.
//
//   put --> read <------------------------------+
//            | events, and a cursor behind them |
//            v                                  |
//          the reader does its work --> ack(cursor): durable, then answered
//
// 1. A read begins behind the last acknowledged event. What was given and not acknowledged is given
//    again: after a crash of the reader, of this process, and when another reader takes over. So
//    every matching event is given at least once, in the order of positions.
// 2. `ack` is cumulative and idempotent: everything up to the cursor, once and for all. It is on
//    disk before it is answered.
// 3. One reader at a time holds the lease, for `lease_time` after its last read, or until it is
//    known to be gone. Leases are not kept: after a restart the first reader to come has it.
// 4. What the filter passes over is remembered without an acknowledgement: in memory at once, on
//    disk every `skip_save_step` positions. No event that matches is ever passed over so.
// 5. A cursor belongs to one making of one consumer and to one reading: a seek begins another.
// 6. A consumer whose checkpoint is not of this log (another log or epoch) is diverged: it gives
//    and takes nothing until a seek.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "consumer/keeper.h"
#include "observe/logger.h"
#include "stele/event_store.h"
#include "stele/time.h"

namespace stele::consumer {

inline constexpr std::size_t consumers_max = 1'000;
inline constexpr std::size_t name_size_max = 64;     ///< Bytes, of [A-Za-z0-9._~-].
inline constexpr std::size_t reader_size_max = 128;  ///< Bytes, printable ASCII without blanks.
inline constexpr std::chrono::seconds lease_time{30};
inline constexpr std::chrono::seconds wait_max{30};      ///< Of one read.
inline constexpr std::uint64_t skip_save_step = 10'000;  ///< Positions.
inline constexpr std::size_t visit_step = 256;           ///< Events fetched at a time.

/// Who reads. Two reads are of one reader if their names are equal.
struct Reader {
  std::string name;
  /// Says that the reader will not come again; it is asked from any thread. Empty: only time tells.
  std::function<bool()> is_gone = {};
};

struct Lease {
  std::string reader;
  Timestamp since{};
  Timestamp until{};
};

/// Names a place in one reading of one consumer. Its text is the caller's business.
struct Cursor {
  Uuid consumer;
  std::uint64_t reading = 0;
  Position position{};
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

/// How a consumer stands.
struct Status {
  std::string name;
  Definition definition;
  Position position{};  ///< All up to here was acknowledged, or does not match the filter.
  Position log_end{};
  std::uint64_t lag_events = 0;  ///< Positions from there to the log's end; some may not match.
  std::optional<Lease> lease = std::nullopt;
  Timestamp created_at{};
  std::optional<Timestamp> acknowledged_at = std::nullopt;
  std::optional<Error> fault = std::nullopt;  ///< `diverged`, `corrupt`: why it gives nothing.
};

/// Why a consumer did not do what it was asked.
struct Refusal {
  enum class Code : std::uint8_t {
    unknown,  ///< No consumer has this name.
    exists,   ///< One of this name has another definition.
    busy,     ///< Another reader holds the lease: `holder`.
    foreign,  ///< The cursor is of another consumer, or of a reading that a seek ended.
    failed,   ///< `error` says it all: `invalid`, `diverged`, `read_only`, `corrupt`...
  };
  Code code = Code::failed;
  Error error = {};
  std::optional<Lease> holder = std::nullopt;
  std::optional<Definition> found = std::nullopt;  ///< With `exists`.
};

template <typename T>
using Answer = std::expected<T, Refusal>;

/// What one read gave.
struct Given {
  std::size_t events = 0;
  Cursor cursor;        ///< To acknowledge these events, and all before them.
  Position position{};  ///< How far it looked.
  Position log_end{};
};

/// Takes one event; false: no more. Its views live until it returns.
using Visit = std::function<bool(const EventView&)>;

/// What an engine is made of. All must outlive it.
struct Parts {
  EventStore& store;
  const Clock& clock;
  observe::Logger& logger;
  bool read_only = false;  ///< Gives events; takes no change: `read_only`.
};

/// Thread-safe after `load`. Nothing waits but for the disk.
class Consumers {
 public:
  Consumers(Parts parts, std::unique_ptr<Keeper> keeper, std::unique_ptr<RandomSource> random);
  ~Consumers();
  Consumers(const Consumers&) = delete;
  Consumers& operator=(const Consumers&) = delete;

  /// Finds what was kept. Once, first. Errors: those of `Keeper::load`.
  [[nodiscard]] Result<void> load();

  /// Makes a consumer; true. The same definition again changes nothing: false. Refusals: `exists`;
  /// `invalid` (a name, a place beyond the log's end, more than `consumers_max`), `read_only`.
  [[nodiscard]] Answer<bool> put(std::string_view name, Definition definition);

  [[nodiscard]] Answer<Status> status(std::string_view name);  ///< Refusals: `unknown`.
  /// At most `limit` in the order of their names, those behind `after`.
  [[nodiscard]] std::vector<Status> list(std::string_view after, std::size_t limit);
  [[nodiscard]] std::size_t count() const;

  /// Refusals: `unknown`, `read_only`, `unavailable` (nothing was removed).
  [[nodiscard]] Answer<void> remove(std::string_view name);

  /// Gives the matching events behind the last acknowledged one to `visit`, at most `limit`, and
  /// takes or renews the lease: for `lease_time`, and while it gave nothing for `wait` more, the
  /// time for which the caller will ask again. It may give none before the log's end: ask again.
  /// Refusals: `unknown`, `busy`, `diverged`, `corrupt`, `unavailable`.
  [[nodiscard]] Answer<Given> read(std::string_view name, const Reader& reader, std::size_t limit,
                                   std::chrono::microseconds wait, const Visit& visit);

  /// Acknowledges; durable on return. Returns how far the consumer is, which is past the cursor if
  /// more was acknowledged before. Refusals: `unknown`, `foreign`, `diverged`, `read_only`,
  /// `unavailable` (nothing is promised: send it again).
  [[nodiscard]] Answer<Position> ack(std::string_view name, const Cursor& cursor);

  /// Begins another reading at `start`; durable on return. Returns the place. Refusals: `unknown`,
  /// `invalid` (beyond the log's end), `read_only`, `unavailable`.
  [[nodiscard]] Answer<Position> seek(std::string_view name, const Start& start);

 private:
  struct Consumer;
  using ConsumerRef = std::shared_ptr<Consumer>;

  [[nodiscard]] ConsumerRef find(std::string_view name) const;
  [[nodiscard]] Status status_unlocked(Consumer& consumer) const;
  [[nodiscard]] Answer<void> check_unlocked(Consumer& consumer) const;
  [[nodiscard]] Answer<void> lease_unlocked(Consumer& consumer, const Reader& reader,
                                            std::chrono::microseconds wait) const;
  [[nodiscard]] Answer<void> move_unlocked(Consumer& consumer, const Kept& next);
  void skip_unlocked(Consumer& consumer, std::uint64_t reading, Position to);
  [[nodiscard]] Answer<Checkpoint> place_of(const Start& start) const;
  [[nodiscard]] Answer<void> check_writable() const;

  Parts parts_;
  std::unique_ptr<Keeper> keeper_;
  std::unique_ptr<RandomSource> random_;  // Guarded by changes_.
  std::mutex changes_;                    // Held by `put` and `remove`, taken before all others.
  mutable std::mutex mutex_;
  std::map<std::string, ConsumerRef, std::less<>> consumers_;  // Guarded by mutex_.
};

}  // namespace stele::consumer
