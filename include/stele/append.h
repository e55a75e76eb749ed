// Module: event
// What an append asks for and what it answers, and what a read gives: the values that the event
// store's contract (event_store.h) and the log under it are written in.

#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "stele/event.h"
#include "stele/ids.h"
#include "stele/limits.h"

namespace stele {

/// What the writer of a stream believes it to be.
struct Expected {
  enum class Kind : std::uint8_t {
    any,      ///< Nothing is expected.
    none,     ///< The stream must be empty.
    some,     ///< The stream must not be empty.
    exactly,  ///< The stream must be at `version`, and at `tip` when that is given.
  };
  Kind kind = Kind::any;
  Version version{};
  std::optional<Tip> tip = std::nullopt;

  static Expected any() { return {}; }
  static Expected none() { return {.kind = Kind::none}; }
  static Expected some() { return {.kind = Kind::some}; }
  static Expected exactly(Version version, std::optional<Tip> tip = std::nullopt) {
    return {.kind = Kind::exactly, .version = version, .tip = tip};
  }
  friend bool operator==(const Expected&, const Expected&) = default;
};

/// One stream of an append. No events = a pure check of `expected`.
struct StreamAppend {
  std::string_view stream;
  Expected expected = {};
  std::span<const NewEvent> events = {};
};

/// Matches an event that has one of `types` (any, if empty) and all of `tags`. Not both empty.
struct QueryItem {
  std::vector<std::string> types = {};
  std::vector<std::string> tags = {};
};

/// Refuses the append if an event after position `after` matches one of the items (1 to
/// `condition_items_max`).
struct Condition {
  std::vector<QueryItem> fail_if;
  Position after{};
};

using Digest = std::array<std::uint8_t, 16>;

/// What to append. Views must stay valid until the call that takes the request returns.
struct AppendRequest {
  std::optional<AppendId> id = std::nullopt;  ///< Made by the store if missing.
  std::span<const StreamAppend> streams;      ///< 1 to `append_streams_max`, no name twice.
  std::optional<Condition> condition = std::nullopt;
  std::optional<Digest> digest =
      std::nullopt;  ///< Of what was asked; computed if missing. Given by
                     ///< the command processor: the digest of its command.
};

/// Where a stream stands.
struct StreamState {
  Version version{};
  Tip tip{};
  friend bool operator==(const StreamState&, const StreamState&) = default;
};

/// An append that is durable. A request without events is `Appended` with `first` 0 and `last` =
/// the log's end; it writes nothing and is not remembered.
struct Appended {
  AppendId id;
  Digest digest{};
  Position first{};
  Position last{};
  Timestamp recorded_at{};
  std::vector<StreamState> streams = {};  ///< After the append; in the order of the request.
  bool replayed = false;                  ///< The id was known: this is the first answer again.
};

struct StreamConflict {
  std::size_t index = 0;  ///< Which of the request's streams.
  StreamState found;
};

/// A refused append: nothing was written.
struct Conflict {
  std::vector<StreamConflict> streams;  ///< Every stream that was not as expected.
  std::optional<Position> condition_position =
      std::nullopt;  ///< An event that matched the condition.
};

using AppendOutcome = std::variant<Appended, Conflict>;

/// The answer to one `append_async`, with the caller's number for it.
struct Completion {
  std::uint64_t token = 0;
  Result<AppendOutcome> outcome;
};

/// Where a store puts answers to asynchronous appends. Owned by the caller, who must keep it alive
/// until every append that was given to it has completed. Thread-safe; any thread may take from it.
class CompletionQueue {
 public:
  CompletionQueue();
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  /// Moves what has completed into `out` (cleared first), waiting up to `timeout` for the first.
  /// Returns how many; 0 after the time-out or `interrupt`.
  std::size_t take(std::vector<Completion>& out, std::chrono::microseconds timeout);
  void interrupt();                           ///< Wakes one `take` that waits, or the next.
  void push(std::vector<Completion>& batch);  ///< For stores: moves all of `batch` in, clears it.
  void push(Completion completion);           ///< For stores.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Matches an event whose category is one of `categories`, type one of `types` (empty = any), and
/// that has all of `tags`.
struct Filter {
  std::vector<std::string> categories = {};
  std::vector<std::string> types = {};
  std::vector<std::string> tags = {};

  [[nodiscard]] bool empty() const { return categories.empty() && types.empty() && tags.empty(); }
  [[nodiscard]] bool matches(const EventView& event) const;
};

struct ReadPage {
  EventBlock events;     ///< Oldest first.
  Position looked_to{};  ///< No event after `after` and up to here matches but those in `events`.
  Position log_end{};    ///< Of the moment of the read.
};

struct StreamPage {
  EventBlock events;
  StreamState state;  ///< Of the moment of the read; version 0 if nobody wrote to the stream.
};

enum class Direction : std::uint8_t { forward, backward };

}  // namespace stele
