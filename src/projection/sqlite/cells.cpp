#include "projection/sqlite/cells.h"

#include <cstring>

namespace stele::projection {
namespace {

constexpr std::size_t checkpoint_size = 56;
constexpr std::size_t checkpoint_size_1 = 48;  // As long as nobody counted the commits.

void append_number(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>((value >> shift) & 0xff);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = (value << 8) | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

}  // namespace

void bind_cell(sqlite::Statement& statement, int parameter, const Cell& cell) {
  switch (cell.kind()) {
    case Cell::Kind::null:
      return statement.bind_null(parameter);
    case Cell::Kind::integer:
      return statement.bind(parameter, cell.integer());
    case Cell::Kind::real:
      return statement.bind(parameter, cell.real());
    case Cell::Kind::text:
      return statement.bind(parameter, cell.text());
  }
}

Cell cell_of(const sqlite::Statement& statement, int column) {
  switch (statement.type(column)) {
    case sqlite::Type::integer:
      return Cell{statement.int64(column)};
    case sqlite::Type::real:
      return Cell{statement.real(column)};
    case sqlite::Type::text:
    case sqlite::Type::blob:
      return Cell{statement.text(column)};
    case sqlite::Type::null:
      break;
  }
  return {};
}

std::string checkpoint_bytes(const Checkpoint& checkpoint, std::uint64_t commits) {
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), checkpoint.log.bytes.data(), 16);
  append_number(bytes, number(checkpoint.epoch));
  append_number(bytes, number(checkpoint.position));
  bytes.append(16, '\0');
  std::memcpy(bytes.data() + 32, checkpoint.fingerprint.bytes.data(), 16);
  append_number(bytes, commits);
  return bytes;
}

namespace {

Result<void> read_checkpoint(std::string_view bytes, const std::string& path, StoredState& state) {
  if (bytes.size() != checkpoint_size && bytes.size() != checkpoint_size_1) {
    return fail(Errc::corrupt, "The checkpoint of the read model at " + path + " has " +
                                   std::to_string(bytes.size()) +
                                   " bytes instead of 56. Rebuild the projection side by side, and "
                                   "promote the new generation.");
  }
  Checkpoint& checkpoint = state.checkpoint.emplace();
  std::memcpy(checkpoint.log.bytes.data(), bytes.data(), 16);
  checkpoint.epoch = Epoch{number_at(bytes, 16)};
  checkpoint.position = Position{number_at(bytes, 24)};
  std::memcpy(checkpoint.fingerprint.bytes.data(), bytes.data() + 32, 16);
  if (bytes.size() == checkpoint_size) state.commits = number_at(bytes, 48);
  return {};
}

}  // namespace

Result<StoredState> stored_state(sqlite::Database& database) {
  auto statement = database.cached(
      "SELECT key, value FROM stele_meta WHERE key IN ('checkpoint','parked','shown_from')");
  if (!statement) return std::unexpected{std::move(statement.error())};
  StoredState state;
  while (true) {
    const auto row = statement->step();
    if (!row) return std::unexpected{row.error()};
    if (!*row) return state;
    const std::string_view key = statement->text(0);
    if (key == "checkpoint") {
      auto read = read_checkpoint(statement->blob(1), database.path(), state);
      if (!read) return std::unexpected{std::move(read.error())};
    } else if (key == "parked") {
      state.parked = static_cast<std::uint64_t>(statement->int64(1));
    } else {
      state.shown_from = Position{static_cast<std::uint64_t>(statement->int64(1))};
    }
  }
}

}  // namespace stele::projection
