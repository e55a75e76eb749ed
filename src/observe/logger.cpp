#include "observe/logger.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "stele/ids.h"

namespace stele::observe {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

class NullLogger final : public Logger {
 public:
  void write(Level, std::string_view, std::span<const Field>) noexcept override {}
  bool enabled(Level) const noexcept override { return false; }
};

/// Bytes that are not UTF-8 become '?', so that a line is always JSON.
void put_string(std::string& out, std::string_view text) {
  const bool good = is_utf8(text);
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += hex_digits[byte >> 4];
      out += hex_digits[byte & 0xF];
    } else {
      out += byte >= 0x80 && !good ? '?' : c;
    }
  }
  out += '"';
}

template <typename Number>
void put_number(std::string& out, Number value) {
  std::array<char, 32> digits{};
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + 32, value).ptr);
}

void put_value(std::string& out, const Field::Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    put_string(out, *text);
  } else if (const auto* truth = std::get_if<bool>(&value)) {
    out += *truth ? "true" : "false";
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (std::isfinite(*real)) {
      put_number(out, *real);
    } else {
      out += "null";
    }
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    put_number(out, *whole);
  } else {
    put_number(out, std::get<std::uint64_t>(value));
  }
}

class JsonLinesLogger final : public Logger {
 public:
  JsonLinesLogger(int fd, Level lowest, const Clock& clock)
      : fd_{fd}, lowest_{lowest}, clock_{clock} {}

  bool enabled(Level level) const noexcept override { return level >= lowest_; }

  void write(Level level, std::string_view message,
             std::span<const Field> fields) noexcept override {
    if (!enabled(level)) return;
    try {
      std::string line = "{\"ts\":\"" + to_rfc3339(clock_.now()) + "\",\"level\":\"";
      line += to_string(level);
      line += "\",\"message\":";
      put_string(line, message);
      for (const Field& field : fields) {
        line += ',';
        put_string(line, field.key);
        line += ':';
        put_value(line, field.value);
      }
      line += "}\n";
      // One call a line: lines of several threads do not mix. A short write loses its rest, as
      // there is nobody to tell.
      [[maybe_unused]] const auto written = ::write(fd_, line.data(), line.size());
    } catch (...) {  // NOLINT(bugprone-empty-catch): out of memory; a line is not worth a program.
    }
  }

 private:
  int fd_;
  Level lowest_;
  const Clock& clock_;
};

}  // namespace

std::string_view to_string(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
  }
  return "error";
}

Logger& null_logger() noexcept {
  static NullLogger logger;
  return logger;
}

std::unique_ptr<Logger> make_json_lines_logger(int fd, Level lowest, const Clock& clock) {
  return std::make_unique<JsonLinesLogger>(fd, lowest, clock);
}

}  // namespace stele::observe
