#include "serve/projection_json.h"

#include <algorithm>
#include <cmath>

#include "serve/json_cursor.h"
#include "stele/json.h"
#include "stele/limits.h"

namespace stele::serve {
namespace {

constexpr int generation_max = 1'000'000'000;

/// Rates and times, to three decimals: more is noise.
void write_real(JsonWriter& writer, std::string_view name, double value) {
  writer.exact_key(name);
  writer.number(std::isfinite(value) ? std::round(value * 1'000) / 1'000 : 0);
}

void write_count(JsonWriter& writer, std::string_view name, std::uint64_t value) {
  writer.exact_key(name);
  writer.unsigned_integer(std::min(value, limits::number_max));
}

void write_text(JsonWriter& writer, std::string_view name, std::string_view text) {
  writer.exact_key(name);
  if (text.empty()) return writer.null();
  if (is_utf8(text)) return writer.string(text);
  std::string ascii{text};
  std::ranges::replace_if(ascii, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  writer.string(ascii);
}

void write_progress(JsonWriter& writer, const projection::GenerationStatus& status) {
  writer.exact_key("state");
  writer.string(projection::to_string(status.state));
  write_count(writer, "position", number(status.position));
}

void write_lag(JsonWriter& writer, const projection::GenerationStatus& status) {
  write_count(writer, "lagEvents", status.lag_events);
  write_real(writer, "lagSeconds", status.lag_seconds);
  write_real(writer, "eventsPerSecond", status.events_per_second);
  write_real(writer, "percent", status.percent);
  write_real(writer, "secondsLeft", status.seconds_left);
  write_count(writer, "parked", status.parked);
  write_text(writer, "lastError", status.last_error);
}

void read_mode(JsonCursor& in, bool& side_by_side) {
  std::string_view text;
  in.string(text);
  if (in.failed()) return;
  if (text != "in_place" && text != "side_by_side") {
    return in.fail("This must be \"in_place\" or \"side_by_side\".");
  }
  side_by_side = text == "side_by_side";
}

}  // namespace

void append_projection_json(std::string& out, const projection::Status& status) {
  JsonWriter writer{out};
  writer.begin_object();
  writer.exact_key("name");
  writer.string(status.name);
  writer.exact_key("generation");
  writer.integer(status.generation);
  write_progress(writer, status);
  write_count(writer, "logEnd", number(status.log_end));
  write_lag(writer, status);
  writer.exact_key("generations");
  writer.begin_array();
  for (const projection::GenerationStatus& each : status.generations) {
    writer.begin_object();
    writer.exact_key("generation");
    writer.integer(each.generation);
    writer.exact_key("role");
    writer.string(projection::to_string(each.role));
    writer.exact_key("code");
    writer.integer(each.code);
    write_progress(writer, each);
    write_lag(writer, each);
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
}

void append_parked_json(std::string& out, const projection::Parked& parked) {
  JsonWriter writer{out};
  writer.begin_object();
  writer.exact_key("key");
  writer.string(parked.key);
  write_count(writer, "fromVersion", number(parked.from_version));
  write_count(writer, "fromPosition", number(parked.from_position));
  write_text(writer, "error", parked.error);
  write_count(writer, "attempts", parked.attempts);
  writer.end_object();
}

std::expected<VerbBody, Problem> read_verb_body(std::string_view body,
                                                std::initializer_list<std::string_view> members) {
  VerbBody out;
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return out;
  JsonCursor in{body};
  in.object([&](std::string_view member) {
    std::uint64_t value = 0;
    if (std::ranges::find(members, member) == members.end()) return in.unknown(member);
    if (member == "mode") return read_mode(in, out.rebuild.side_by_side);
    if (member == "from") {
      in.number(value, limits::number_max);
      out.rebuild.from = Position{value};
    } else if (member == "generation") {
      in.number(value, generation_max);
      out.generation = static_cast<int>(value);
    } else {
      in.array([&] {
        std::string_view name;
        in.string(name);
        if (out.names.size() == projection::projections_max) return in.fail("These are too many.");
        out.names.emplace_back(name);
      });
    }
  });
  in.end();
  if (in.failed()) return std::unexpected{malformed(in.message(), in.pointer())};
  return out;
}

}  // namespace stele::serve
