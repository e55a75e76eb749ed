// What folds and maps share: values of types that only their tables know.

#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/projection.h"

namespace stele::projection {

/// Makes values one after another in blocks of memory that it keeps for the next batch: a batch
/// costs no allocation once the largest has been seen. The values do not move.
class ValueArena {
 public:
  ValueArena() = default;
  ~ValueArena() { clear(); }
  ValueArena(const ValueArena&) = delete;
  ValueArena& operator=(const ValueArena&) = delete;

  /// A value by default. Lives until `clear`.
  [[nodiscard]] void* make(const detail::TypeTable& type);
  void clear() noexcept;

 private:
  static constexpr std::size_t block_size = 16 * 1'024;  // Bytes; a larger value gets its own.
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
  struct Value {
    void* object;
    const detail::TypeTable* type;
  };
  [[nodiscard]] void* place(std::size_t size, std::size_t alignment);

  std::vector<Block> blocks_;
  std::size_t block_ = 0;  // The one in use.
  std::size_t used_ = 0;   // Bytes of it.
  std::vector<Value> values_;
};

/// The spec of a projection over events of these names.
[[nodiscard]] ProjectionSpec spec_of(const detail::ProjectionTable& table,
                                     std::vector<std::string> event_names);

[[nodiscard]] Error thrown_by(const ProjectionSpec& spec, const At& at, std::string_view what);

/// Runs the user's code and turns what it throws into an error that names the event.
template <typename Call>
Result<void> guarded(const ProjectionSpec& spec, const At& at, Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::exception& thrown) {
    return std::unexpected{thrown_by(spec, at, thrown.what())};
  } catch (...) {
    return std::unexpected{thrown_by(spec, at, "something that is no std::exception")};
  }
}

/// Null for a type that is not listed.
template <typename Event>
[[nodiscard]] const Event* find_event(std::span<const Event> events, std::string_view type) {
  for (const Event& each : events) {
    if (each.type->name == type) return &each;
  }
  return nullptr;
}

}  // namespace stele::projection
