// Memory that a connection's bytes are read into, shared by the requests that point into it.

#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace stele::serve {

/// A counted reference to a chunk. Unlike `std::shared_ptr`, "am I the only one?" has an answer
/// that also publishes what the others read before they let go.
class ChunkRef {
 public:
  ChunkRef() = default;
  explicit ChunkRef(std::size_t capacity) : chunk_{new Chunk{capacity}} {}
  ChunkRef(const ChunkRef& other) noexcept : chunk_{other.chunk_} {
    if (chunk_ != nullptr) chunk_->users.fetch_add(1, std::memory_order_relaxed);
  }
  ChunkRef(ChunkRef&& other) noexcept : chunk_{std::exchange(other.chunk_, nullptr)} {}
  ChunkRef& operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkRef() {
    if (chunk_ != nullptr && chunk_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete chunk_;
    }
  }

  [[nodiscard]] explicit operator bool() const noexcept { return chunk_ != nullptr; }
  [[nodiscard]] char* data() const noexcept { return chunk_->bytes.get(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return chunk_->capacity; }
  [[nodiscard]] bool is_only_user() const noexcept {
    return chunk_->users.load(std::memory_order_acquire) == 1;
  }

 private:
  struct Chunk {
    explicit Chunk(std::size_t size)
        : bytes{std::make_unique_for_overwrite<char[]>(size)}, capacity{size} {}
    std::atomic<std::size_t> users{1};
    std::unique_ptr<char[]> bytes;
    std::size_t capacity;
  };

  Chunk* chunk_ = nullptr;
};

}  // namespace stele::serve
