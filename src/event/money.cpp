#include "stele/money.h"

#include <algorithm>

namespace stele {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Appends a digit to a value that grows downwards, so that the smallest integer fits too.
bool push_digit(std::int64_t& negative, int digit) {
  return !__builtin_mul_overflow(negative, std::int64_t{10}, &negative) &&
         !__builtin_sub_overflow(negative, std::int64_t{digit}, &negative);
}

}  // namespace

std::string_view to_string(MoneyError error) noexcept {
  switch (error) {
    case MoneyError::amount_invalid:
      return "amount_invalid";
    case MoneyError::currency_mismatch:
      return "currency_mismatch";
  }
  return "amount_invalid";
}

std::string Money::text() const {
  if (!ok()) return {};
  const bool negative = minor_ < 0;
  const auto bits = static_cast<std::uint64_t>(minor_);
  std::string digits = std::to_string(negative ? ~bits + 1 : bits);
  const auto decimals = static_cast<std::size_t>(currency_.exponent());
  if (decimals > 0) {
    if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
    digits.insert(digits.size() - decimals, 1, '.');
  }
  if (negative) digits.insert(0, 1, '-');
  return digits;
}

std::expected<Money, MoneyError> add(Money a, Money b) noexcept {
  const Money sum = a + b;
  if (!sum.ok()) return std::unexpected{sum.error()};
  return sum;
}

std::expected<Money, MoneyError> subtract(Money a, Money b) noexcept {
  const Money difference = a - b;
  if (!difference.ok()) return std::unexpected{difference.error()};
  return difference;
}

std::optional<Amount> Amount::parse(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with('-')) rest.remove_prefix(1);
  const std::size_t point = rest.find('.');
  const std::string_view whole = rest.substr(0, point);
  if (whole.empty() || !std::ranges::all_of(whole, is_digit)) return std::nullopt;
  if (point != std::string_view::npos) {
    const std::string_view fraction = rest.substr(point + 1);
    if (fraction.empty() || !std::ranges::all_of(fraction, is_digit)) return std::nullopt;
  }
  Amount amount;
  amount.text_ = text;
  return amount;
}

std::string Amount::canonical() const {
  std::string_view rest = text_;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  if (rest.contains('.')) {
    while (rest.ends_with('0')) rest.remove_suffix(1);
    if (rest.ends_with('.')) rest.remove_suffix(1);
  }
  while (rest.size() > 1 && rest[0] == '0' && rest[1] != '.') rest.remove_prefix(1);
  return negative && rest != "0" ? "-" + std::string{rest} : std::string{rest};
}

std::expected<Money, MoneyError> Amount::in(Currency currency) const {
  std::string_view rest = text_;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  const std::size_t point = rest.find('.');
  const std::size_t decimals = point == std::string_view::npos ? 0 : rest.size() - point - 1;
  const auto exponent = static_cast<std::size_t>(currency.exponent());
  if (decimals > exponent) return std::unexpected{MoneyError::amount_invalid};

  std::int64_t minor = 0;
  bool fits = true;
  for (const char c : rest) {
    if (c != '.') fits = fits && push_digit(minor, c - '0');
  }
  for (std::size_t i = decimals; i < exponent; ++i) fits = fits && push_digit(minor, 0);
  if (!negative) fits = fits && !__builtin_sub_overflow(std::int64_t{0}, minor, &minor);
  if (!fits) return std::unexpected{MoneyError::amount_invalid};
  return Money{minor, currency};
}

}  // namespace stele
