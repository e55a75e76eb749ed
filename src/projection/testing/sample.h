// A small domain for the tests of projections: accounts that are opened and paid into.

#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "stele/event_store.h"
#include "stele/projection.h"

namespace stele::projection::testing {

struct Opened {
  std::string owner;
  std::optional<std::string> note;
};
STELE_DESCRIBE(Opened, owner, note);

struct Paid {
  std::int64_t amount = 0;
  Timestamp day{};
};
STELE_DESCRIBE(Paid, amount, day);

/// Nobody handles it.
struct Noted {
  std::string text;
};
STELE_DESCRIBE(Noted, text);

struct SumRow {
  std::string owner;
  std::optional<std::string> note;
  std::int64_t sum = 0;
  std::int64_t count = 0;
  Timestamp last{};
  bool open = false;
  friend bool operator==(const SumRow&, const SumRow&) = default;
};
STELE_DESCRIBE(SumRow, owner, note, sum, count, last, open);

/// A fold by stream.
struct Sums {
  static constexpr auto name = "sums";
  static constexpr int generation = 1;
  static constexpr auto category = "account";
  static constexpr Index indexes[] = {{"owner"}};
  using Events = stele::Events<Opened, Paid>;
  using Row = SumRow;
  static void apply(Row& row, const Opened& e, const At&) {
    row.owner = e.owner;
    row.note = e.note;
    row.open = true;
  }
  static void apply(Row& row, const Paid& e, const At& at) {
    row.sum += e.amount;
    ++row.count;
    row.last = at.occurred_at;
  }
};

/// `Sums` as later code gives it, with the same columns and with others.
struct SumsAgain : Sums {
  static constexpr int generation = 2;
};
struct OtherSumRow {
  std::int64_t sum = 0;
};
STELE_DESCRIBE(OtherSumRow, sum);
struct SumsOfOtherColumns {
  static constexpr auto name = "sums";
  static constexpr int generation = 2;
  static constexpr auto category = "account";
  using Events = stele::Events<Paid>;
  using Row = OtherSumRow;
  static void apply(Row& row, const Paid& e, const At&) { row.sum += e.amount; }
};

struct DayRow {
  std::int64_t sum = 0;
  std::int64_t count = 0;
  friend bool operator==(const DayRow&, const DayRow&) = default;
};
STELE_DESCRIBE(DayRow, sum, count);

/// A fold over another key. Payments of 0 concern no row.
struct Days {
  static constexpr auto name = "days";
  static constexpr int generation = 1;
  using Events = stele::Events<Paid>;
  using Row = DayRow;
  static std::string key(const Paid& e, const At&) {
    return e.amount == 0 ? std::string{} : to_rfc3339(e.day).substr(0, 10);
  }
  static void apply(Row& row, const Paid& e, const At&) {
    row.sum += e.amount;
    ++row.count;
  }
};

struct PaymentRow {
  std::string account;
  std::int64_t amount = 0;
  std::int64_t version = 0;
  friend bool operator==(const PaymentRow&, const PaymentRow&) = default;
};
STELE_DESCRIBE(PaymentRow, account, amount, version);

/// A map.
struct Payments {
  static constexpr auto name = "payments";
  static constexpr int generation = 1;
  static constexpr Index indexes[] = {{"account", "version"}};
  using Events = stele::Events<Paid>;
  using Row = PaymentRow;
  static Rows<Row> map(const Paid& e, const At& at) {
    return Row{.account = std::string{id_of(at.stream)},
               .amount = e.amount,
               .version = static_cast<std::int64_t>(number(at.version))};
  }
};

/// A fold that throws on a payment of 13.
struct Superstitious : Sums {
  static constexpr auto name = "superstitious";
  using Sums::apply;
  static void apply(Row& row, const Paid& e, const At& at) {
    if (e.amount == 13) throw std::runtime_error{"thirteen"};
    Sums::apply(row, e, at);
  }
};

/// While it is set, the three below throw on a payment of 13: code that is wrong, and mended later.
inline std::atomic<bool> strict{true};
inline void refuse_thirteen(const Paid& e) {
  if (strict && e.amount == 13) throw std::runtime_error{"thirteen"};
}

struct Picky : Sums {
  static constexpr auto name = "picky";
  using Sums::apply;
  static void apply(Row& row, const Paid& e, const At& at) {
    refuse_thirteen(e);
    Sums::apply(row, e, at);
  }
};

struct PickyDays : Days {
  static constexpr auto name = "picky_days";
  static void apply(Row& row, const Paid& e, const At& at) {
    refuse_thirteen(e);
    Days::apply(row, e, at);
  }
};

struct PickyPayments : Payments {
  static constexpr auto name = "picky_payments";
  static Rows<Row> map(const Paid& e, const At& at) {
    refuse_thirteen(e);
    return Payments::map(e, at);
  }
};

/// Appends events to one stream, at whatever version it has; returns the last one's position.
template <typename... E>
Position append(EventStore& store, std::string_view stream, const E&... events) {
  const std::string data[] = {to_json(events).value()...};
  const std::string_view types[] = {type_name<E>()...};
  NewEvent made[sizeof...(E)];
  for (std::size_t i = 0; i < sizeof...(E); ++i) {
    made[i].type = types[i];
    made[i].data = data[i];
  }
  const StreamAppend one{.stream = stream, .events = made};
  const auto outcome = store.append({.streams = {&one, 1}});
  return std::get<Appended>(outcome.value()).last;
}

/// What `Sums`, `Days` and `Payments` must hold: the whole log folded in the plainest way.
struct Expected {
  std::map<std::string, SumRow> sums;
  std::map<std::string, DayRow> days;
  std::map<std::string, PaymentRow> payments;
};
[[nodiscard]] Expected fold_naively(const EventStore& store);

}  // namespace stele::projection::testing
