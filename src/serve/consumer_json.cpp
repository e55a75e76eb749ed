#include "serve/consumer_json.h"

#include <algorithm>

#include "base/crc32c.h"
#include "query/base64url.h"
#include "query/bytes.h"
#include "serve/json_cursor.h"
#include "stele/json.h"
#include "stele/limits.h"

namespace stele::serve {
namespace {

constexpr char cursor_format = 1;
constexpr std::size_t cursor_bytes = 37;
constexpr std::size_t cursor_text_max = 64;  // Characters.

void write_names(JsonWriter& writer, std::string_view key, const std::vector<std::string>& names) {
  writer.key(key);
  writer.begin_array();
  for (const std::string& name : names) writer.string(name);
  writer.end_array();
}

void write_definition(JsonWriter& writer, const consumer::Definition& definition) {
  writer.key("filter");
  writer.begin_object();
  write_names(writer, "categories", definition.filter.categories);
  write_names(writer, "types", definition.filter.types);
  write_names(writer, "tags", definition.filter.tags);
  writer.end_object();
  writer.key("start");
  switch (definition.start.kind) {
    case consumer::Start::Kind::beginning:
      return writer.string("beginning");
    case consumer::Start::Kind::end:
      return writer.string("end");
    case consumer::Start::Kind::position:
      return writer.unsigned_integer(number(definition.start.position));
  }
}

std::string_view state_of(const consumer::Status& status) {
  if (status.fault) return to_string(status.fault->code);
  return status.lease ? "reading" : "idle";
}

void write_lease(JsonWriter& writer, const consumer::Lease& lease) {
  writer.begin_object();
  writer.key("name");
  writer.string(lease.reader);
  writer.key("since");
  writer.time(lease.since);
  writer.key("until");
  writer.time(lease.until);
  writer.end_object();
}

std::expected<void, Problem> check_whole(JsonCursor& in) {
  in.end();
  if (!in.failed()) return {};
  return std::unexpected{malformed(in.message(), in.pointer())};
}

void read_start(JsonCursor& in, consumer::Start& start) {
  using enum consumer::Start::Kind;
  if (in.peek() == '"') {
    std::string_view text;
    in.string(text);
    if (text == "beginning") {
      start = {.kind = beginning};
    } else if (text == "end") {
      start = {.kind = end};
    } else {
      in.fail("This must be \"beginning\", \"end\" or a position.");
    }
    return;
  }
  std::uint64_t value = 0;
  in.number(value, limits::number_max);
  start = {.kind = position, .position = Position{value}};
}

void read_names(JsonCursor& in, std::string_view what, std::size_t size_max,
                std::vector<std::string>& names) {
  in.array([&] {
    std::string_view name;
    in.string(name);
    if (in.failed()) return;
    if (auto good = check_name(what, name, size_max); !good) return in.fail(good.error().message);
    if (names.size() == limits::filter_names_max) {
      return in.fail("At most " + std::to_string(limits::filter_names_max) + " names are allowed.");
    }
    names.emplace_back(name);
  });
}

void read_filter(JsonCursor& in, Filter& filter) {
  in.object([&](std::string_view member) {
    if (member == "categories") {
      read_names(in, "category", limits::stream_name_size_max, filter.categories);
    } else if (member == "types") {
      read_names(in, "type", limits::type_size_max, filter.types);
    } else if (member == "tags") {
      read_names(in, "tag", limits::tag_size_max, filter.tags);
    } else {
      in.unknown(member);
    }
  });
}

std::string_view code_of(const consumer::Refusal& refusal) {
  switch (refusal.code) {
    case consumer::Refusal::Code::unknown:
      return "consumer_unknown";
    case consumer::Refusal::Code::exists:
      return "consumer_exists";
    case consumer::Refusal::Code::busy:
      return "consumer_busy";
    case consumer::Refusal::Code::foreign:
      return "cursor_foreign";
    case consumer::Refusal::Code::failed:
      break;
  }
  return {};
}

}  // namespace

std::string encode_cursor(const consumer::Cursor& cursor) {
  std::string bytes(1, cursor_format);
  for (const std::uint8_t byte : cursor.consumer.bytes) bytes += static_cast<char>(byte);
  query::append_bytes(bytes, cursor.reading, 8);
  query::append_bytes(bytes, number(cursor.position), 8);
  query::append_bytes(bytes, crc32c(bytes), 4);
  return query::to_base64url(bytes);
}

std::optional<consumer::Cursor> decode_cursor(std::string_view text) {
  if (text.size() > cursor_text_max) return std::nullopt;
  const auto bytes = query::from_base64url(text);
  if (!bytes || bytes->size() != cursor_bytes || bytes->front() != cursor_format) {
    return std::nullopt;
  }
  const std::string_view body = std::string_view{*bytes}.substr(0, cursor_bytes - 4);
  if (query::bytes_at(*bytes, body.size(), 4) != crc32c(body)) return std::nullopt;
  consumer::Cursor out;
  for (std::size_t i = 0; i < out.consumer.bytes.size(); ++i) {
    out.consumer.bytes[i] = static_cast<std::uint8_t>(body[1 + i]);
  }
  out.reading = query::bytes_at(body, 17, 8);
  out.position = Position{query::bytes_at(body, 25, 8)};
  return out;
}

void append_consumer_json(std::string& out, const consumer::Status& status) {
  JsonWriter writer{out, Naming::as_stored};
  writer.begin_object();
  writer.key("name");
  writer.string(status.name);
  write_definition(writer, status.definition);
  writer.key("position");
  writer.unsigned_integer(number(status.position));
  writer.key("logEnd");
  writer.unsigned_integer(number(status.log_end));
  writer.key("lagEvents");
  writer.unsigned_integer(status.lag_events);
  writer.key("state");
  writer.string(state_of(status));
  writer.key("reader");
  if (status.lease) {
    write_lease(writer, *status.lease);
  } else {
    writer.null();
  }
  writer.key("createdAt");
  writer.time(status.created_at);
  writer.key("acknowledgedAt");
  if (status.acknowledged_at) {
    writer.time(*status.acknowledged_at);
  } else {
    writer.null();
  }
  writer.key("lastError");
  if (status.fault) {
    writer.string(status.fault->message);
  } else {
    writer.null();
  }
  writer.end_object();
}

std::expected<consumer::Definition, Problem> read_definition(std::string_view body) {
  consumer::Definition out;
  JsonCursor in{body};
  in.object([&](std::string_view member) {
    if (member == "filter") {
      read_filter(in, out.filter);
    } else if (member == "start") {
      read_start(in, out.start);
    } else {
      in.unknown(member);
    }
  });
  if (auto whole = check_whole(in); !whole) return std::unexpected{whole.error()};
  return out;
}

std::expected<consumer::Cursor, Problem> read_ack(std::string_view body) {
  std::optional<consumer::Cursor> cursor;
  JsonCursor in{body};
  in.object([&](std::string_view member) {
    if (member != "cursor") return in.unknown(member);
    std::string_view text;
    in.string(text);
    if (in.failed()) return;
    cursor = decode_cursor(text);
    if (!cursor) {
      in.fail("This is no cursor. Send the `cursor` of an answer of .../events, as it was.");
    }
  });
  if (!in.failed() && !cursor) in.fail("The member \"cursor\" is missing.");
  if (auto whole = check_whole(in); !whole) return std::unexpected{whole.error()};
  return *cursor;
}

std::expected<consumer::Start, Problem> read_seek(std::string_view body) {
  std::optional<consumer::Start> start;
  JsonCursor in{body};
  in.object([&](std::string_view member) {
    if (member != "to") return in.unknown(member);
    read_start(in, start.emplace());
  });
  if (!in.failed() && !start) {
    in.fail("The member \"to\" is missing: \"beginning\", \"end\" or a position.");
  }
  if (auto whole = check_whole(in); !whole) return std::unexpected{whole.error()};
  return *start;
}

Response answer_of(const consumer::Refusal& refusal, Timestamp now) {
  const std::string_view code = code_of(refusal);
  if (code.empty()) return problem_of(refusal.error);
  Problem problem{code, refusal.error.message};
  if (refusal.found) {
    std::string json;
    JsonWriter writer{json};
    writer.begin_object();
    write_definition(writer, *refusal.found);
    writer.end_object();
    problem.with_json("found", json);
  }
  if (!refusal.holder) return problem;
  std::string json;
  JsonWriter writer{json};
  write_lease(writer, *refusal.holder);
  problem.with_json("reader", json);
  const auto left = std::chrono::ceil<std::chrono::seconds>(refusal.holder->until - now);
  const auto seconds = std::max<std::chrono::seconds::rep>(left.count(), 1);
  return static_cast<Response>(problem).with("Retry-After", std::to_string(seconds));
}

}  // namespace stele::serve
