#include "stele/row.h"

namespace stele {

void RowWriter::add_money(const Money& value) {
  cells_.emplace_back(value.minor_units());
  if (!value.ok()) failed_ = "holds an amount that is beyond 64 bits or mixes currencies";
  if (value.currency().is_none()) return;
  if (currency_.is_none()) currency_ = value.currency();
  if (currency_ != value.currency()) failed_ = "holds an amount of a second currency";
}

Cell RowWriter::keep(Currency currency) {
  return Cell{std::string_view{texts_.emplace_back(currency.code())}};
}

std::unexpected<Error> RowWriter::failure(std::string_view row) const {
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

std::unexpected<Error> row_mismatch(std::string_view row, std::string_view member) {
  std::string message = "A stored row does not fit member \"";
  message += member;
  message += "\" of \"";
  message += row;
  return fail(Errc::corrupt,
              message + "\". Raise the projection's generation, so that it is built anew.");
}

}  // namespace detail
}  // namespace stele
