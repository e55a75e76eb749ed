// Values of a parsed document, and JSON texts made smaller.

#include <simdjson.h>

#include "stele/json.h"

namespace stele {

std::string_view to_string(MappingCode code) noexcept {
  switch (code) {
    case MappingCode::malformed:
      return "malformed";
    case MappingCode::amount_invalid:
      return "amount_invalid";
    case MappingCode::currency_unknown:
      return "currency_unknown";
    case MappingCode::currency_mismatch:
      return "currency_mismatch";
  }
  return "malformed";
}

std::string_view to_string(JsonKind kind) noexcept {
  switch (kind) {
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return "a boolean";
    case JsonKind::number:
      return "a number";
    case JsonKind::string:
      return "a string";
    case JsonKind::array:
      return "an array";
    case JsonKind::object:
      return "an object";
  }
  return "null";
}

JsonKind JsonValue::kind() const noexcept { return document_->nodes_[index_].kind; }

bool JsonValue::boolean() const noexcept { return document_->nodes_[index_].value; }

std::string_view JsonValue::text() const noexcept {
  const auto& node = document_->nodes_[index_];
  return {document_->text_.data() + node.text_begin, node.text_size};
}

std::string_view JsonValue::key() const noexcept {
  const auto& node = document_->nodes_[index_];
  return {document_->text_.data() + node.key_begin, node.key_size};
}

std::size_t JsonValue::size() const noexcept { return document_->nodes_[index_].children; }

JsonValue JsonValue::next() const noexcept { return {*document_, document_->nodes_[index_].next}; }

JsonValue JsonValue::member(std::string_view name) const noexcept {
  if (kind() != JsonKind::object) return {};
  JsonValue each = first();
  for (std::size_t left = size(); left > 0; --left, each = each.next()) {
    if (each.key() == name) return each;
  }
  return {};
}

std::string JsonValue::pointer() const {
  std::string out;
  JsonValue at = document_->root();
  while (at.index_ != index_) {
    const bool array = at.kind() == JsonKind::array;
    std::size_t ordinal = 0;
    JsonValue child = at.first();
    while (child.next().index_ <= index_) {
      child = child.next();
      ++ordinal;
    }
    out += '/';
    if (array) {
      out += std::to_string(ordinal);
    } else {
      for (const char c : child.key()) {
        if (c == '~') {
          out += "~0";
        } else if (c == '/') {
          out += "~1";
        } else {
          out += c;
        }
      }
    }
    at = child;
  }
  return out;
}

void append_minified(std::string& out, std::string_view json) {
  const std::size_t before = out.size();
  // The minifier writes whole blocks: it may touch up to a block past what it keeps.
  out.resize(before + json.size() + simdjson::SIMDJSON_PADDING);
  std::size_t kept = 0;
  const auto error = simdjson::minify(json.data(), json.size(), out.data() + before, kept);
  if (error != simdjson::SUCCESS) {  // Not valid JSON, against the promise: pass it on as it is.
    out.resize(before);
    out += json;
    return;
  }
  out.resize(before + kept);
}

}  // namespace stele
