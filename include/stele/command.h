// Module: decide
// What a decider answers to a command, and what the one who sent it learns: events or a rejection.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "stele/append.h"
#include "stele/error.h"
#include "stele/mapping.h"
#include "stele/registry.h"
#include "stele/time.h"

namespace stele {

namespace detail {
/// Its address stands for the type `T`.
template <typename T>
inline constexpr char identity = 0;

/// An event that a decider made, without its C++ type.
struct MadeEvent {
  const void* identity = nullptr;  // Of the C++ type.
  const void* object = nullptr;    // The value; lives as long as this.
  std::string_view type;
  std::uint16_t schema_version = 1;
  std::string data;                   // As JSON.
  std::optional<MappingError> error;  // Why it has no JSON: a sum overflowed.

  MadeEvent() = default;
  MadeEvent(const MadeEvent&) = delete;
  MadeEvent& operator=(const MadeEvent&) = delete;
  virtual ~MadeEvent();

 protected:
  void set(const void* of, const TypeTable& table, std::uint16_t version, const void* value);
};

template <Described E>
struct MadeEventOf final : MadeEvent {
  explicit MadeEventOf(E value) : held{std::move(value)} {
    set(&detail::identity<E>, type_table<E>, schema_version_of<E>(), &held);
  }
  E held;
};
}  // namespace detail

/// An event that a decision brings, with the stream it goes to and its tags. Any described struct
/// becomes one by itself. Cheap to copy.
class Emitted {
 public:
  template <typename E>
    requires Described<std::remove_cvref_t<E>>
  Emitted(E&& event)  // NOLINT(google-explicit-constructor): `return {{MoneyWithdrawn{...}}};`
      : Emitted{Made{}, new detail::MadeEventOf<std::remove_cvref_t<E>>{std::forward<E>(event)}} {}
  // Not in the header: every program would compile them.
  Emitted(const Emitted& other);
  Emitted(Emitted&& other) noexcept;
  Emitted& operator=(const Emitted& other);
  Emitted& operator=(Emitted&& other) noexcept;
  ~Emitted();

  /// To which of the command's streams it goes, in the order of the decider's states; else the
  /// first.
  [[nodiscard]] Emitted on(std::size_t stream) && {
    stream_ = stream;
    return std::move(*this);
  }
  [[nodiscard]] Emitted tag(std::string text) &&;

  [[nodiscard]] const detail::MadeEvent& made() const noexcept { return *made_; }
  [[nodiscard]] std::size_t stream() const noexcept { return stream_; }
  [[nodiscard]] const std::vector<std::string>& tags() const noexcept { return tags_; }

 private:
  struct Made {};
  Emitted(Made, const detail::MadeEvent* made);  // Takes it.

  std::shared_ptr<const detail::MadeEvent> made_;
  std::size_t stream_ = 0;
  std::vector<std::string> tags_;
};

/// Spells out an event that goes to another stream or carries tags:
/// `return {emit(MoneyTransferred{...}), emit(MoneyReceived{...}).on(1)};`
template <Described E>
[[nodiscard]] Emitted emit(E event) {
  return Emitted{std::move(event)};
}

/// What a rejection is about. Over HTTP: 422, 404, 409.
enum class Kind : std::uint8_t { rule, not_found, conflict };

/// One number that explains a rejection, such as the balance. Written as JSON at once.
class Detail {
 public:
  Detail(std::string_view member, const Money& value);
  Detail(std::string_view member, std::string_view value);
  Detail(std::string_view member, const char* value) : Detail{member, std::string_view{value}} {}
  Detail(std::string_view member, const std::string& value)
      : Detail{member, std::string_view{value}} {}
  template <std::integral N>
  Detail(std::string_view member, N value) : Detail{member, static_cast<std::int64_t>(value), 0} {}

  std::string name;  ///< snake_case; HTTP shows it in camelCase.
  std::string json;  ///< Its value.

 private:
  Detail(std::string_view member, std::int64_t value, int);
};

/// A refusal by the rules. Nothing was written.
struct Rejection {
  std::string code;  ///< Such as "insufficient_funds".
  Kind kind = Kind::rule;
  std::vector<Detail> details = {};
  std::string message = {};  ///< A sentence for a person; may be empty.

  /// `return reject("account_closed").because("The account was closed in May.");`
  [[nodiscard]] Rejection because(std::string sentence) && {
    message = std::move(sentence);
    return std::move(*this);
  }
};

[[nodiscard]] Rejection reject(std::string_view code, Kind kind = Kind::rule,
                               std::initializer_list<Detail> details = {});
[[nodiscard]] Rejection reject(std::string_view code, std::initializer_list<Detail> details);
/// An amount that could not be had: `amount_invalid` or `currency_mismatch`.
[[nodiscard]] Rejection reject(MoneyError error);

/// What a decider answers: events (perhaps none: all is well as it is), or a rejection.
class Decision {
 public:
  Decision();
  Decision(std::initializer_list<Emitted> events);
  Decision(std::vector<Emitted> events);  // NOLINT: meant.
  Decision(Rejection rejection);          // NOLINT: meant.
  Decision(Decision&& other) noexcept;
  Decision& operator=(Decision&& other) noexcept;
  ~Decision();

  /// Null if it was accepted.
  [[nodiscard]] const Rejection* rejection() const noexcept { return rejection_.get(); }
  [[nodiscard]] const std::vector<Emitted>& events() const noexcept { return events_; }

 private:
  std::vector<Emitted> events_;
  std::unique_ptr<Rejection> rejection_;  // Rare; kept small for the common way.
};

/// An OR of items; see `QueryItem`. What a decider over a query says that it depends on.
using Query = std::vector<QueryItem>;

/// The ids of the streams that a command concerns (without the category), in the order of the
/// states of its `decide`.
using Keys = std::vector<std::string>;

/// What `decide` may take as its last argument.
struct Context {
  Timestamp now{};          ///< The processor's time; never goes back.
  Timestamp occurred_at{};  ///< What the command said, else `now`.
  std::string_view key;     ///< The id that the command was sent to. Valid during the call.
};

/// What goes with a command beside its body.
struct CommandOptions {
  std::optional<AppendId> id = std::nullopt;            ///< Set for an idempotent command.
  std::optional<Digest> digest = std::nullopt;          ///< Of the command; computed if missing.
  std::optional<Timestamp> occurred_at = std::nullopt;  ///< At most `occurred_ahead_max` ahead.
  std::string actor = {};                               ///< Who sent it.
  std::string correlation_id = {};
  std::string causation_id = {};
  std::string traceparent = {};
  std::chrono::microseconds timeout = std::chrono::seconds{10};
};

/// How far ahead of the processor's time a command's `occurred_at` may lie.
inline constexpr std::chrono::microseconds occurred_ahead_max = std::chrono::minutes{5};

/// An event that an accepted command wrote.
struct CommandEvent {
  std::string stream;
  std::string type;
  Version version{};
  Position position{};
  EventId id;
  std::uint16_t schema_version = 1;
  std::string data;      ///< As stored.
  std::string metadata;  ///< As stored.
};

/// A command that was accepted, durable. A retry of an idempotent command gives the same again,
/// with `appended.replayed`. The events of one stream stand together, streams in the order of the
/// keys.
struct Accepted {
  Appended appended;                 ///< `first` 0 if nothing had to be written.
  std::vector<std::string> streams;  ///< Those written to (if none: those judged), as full names;
                                     ///< `appended.streams` are their states in the same order.
  std::vector<CommandEvent> events;

  /// The first event of type `E`, decoded; none if there is none or it does not decode.
  template <Described E>
  [[nodiscard]] std::optional<E> find() const {
    for (const CommandEvent& event : events) {
      if (event.type != type_name<E>()) continue;
      if (auto read = from_json<E>(event.data, stored_mapping)) return std::move(*read);
    }
    return std::nullopt;
  }
};

/// How a command ended. Errors: `invalid` (an occurred_at too far ahead, an unusable key),
/// `too_large`, `id_reused`, `overloaded` (too many wait, or others kept writing first),
/// `read_only`, `shutting_down` (nothing was done), `outcome_unknown` (also when the deadline has
/// passed: ask again with the same id), `corrupt`, `unavailable`, `internal`.
using CommandResult = std::variant<Accepted, Rejection, Error>;

}  // namespace stele
