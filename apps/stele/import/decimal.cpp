#include "import/decimal.h"

#include <algorithm>

namespace stele::program {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

struct Parts {
  bool negative = false;
  std::string_view whole;     // Without leading zeros.
  std::string_view fraction;  // Without trailing zeros.
};

Parts split(std::string_view text) {
  Parts parts;
  parts.negative = text.starts_with('-');
  if (parts.negative) text.remove_prefix(1);
  const std::size_t dot = std::min(text.find('.'), text.size());
  parts.whole = text.substr(0, dot);
  if (dot < text.size()) parts.fraction = text.substr(dot + 1);
  while (parts.whole.starts_with('0')) parts.whole.remove_prefix(1);
  while (parts.fraction.ends_with('0')) parts.fraction.remove_suffix(1);
  if (parts.whole.empty() && parts.fraction.empty()) parts.negative = false;
  return parts;
}

std::strong_ordering compare_sizes(const Parts& a, const Parts& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() <=> b.whole.size();
  if (a.whole != b.whole) return a.whole <=> b.whole;
  return a.fraction <=> b.fraction;  // "1" < "15" < "2": the order of texts is that of fractions.
}

}  // namespace

bool is_decimal(std::string_view text) noexcept {
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return all_digits(text);
  return all_digits(text.substr(0, dot)) && all_digits(text.substr(dot + 1));
}

std::strong_ordering compare_decimals(std::string_view a, std::string_view b) {
  const Parts left = split(a);
  const Parts right = split(b);
  if (left.negative != right.negative) {
    return left.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return left.negative ? compare_sizes(right, left) : compare_sizes(left, right);
}

}  // namespace stele::program
