#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "stele/ids.h"
#include "stele/json.h"
#include "stele/limits.h"

namespace stele {
namespace {

bool needs_escape(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

void append_escape(std::string& out, char c) {
  constexpr std::string_view hex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      const auto byte = static_cast<unsigned char>(c);
      out += "\\u00";
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
  }
}

char raised(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

void append_camel_case(std::string& out, std::string_view name) {
  bool raise = false;
  for (const char c : name) {
    if (c == '_') {
      raise = true;
    } else {
      out += raise ? raised(c) : c;
      raise = false;
    }
  }
}

}  // namespace

std::string to_camel_case(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  append_camel_case(out, name);
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // Where the bytes begin that were not appended yet.
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!needs_escape(text[i])) continue;
    out.append(text, plain, i - plain);
    append_escape(out, text[i]);
    plain = i + 1;
  }
  out.append(text, plain, text.size() - plain);
  out += '"';
}

void JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
}

void JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

void JsonWriter::key(std::string_view name) {
  if (naming_ == Naming::as_stored) return exact_key(name);
  separate();
  key_ = name;
  out_ += '"';
  append_camel_case(out_, name);
  out_ += "\":";
  comma_ = false;
}

void JsonWriter::exact_key(std::string_view name) {
  separate();
  key_ = name;
  append_json_string(out_, name);
  out_ += ':';
  comma_ = false;
}

void JsonWriter::null() { raw("null"); }

void JsonWriter::boolean(bool value) { raw(value ? "true" : "false"); }

void JsonWriter::integer(std::int64_t value) {
  const auto limit = static_cast<std::int64_t>(limits::number_max);
  if (value > limit || value < -limit) {
    fail(MappingCode::malformed, "is " + std::to_string(value) + ", beyond 2^53 - 1");
  }
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  raw({digits.data(), end});
}

void JsonWriter::unsigned_integer(std::uint64_t value) {
  if (value > limits::number_max) {
    fail(MappingCode::malformed, "is " + std::to_string(value) + ", beyond 2^53 - 1");
    return null();
  }
  integer(static_cast<std::int64_t>(value));
}

void JsonWriter::number(double value) {
  if (!std::isfinite(value)) {
    fail(MappingCode::malformed, "is not a finite number");
    return null();
  }
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  raw({digits.data(), end});
}

void JsonWriter::string(std::string_view text) {
  if (!is_utf8(text)) {
    fail(MappingCode::malformed, "holds bytes that are not UTF-8");
    return null();
  }
  separate();
  append_json_string(out_, text);
}

void JsonWriter::time(Timestamp value) {
  separate();
  append_json_string(out_, to_rfc3339(value));
}

void JsonWriter::money(const Money& value) {
  if (!value.ok()) {
    const bool mismatch = value.error() == MoneyError::currency_mismatch;
    fail(mismatch ? MappingCode::currency_mismatch : MappingCode::amount_invalid,
         mismatch ? "is a sum over two currencies" : "is beyond 64 bits of minor units");
    return null();
  }
  const Currency currency = value.currency();
  if (currency.is_none() && value.minor_units() != 0) {
    fail(MappingCode::currency_mismatch, "has no currency");
  } else if (!currency.is_none() && !currency_.is_none() && currency != currency_) {
    fail(MappingCode::currency_mismatch,
         "is in " + std::string{currency.code()} + " beside " + std::string{currency_.code()});
  } else if (!currency.is_none()) {
    currency_ = currency;
  }
  separate();
  out_ += '"';
  out_ += value.text();
  out_ += '"';
}

void JsonWriter::amount(const Amount& value) {
  string(canonical_amounts_ ? value.canonical() : value.text());
}

void JsonWriter::currency(Currency value) {
  if (value.is_none()) return null();
  if (!currency_.is_none() && value != currency_) {
    fail(MappingCode::currency_mismatch, "is " + std::string{value.code()} +
                                             ", but an amount is in " +
                                             std::string{currency_.code()});
  }
  currency_ = value;
  separate();
  append_json_string(out_, value.code());
}

void JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
}

Currency JsonWriter::exchange_currency(Currency currency) noexcept {
  return std::exchange(currency_, currency);
}

void JsonWriter::fail(MappingCode code, std::string message) {
  if (failed_) return;
  failed_ = true;
  const std::string name = naming_ == Naming::camel_case ? to_camel_case(key_) : key_;
  error_ = {.code = code,
            .pointer = name.empty() ? std::string{} : "/" + name,
            .message = "The value of \"" + name + "\" " + std::move(message) + "."};
}

}  // namespace stele
