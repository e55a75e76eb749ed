#include "stele/read_model.h"

namespace stele {

Cell Value::cell() const {
  if (const auto* whole = std::get_if<std::int64_t>(&value_)) return Cell{*whole};
  if (const auto* real = std::get_if<double>(&value_)) return Cell{*real};
  if (const auto* text = std::get_if<std::string>(&value_)) return Cell{std::string_view{*text}};
  return {};
}

Value Value::of(const Cell& cell) {
  switch (cell.kind()) {
    case Cell::Kind::integer:
      return {cell.integer()};
    case Cell::Kind::real:
      return {cell.real()};
    case Cell::Kind::text:
      return {cell.text()};
    case Cell::Kind::null:
      break;
  }
  return {};
}

}  // namespace stele
