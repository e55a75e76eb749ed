#include "backup/export_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/crc32c.h"
#include "serve/base64.h"
#include "stele/limits.h"

namespace stele::program {
namespace {

constexpr std::string_view checksum_member = ",\"crc32c\":\"";
constexpr std::size_t checksum_digits = 8;
constexpr std::string_view line_end = "\"}";

// The members without which a line tells too little. `data` stands for `dataBase64` too, as does
// `metadata`.
constexpr std::array<std::string_view, 12> needed = {
    "position", "stream", "version",  "id",     "appendId",   "type",
    "tags",     "data",   "metadata", "digest", "recordedAt", "contentType"};

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

ExportLine::ExportLine(std::string text) : text_{std::move(text)}, in_{text_} {}

Result<std::unique_ptr<ExportLine>> ExportLine::parse(std::string text) {
  std::unique_ptr<ExportLine> line{new ExportLine{std::move(text)}};
  if (auto done = line->check_checksum(); !done) return std::unexpected{done.error()};
  line->read();
  if (line->in_.failed()) {
    const std::string& where = line->in_.pointer();
    return fail(Errc::invalid, "It is no line of an export: " +
                                   (where.empty() ? "" : where + ": ") + line->in_.message());
  }
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if ((line->seen_ >> i & 1U) == 0) {
      return fail(Errc::invalid,
                  "It is no line of an export: \"" + std::string{needed[i]} + "\" is missing.");
    }
  }
  line->event.tags = line->tags_;
  return line;
}

/// The checksum stands last, and is of all before it.
Result<void> ExportLine::check_checksum() {
  const std::size_t tail = checksum_member.size() + checksum_digits + line_end.size();
  const std::string_view text = text_;
  if (text.size() <= tail || !text.ends_with(line_end) ||
      text.substr(text.size() - tail, checksum_member.size()) != checksum_member) {
    return fail(Errc::invalid,
                "It does not end with the checksum that `stele export` writes: this is no line of "
                "an export, or it was changed.");
  }
  const std::size_t digits_at = text.size() - line_end.size() - checksum_digits;
  std::uint32_t told = 0;
  const char* const end = text.data() + digits_at + checksum_digits;
  const auto [stop, error] = std::from_chars(text.data() + digits_at, end, told, 16);
  if (error != std::errc{} || stop != end || told != crc32c(text.substr(0, text.size() - tail))) {
    return fail(Errc::invalid, "It does not match its checksum: the file was damaged or changed.");
  }
  return {};
}

void ExportLine::read() {
  in_.object([&](std::string_view member) {
    const bool base64 = member == "dataBase64" || member == "metadataBase64";
    const auto* const at =
        std::ranges::find(needed, base64 ? member.substr(0, member.size() - 6) : member);
    if (at != needed.end()) {
      seen_ |= std::uint32_t{1} << static_cast<std::uint32_t>(at - needed.begin());
    }
    read_member(member);
  });
  in_.end();
}

void ExportLine::read_member(std::string_view member) {
  std::uint64_t number = 0;
  std::string_view text;
  if (member == "position") {
    in_.number(number, limits::number_max);
    position = Position{number};
  } else if (member == "stream") {
    in_.string(stream);
  } else if (member == "version") {
    in_.number(number, limits::number_max);
    version = Version{number};
    if (number == 0) in_.fail("The first version is 1.");
  } else if (member == "id") {
    read_uuid(event.id);
  } else if (member == "appendId") {
    read_uuid(append_id);
  } else if (member == "type") {
    in_.string(event.type);
  } else if (member == "tags") {
    in_.array([&] { in_.string(tags_.emplace_back()); });
  } else if (member == "data") {
    read_json(event.data);
  } else if (member == "dataBase64") {
    read_bytes(event.data);
  } else if (member == "contentType") {
    in_.string(event.content_type);
  } else if (member == "schemaVersion") {
    in_.number(number, 65'535);
    event.schema_version = static_cast<std::uint16_t>(number);
  } else if (member == "metadata") {
    read_json(event.metadata);
    if (event.metadata == "{}") event.metadata = {};  // So an event without any is shown.
  } else if (member == "metadataBase64") {
    read_bytes(event.metadata);
  } else if (member == "keyId") {
    in_.string(event.key_id);
  } else if (member == "recordedAt") {
    read_time();
  } else if (member == "digest") {
    read_digest();
  } else if (member == "streams") {
    in_.array([&] { read_stream(); });
  } else if (member == "log") {
    read_log();
  } else if (member == "crc32c") {
    in_.string(text);
  } else {
    in_.unknown(member);  // Of a newer version: what it means would be lost.
  }
}

void ExportLine::read_uuid(Uuid& out) {
  std::string_view text;
  in_.string(text);
  if (in_.failed()) return;
  const auto id = Uuid::parse(text);
  if (!id) return in_.fail(id.error().message);
  if (id->is_nil()) return in_.fail("The id must not be all zeros.");
  out = *id;
}

void ExportLine::read_json(std::string_view& out) {
  in_.value(out);
  if (!in_.failed() && in_.had_space()) in_.fail("The export did not write this white space.");
}

void ExportLine::read_bytes(std::string_view& out) {
  std::string_view text;
  in_.string(text);
  if (in_.failed()) return;
  std::string& bytes = decoded_.emplace_back();
  if (!serve::decode_base64(text, bytes)) return in_.fail("This is not Base64.");
  out = bytes;
}

void ExportLine::read_digest() {
  std::string_view text;
  in_.string(text);
  if (in_.failed()) return;
  if (text.size() != 2 * digest.size()) return in_.fail("A digest has 32 hex digits.");
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto high = hex_digit(text[2 * i]);
    const auto low = hex_digit(text[2 * i + 1]);
    if (!high || !low) return in_.fail("A digest has 32 hex digits.");
    digest[i] = static_cast<std::uint8_t>(*high << 4U | *low);
  }
}

void ExportLine::read_time() {
  std::string_view text;
  in_.string(text);
  if (in_.failed()) return;
  const auto time = parse_time(text);
  if (!time) return in_.fail(time.error().message);
  recorded_at = *time;
}

void ExportLine::read_stream() {
  ExportedStream& out = streams.emplace_back();
  in_.object([&](std::string_view member) {
    if (member == "stream") {
      in_.string(out.stream);
    } else if (member == "version") {
      std::uint64_t number = 0;
      in_.number(number, limits::number_max);
      out.after.version = Version{number};
    } else if (member == "tip") {
      std::string_view hex;
      in_.string(hex);
      if (in_.failed()) return;
      const auto tip = parse_tip(hex);
      if (!tip) return in_.fail(tip.error().message);
      out.after.tip = *tip;
    } else {
      in_.unknown(member);
    }
  });
}

void ExportLine::read_log() {
  ExportedLog& out = log.emplace();
  in_.object([&](std::string_view member) {
    if (member == "id") {
      read_uuid(out.id);
    } else if (member == "end") {
      std::uint64_t number = 0;
      in_.number(number, limits::number_max);
      out.end = Position{number};
    } else {
      in_.unknown(member);
    }
  });
}

}  // namespace stele::program
