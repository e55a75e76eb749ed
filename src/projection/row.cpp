#include "stele/row.h"

namespace stele {

void RowWriter::add_money(const Money& value) {
  cells_.emplace_back(value.minor_units());
  if (!value.ok()) failed_ = "holds an amount that is beyond 64 bits or mixes currencies";
  if (value.currency().is_none()) return;
  if (currency_.is_none()) currency_ = value.currency();
  if (currency_ != value.currency()) failed_ = "holds an amount of a second currency";
}

void RowWriter::add_currency(Currency currency) { add_text(std::string{currency.code()}); }

void RowWriter::add_text(std::string text) {
  cells_.emplace_back(std::string_view{texts_.emplace_back(std::move(text))});
}

void RowWriter::add_cell(const Cell& cell) { cells_.push_back(cell); }

void RowWriter::start() {
  cells_.clear();
  texts_.clear();
  currency_ = {};
  failed_ = nullptr;
  failed_name_.clear();
}

Result<std::span<const Cell>> RowWriter::finish(std::string_view row) const {
  if (failed_ == nullptr) return std::span<const Cell>{cells_};
  std::string message = "Member \"" + failed_name_ + "\" of row \"";
  message += row;
  message += "\" ";
  message += failed_;
  return fail(Errc::invalid, message + ". Give one currency a row, and check sums before them.");
}

namespace detail {

bool read_cell(const Cell& cell, std::string& out) {
  out = cell.text();
  return cell.kind() == Cell::Kind::text;
}

bool read_cell(const Cell& cell, Uuid& out) {
  const auto parsed = Uuid::parse(cell.text());
  if (parsed) out = *parsed;
  return parsed.has_value();
}

bool read_cell(const Cell& cell, Currency& out) {
  out = {};
  if (cell.kind() != Cell::Kind::text || cell.text().empty()) {
    return cell.kind() == Cell::Kind::text;
  }
  const auto found = Currency::find(cell.text());
  if (found) out = *found;
  return found.has_value();
}

bool read_cell(const Cell& cell, double& out) {
  out = cell.kind() == Cell::Kind::integer ? static_cast<double>(cell.integer()) : cell.real();
  return cell.kind() == Cell::Kind::integer || cell.kind() == Cell::Kind::real;
}

std::vector<Column> columns(std::span<const StaticColumn> known) {
  std::vector<Column> columns;
  columns.reserve(known.size());
  for (const StaticColumn& each : known) {
    columns.push_back({std::string{each.name}, each.type, each.nullable});
  }
  return columns;
}

Result<void> RowTable::read(std::span<const Cell> cells, void* row) const {
  const std::string_view member = read_cells(cells, row);
  if (member.empty()) return {};
  std::string message = "A stored row does not fit member \"";
  message += member;
  message += "\" of \"";
  message += type->name;
  return fail(Errc::corrupt,
              message + "\". Raise the projection's generation, so that it is built anew.");
}

}  // namespace detail
}  // namespace stele
