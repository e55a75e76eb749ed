#include "projection/tables.h"

#include <algorithm>
#include <cstdint>

namespace stele::projection {

void* ValueArena::place(std::size_t size, std::size_t alignment) {
  for (;; ++block_, used_ = 0) {
    if (block_ == blocks_.size()) {
      const std::size_t bytes = std::max(block_size, size + alignment);
      blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(bytes), bytes});
    }
    const Block& block = blocks_[block_];
    void* at = block.bytes.get() + used_;
    std::size_t space = block.size - used_;
    if (std::align(alignment, size, at, space) == nullptr) continue;
    used_ = block.size - space + size;
    return at;
  }
}

void* ValueArena::make(const detail::TypeTable& type) {
  void* at = place(type.size, type.alignment);
  values_.push_back({at, nullptr});  // First, so that nothing is lost if there is no memory.
  type.make(at);
  values_.back().type = &type;
  return at;
}

void ValueArena::clear() noexcept {
  for (const Value& value : values_) {
    if (value.type != nullptr) value.type->destroy(value.object);
  }
  values_.clear();
  block_ = 0;
  used_ = 0;
}

ProjectionSpec spec_of(const detail::ProjectionTable& table, std::vector<std::string> event_names) {
  ProjectionSpec spec;
  spec.name = table.name;
  spec.generation = table.generation;
  spec.filter.types = std::move(event_names);
  spec.columns = detail::columns(table.row->columns);
  if (!table.category.empty()) {
    spec.category = table.category;
    spec.filter.categories = {spec.category};
  }
  for (const Index& index : table.indexes) {
    auto& columns = spec.indexes.emplace_back();
    for (const std::string_view column : index.columns) {
      if (!column.empty()) columns.emplace_back(column);
    }
  }
  for (const std::string_view column : table.full_text.columns) {
    if (!column.empty()) spec.full_text.emplace_back(column);
  }
  spec.full_text_within = table.full_text.within;
  return spec;
}

Error thrown_by(const ProjectionSpec& spec, const At& at, std::string_view what) {
  std::string message = "Projection \"" + spec.name + "\" threw on event " + std::string{at.type} +
                        " at position " + std::to_string(number(at.position)) + " of stream \"";
  message += at.stream;
  message += "\". Correct its code, then resume it.";
  return {.code = Errc::internal, .message = std::move(message), .detail = std::string{what}};
}

}  // namespace stele::projection
