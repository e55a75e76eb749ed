// Module: log
// Bytes in memory that are read like a file: an index that could not be written to its disk.

#pragma once

#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "log/disk.h"

namespace stele::log {

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::vector<std::byte> bytes) : bytes_{std::move(bytes)} {}

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    if (offset + bytes.size() > bytes_.size()) {
      return fail(Errc::corrupt, "A file in memory ends before what is read from it.");
    }
    std::memcpy(bytes.data(), bytes_.data() + offset, bytes.size());
    return {};
  }
  Result<std::uint64_t> size() const override { return bytes_.size(); }

  Result<void> write_at(std::uint64_t, std::span<const std::byte>) override { return refuse(); }
  Result<void> sync() override { return refuse(); }
  Result<void> zero_fill(std::uint64_t, std::uint64_t) override { return refuse(); }
  Result<void> truncate(std::uint64_t) override { return refuse(); }

 private:
  static Result<void> refuse() {
    return fail(Errc::internal, "A file in memory was to be written; it is for reading only.");
  }

  std::vector<std::byte> bytes_;
};

}  // namespace stele::log
