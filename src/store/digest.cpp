#include "store/digest.h"

#include <xxhash.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace stele::store {
namespace {

Digest to_digest(XXH128_hash_t hash) {
  XXH128_canonical_t canonical{};
  XXH128_canonicalFromHash(&canonical, hash);
  Digest out{};
  std::memcpy(out.data(), canonical.digest, out.size());
  return out;
}

/// Collects small fields in a buffer, so that most requests are hashed in one call; long ones go
/// through the streaming state.
class Hasher {
 public:
  void bytes(std::string_view text) {
    if (text.size() > buffer_.size() - used_) {
      flush();
      if (text.size() > buffer_.size()) {
        XXH3_128bits_update(state_.get(), text.data(), text.size());
        return;
      }
    }
    if (!text.empty()) std::memcpy(buffer_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  template <typename Number>
  void number(Number value) {
    std::array<char, sizeof(Number)> raw{};
    for (std::size_t i = 0; i < raw.size(); ++i) {
      raw[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
    }
    bytes({raw.data(), raw.size()});
  }
  void count(std::size_t value) { number(static_cast<std::uint32_t>(value)); }
  void text(std::string_view value) {
    count(value.size());
    bytes(value);
  }
  template <typename Names>
  void names(const Names& values) {
    count(values.size());
    for (const std::string_view value : values) text(value);
  }
  [[nodiscard]] Digest finish() {
    if (!state_) return to_digest(XXH3_128bits(buffer_.data(), used_));
    flush();
    return to_digest(XXH3_128bits_digest(state_.get()));
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  void flush() {
    if (!state_) {
      state_.reset(XXH3_createState());
      XXH3_128bits_reset(state_.get());
    }
    XXH3_128bits_update(state_.get(), buffer_.data(), used_);
    used_ = 0;
  }

  std::unique_ptr<XXH3_state_t, Free> state_;
  std::size_t used_ = 0;
  std::array<char, 2'048> buffer_;  // Not cleared: only the first `used_` bytes are read.
};

void put_event(Hasher& hasher, const NewEvent& event) {
  hasher.text(event.type);
  hasher.text(event.content_type);
  hasher.number(event.schema_version);
  hasher.text(event.key_id);
  hasher.text(event.metadata);
  hasher.text(event.data);
  hasher.names(event.tags);
  hasher.bytes({reinterpret_cast<const char*>(event.id.bytes.data()), event.id.bytes.size()});
}

}  // namespace

Digest digest_of(const AppendRequest& request) {
  Hasher hasher;
  hasher.count(request.streams.size());
  for (const StreamAppend& stream : request.streams) {
    hasher.text(stream.stream);
    hasher.number(static_cast<std::uint8_t>(stream.expected.kind));
    hasher.number(stele::number(stream.expected.version));
    hasher.number(static_cast<std::uint8_t>(stream.expected.tip.has_value()));
    hasher.number(stele::number(stream.expected.tip.value_or(Tip{})));
    hasher.count(stream.events.size());
    for (const NewEvent& event : stream.events) put_event(hasher, event);
  }
  hasher.number(static_cast<std::uint8_t>(request.condition.has_value()));
  if (request.condition) {
    hasher.number(stele::number(request.condition->after));
    hasher.count(request.condition->fail_if.size());
    for (const QueryItem& item : request.condition->fail_if) {
      hasher.names(item.types);
      hasher.names(item.tags);
    }
  }
  return hasher.finish();
}

Digest hash_bytes(std::string_view bytes) {
  return to_digest(XXH3_128bits(bytes.data(), bytes.size()));
}

}  // namespace stele::store
