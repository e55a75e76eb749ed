#include "log/format.h"

#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "log/bytes.h"

namespace stele::log {
namespace {

constexpr std::string_view segment_magic = "STELESEG";
constexpr std::uint32_t group_magic = 0x50524753;  // "SGRP"
constexpr std::size_t segment_crc_at = segment_header_size - 4;
constexpr std::size_t name_digits = 20;

// Offsets as in the table at the top of format.h.
constexpr std::size_t version_at = 8;
constexpr std::size_t kind_at = 12;
constexpr std::size_t required_at = 16;
constexpr std::size_t optional_at = 24;
constexpr std::size_t log_id_at = 32;
constexpr std::size_t salt_at = 48;
constexpr std::size_t epoch_at = 56;
constexpr std::size_t first_at = 64;
constexpr std::size_t first_group_at = 72;
constexpr std::size_t frames_before_at = 80;
constexpr std::size_t chain_at = 88;
constexpr std::size_t previous_first_at = 104;
constexpr std::size_t last_recorded_at_at = 112;
constexpr std::size_t made_at_at = 120;

std::string named(Position first, std::string_view suffix) {
  std::string digits = std::to_string(number(first));
  return std::string(name_digits - digits.size(), '0') + digits + std::string{suffix};
}

std::unexpected<Error> header_corrupt(std::string_view path, std::string_view why) {
  return fail(Errc::corrupt, "The segment header of \"" + std::string{path} + "\" " +
                                 std::string{why} +
                                 "; run `stele verify`, then `stele repair` or restore a backup.");
}

}  // namespace

std::array<std::byte, segment_header_size> encode(const SegmentHeader& header) {
  std::array<std::byte, segment_header_size> out{};
  std::byte* at = out.data();
  std::memcpy(at, segment_magic.data(), segment_magic.size());
  store(at + version_at, format_version);
  store(at + kind_at, static_cast<std::uint32_t>(header.kind));
  store(at + required_at, header.required_features);
  store(at + optional_at, header.optional_features);
  std::memcpy(at + log_id_at, header.log_id.bytes.data(), header.log_id.bytes.size());
  store(at + salt_at, header.salt);
  store(at + epoch_at, number(header.epoch));
  store(at + first_at, number(header.first));
  store(at + first_group_at, header.first_group);
  store(at + frames_before_at, header.frames_before);
  std::memcpy(at + chain_at, header.chain.data(), header.chain.size());
  store(at + previous_first_at, number(header.previous_first));
  store(at + last_recorded_at_at, micros(header.last_recorded_at));
  store(at + made_at_at, micros(header.made_at));
  store(at + segment_crc_at, crc32c(at, segment_crc_at));
  return out;
}

Result<SegmentHeader> decode_segment_header(std::span<const std::byte> bytes,
                                            std::string_view path) {
  if (bytes.size() < segment_header_size) return header_corrupt(path, "is cut short");
  const std::byte* at = bytes.data();
  if (text_at(at, segment_magic.size()) != segment_magic) {
    return header_corrupt(path, "does not begin with \"STELESEG\"");
  }
  if (load<std::uint32_t>(at + segment_crc_at) != crc32c(at, segment_crc_at)) {
    return header_corrupt(path, "fails its checksum");
  }
  const auto version = load<std::uint32_t>(at + version_at);
  const auto required = load<std::uint64_t>(at + required_at);
  if (version > format_version || (required & ~known_required_features) != 0) {
    return fail(Errc::unsupported, "\"" + std::string{path} + "\" was written in format version " +
                                       std::to_string(version) + " with features " +
                                       std::to_string(required) + "; this program reads version " +
                                       std::to_string(format_version) + " with features " +
                                       std::to_string(known_required_features) +
                                       ". Use a newer program.");
  }
  SegmentHeader header;
  const auto kind = load<std::uint32_t>(at + kind_at);
  header.kind = static_cast<SegmentKind>(kind);
  if (version == 0 || (kind != 1 && kind != 2)) return header_corrupt(path, "is of no known kind");
  header.required_features = required;
  header.optional_features = load<std::uint64_t>(at + optional_at);
  std::memcpy(header.log_id.bytes.data(), at + log_id_at, header.log_id.bytes.size());
  header.salt = load<std::uint64_t>(at + salt_at);
  header.epoch = Epoch{load<std::uint64_t>(at + epoch_at)};
  header.first = Position{load<std::uint64_t>(at + first_at)};
  header.first_group = load<std::uint64_t>(at + first_group_at);
  header.frames_before = load<std::uint64_t>(at + frames_before_at);
  std::memcpy(header.chain.data(), at + chain_at, header.chain.size());
  header.previous_first = Position{load<std::uint64_t>(at + previous_first_at)};
  header.last_recorded_at = Timestamp{load<std::int64_t>(at + last_recorded_at_at)};
  header.made_at = Timestamp{load<std::int64_t>(at + made_at_at)};
  if (number(header.first) == 0) return header_corrupt(path, "has no first position");
  return header;
}

std::string segment_name(Position first) { return named(first, ".seg"); }

std::string index_name(Position first) { return named(first, ".idx"); }

Position position_in_name(std::string_view name, std::string_view suffix) {
  if (name.size() != name_digits + suffix.size() || !name.ends_with(suffix)) return {};
  std::uint64_t value = 0;
  const char* const end = name.data() + name_digits;
  const auto [at, error] = std::from_chars(name.data(), end, value);
  return error == std::errc{} && at == end ? Position{value} : Position{};
}

std::uint32_t log_seed(std::uint64_t salt) noexcept { return crc32c(&salt, sizeof salt); }

std::uint32_t segment_seed(std::uint64_t salt, Position first) noexcept {
  const std::uint64_t value = number(first);
  return crc32c(&value, sizeof value, log_seed(salt));
}

void encode(const GroupHeader& header, std::uint64_t salt, std::uint32_t seed,
            std::span<std::byte> out) {
  std::byte* at = out.data();
  store(at, group_magic);
  store(at + 8, salt);
  store(at + 16, header.number);
  store(at + 24, header.size);
  store(at + 28, header.frames);
  store(at + 32, header.durable_group);
  store(at + 40, number(header.durable_position));
  store(at + 48, number(header.first));
  store(at + 56, std::uint64_t{0});
  store(at + 4, crc32c(at + 8, group_header_size - 8, seed));
}

bool decode_group_header(std::span<const std::byte> bytes, std::uint64_t salt, std::uint32_t seed,
                         GroupHeader& header) {
  const std::byte* at = bytes.data();
  if (load<std::uint32_t>(at) != group_magic || load<std::uint64_t>(at + 8) != salt) return false;
  if (load<std::uint32_t>(at + 4) != crc32c(at + 8, group_header_size - 8, seed)) return false;
  header.number = load<std::uint64_t>(at + 16);
  header.size = load<std::uint32_t>(at + 24);
  header.frames = load<std::uint32_t>(at + 28);
  header.durable_group = load<std::uint64_t>(at + 32);
  header.durable_position = Position{load<std::uint64_t>(at + 40)};
  header.first = Position{load<std::uint64_t>(at + 48)};
  return header.size >= group_header_size;
}

}  // namespace stele::log
