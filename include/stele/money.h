// Module: event
// Exact money: 64-bit minor units with a currency, never floating point.
//
// Three types, by what is known. `Currency` is a code of ISO 4217 and its number of decimals.
// `Money` is an amount in a currency. `Amount` is a decimal as a command gives it, before the
// account that it concerns has said in which currency it counts.
// Source: ISO 4217:2015, list one of its maintenance agency (codes and minor units).

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace stele {

/// A currency of ISO 4217, such as USD (2 decimals), JPY (0) or KWD (3). Default: none.
class Currency {
 public:
  constexpr Currency() = default;

  /// The currency of a code in capital letters; none if ISO 4217 does not have it. Codes without a
  /// minor unit (gold, XDR, XTS...) count in whole units.
  [[nodiscard]] static std::optional<Currency> find(std::string_view code) noexcept;

  /// Lives as long as this object. Empty for none.
  [[nodiscard]] constexpr std::string_view code() const noexcept {
    return {code_.data(), code_[0] == '\0' ? 0U : code_.size()};
  }
  [[nodiscard]] constexpr int exponent() const noexcept { return exponent_; }  ///< Decimals: 0..4.
  [[nodiscard]] constexpr bool is_none() const noexcept { return code_[0] == '\0'; }
  friend constexpr bool operator==(const Currency&, const Currency&) = default;

 private:
  friend class CurrencyTable;
  constexpr Currency(char a, char b, char c, std::uint8_t exponent)
      : code_{a, b, c}, exponent_{exponent} {}

  std::array<char, 3> code_{};
  std::uint8_t exponent_ = 0;
};

/// Why an amount could not be had. Each is the code of a rejection.
enum class MoneyError : std::uint8_t {
  amount_invalid,     ///< Too many decimals for the currency, or beyond 64 bits.
  currency_mismatch,  ///< Two currencies met in one sum.
};
[[nodiscard]] std::string_view to_string(MoneyError error) noexcept;

/// An amount in a currency. The default is zero without a currency: the neutral element of sums.
///
/// `+` and `-` never overflow silently: a sum beyond 64 bits, or over two currencies, is a value
/// that is not `ok()`, stays so through further sums, compares with nothing, and cannot be written
/// to an event: the command that made it fails with `error()`. So rules can be written as plain
/// arithmetic. `add` and `subtract` say the same at once.
class Money {
 public:
  constexpr Money() = default;
  constexpr Money(std::int64_t minor_units, Currency currency)
      : minor_{minor_units}, currency_{currency} {}

  [[nodiscard]] constexpr std::int64_t minor_units() const noexcept { return minor_; }
  [[nodiscard]] constexpr Currency currency() const noexcept { return currency_; }
  [[nodiscard]] constexpr bool ok() const noexcept { return state_ == State::ok; }
  [[nodiscard]] constexpr bool is_zero() const noexcept { return ok() && minor_ == 0; }
  [[nodiscard]] constexpr bool is_positive() const noexcept { return ok() && minor_ > 0; }
  [[nodiscard]] constexpr bool is_negative() const noexcept { return ok() && minor_ < 0; }
  /// What went wrong. Call only when not `ok()`.
  [[nodiscard]] constexpr MoneyError error() const noexcept {
    return state_ == State::mismatch ? MoneyError::currency_mismatch : MoneyError::amount_invalid;
  }

  /// A decimal with exactly the currency's decimals: "12.30" USD, "1230" JPY. Empty if not `ok()`.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] friend constexpr Money operator+(Money a, Money b) noexcept {
    return combine(a, b, false);
  }
  [[nodiscard]] friend constexpr Money operator-(Money a, Money b) noexcept {
    return combine(a, b, true);
  }
  [[nodiscard]] constexpr Money operator-() const noexcept {
    return combine(Money{0, currency_}, *this, true);
  }
  constexpr Money& operator+=(Money other) noexcept { return *this = *this + other; }
  constexpr Money& operator-=(Money other) noexcept { return *this = *this - other; }

  /// Amounts of different currencies, or not `ok()`, are unordered and unequal; zero without a
  /// currency compares with every currency.
  [[nodiscard]] friend constexpr std::partial_ordering operator<=>(Money a, Money b) noexcept {
    if (!a.ok() || !b.ok() || !compatible(a, b)) return std::partial_ordering::unordered;
    return a.minor_ <=> b.minor_;
  }
  [[nodiscard]] friend constexpr bool operator==(Money a, Money b) noexcept {
    return (a <=> b) == std::partial_ordering::equivalent;
  }

 private:
  enum class State : std::uint8_t { ok, overflow, mismatch };

  static constexpr bool compatible(Money a, Money b) noexcept {
    return a.currency_ == b.currency_ || a.currency_.is_none() || b.currency_.is_none();
  }
  static constexpr Money combine(Money a, Money b, bool negate) noexcept {
    Money sum;
    sum.currency_ = a.currency_.is_none() ? b.currency_ : a.currency_;
    if (!a.ok() || !b.ok()) {
      sum.state_ = a.ok() ? b.state_ : a.state_;
    } else if (!compatible(a, b)) {
      sum.state_ = State::mismatch;
    } else if (negate ? __builtin_sub_overflow(a.minor_, b.minor_, &sum.minor_)
                      : __builtin_add_overflow(a.minor_, b.minor_, &sum.minor_)) {
      sum.minor_ = 0;
      sum.state_ = State::overflow;
    }
    return sum;
  }

  std::int64_t minor_ = 0;
  Currency currency_;
  State state_ = State::ok;
};

[[nodiscard]] std::expected<Money, MoneyError> add(Money a, Money b) noexcept;
[[nodiscard]] std::expected<Money, MoneyError> subtract(Money a, Money b) noexcept;

/// A decimal whose currency is not known yet: "-?[0-9]+(\.[0-9]+)?", kept exactly. Default: "0".
class Amount {
 public:
  Amount() = default;
  Amount(std::int64_t whole_units) : text_{std::to_string(whole_units)} {}  // NOLINT: meant.

  /// None if `text` is not such a decimal.
  [[nodiscard]] static std::optional<Amount> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  /// The amount in `currency`. Errors: `amount_invalid`: more decimals than the currency has (even
  /// zeros), or beyond 64 bits of minor units.
  [[nodiscard]] std::expected<Money, MoneyError> in(Currency currency) const;

  /// The same for every spelling of one number: without zeros that do not count, "1.5" for "01.50".
  [[nodiscard]] std::string canonical() const;

  /// Equal as text: "1" and "1.0" differ.
  friend bool operator==(const Amount&, const Amount&) = default;

 private:
  std::string text_ = "0";
};

}  // namespace stele
