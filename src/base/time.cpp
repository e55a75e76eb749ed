#include "stele/time.h"

#include <array>
#include <charconv>
#include <optional>

namespace stele {
namespace {

constexpr std::int64_t day_us = 86'400'000'000;

/// Reads text from the left; every step fails once one has failed.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_{text} {}

  int digits(std::size_t count) {
    int value = 0;
    const bool all = rest_.size() >= count && rest_.find_first_not_of("0123456789") >= count;
    if (!all) good_ = false;
    if (!good_) return 0;
    std::from_chars(rest_.data(), rest_.data() + count, value);
    rest_.remove_prefix(count);
    return value;
  }
  bool accept(std::string_view any_of) {
    if (!good_ || rest_.empty() || !any_of.contains(rest_.front())) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(std::string_view any_of) {
    if (!accept(any_of)) good_ = false;
  }
  /// One to nine decimals, as microseconds.
  std::int64_t fraction() {
    std::size_t count = rest_.find_first_not_of("0123456789");
    if (count == std::string_view::npos) count = rest_.size();
    if (count == 0 || count > 9) good_ = false;
    if (!good_) return 0;
    std::int64_t value = 0;
    for (std::size_t i = 0; i < 6; ++i) value = value * 10 + (i < count ? rest_[i] - '0' : 0);
    rest_.remove_prefix(count);
    return value;
  }
  void fail() { good_ = false; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool good() const { return good_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

std::int64_t scan_date(Scanner& in) {
  const int year = in.digits(4);
  in.expect("-");
  const int month = in.digits(2);
  in.expect("-");
  const int day = in.digits(2);
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (year < 1 || !date.ok()) in.fail();
  if (!in.good()) return 0;
  return std::chrono::sys_days{date}.time_since_epoch().count() * day_us;
}

std::int64_t scan_time_and_offset(Scanner& in) {
  const int hour = in.digits(2);
  in.expect(":");
  const int minute = in.digits(2);
  in.expect(":");
  const int second = in.digits(2);
  if (hour > 23 || minute > 59 || second > 59) in.fail();
  std::int64_t us = ((hour * 60LL + minute) * 60LL + second) * 1'000'000;
  if (in.accept(".")) us += in.fraction();
  if (in.accept("Zz")) return us;
  const bool east = in.accept("+");
  if (!east) in.expect("-");
  const int offset_hour = in.digits(2);
  in.expect(":");
  const int offset_minute = in.digits(2);
  if (offset_hour > 23 || offset_minute > 59) in.fail();
  const std::int64_t offset = (offset_hour * 60LL + offset_minute) * 60'000'000;
  return east ? us - offset : us + offset;
}

void put(std::string& out, std::int64_t value, std::size_t width) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  const auto size = static_cast<std::size_t>(end - digits.data());
  if (size < width) out.append(width - size, '0');
  out.append(digits.data(), size);
}

class SystemClock final : public Clock {
 public:
  Timestamp now() const noexcept override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
  }
};

}  // namespace

std::string to_rfc3339(Timestamp t) {
  const std::int64_t us = micros(t);
  const std::int64_t day = us >= 0 ? us / day_us : -((-us + day_us - 1) / day_us);
  const std::int64_t in_day = us - day * day_us;
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  std::string out;
  out.reserve(27);
  put(out, static_cast<int>(date.year()), 4);
  out += '-';
  put(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  put(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  put(out, in_day / 3'600'000'000, 2);
  out += ':';
  put(out, in_day / 60'000'000 % 60, 2);
  out += ':';
  put(out, in_day / 1'000'000 % 60, 2);
  out += '.';
  put(out, in_day % 1'000'000, 6);
  out += 'Z';
  return out;
}

Result<Timestamp> parse_time(std::string_view text) {
  Scanner in{text};
  std::int64_t us = scan_date(in);
  if (in.good() && !in.at_end()) {
    in.expect("Tt ");
    us += scan_time_and_offset(in);
  }
  if (!in.good() || !in.at_end()) {
    return stele::fail(Errc::invalid, "\"" + std::string{text.substr(0, 64)} +
                                          "\" is not a time; write RFC 3339 such as "
                                          "\"2026-01-31T12:00:00Z\", or a date.");
  }
  return Timestamp{us};
}

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

}  // namespace stele
