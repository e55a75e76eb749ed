// Module: event
// An event to append, and an event read back.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/ids.h"
#include "stele/time.h"

namespace stele {

inline constexpr std::string_view content_type_json = "application/json";

/// An event to append. Views must stay valid until the call that takes it returns. `data` and
/// `metadata` are bytes; the store gives back exactly those.
struct NewEvent {
  std::string_view type;  ///< What happened, such as "MoneyDeposited". At most `type_size_max`.
  std::string_view data;  ///< The payload. Anything, when `content_type` is not JSON.
  std::string_view content_type = content_type_json;
  std::string_view metadata = {};  ///< A JSON object, or empty. At most `metadata_size_max`.
  std::span<const std::string_view> tags = {};  ///< At most `event_tags_max`, no two the same.
  std::uint16_t schema_version = 1;             ///< Of the type; what an upcaster looks at.
  std::string_view key_id = {};  ///< Names the key of encrypted parts (erasure); empty = none.
  EventId id = {};  ///< Nil: made by the store. Given by a restore, and by the command processor,
                    ///< which must know the tip of an append that is still under way.
};

/// The tags of an event that was read: a view of packed bytes (one length byte, then the tag).
class TagList {
 public:
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(const char* at) : at_{at} {}
    std::string_view operator*() const { return {at_ + 1, static_cast<std::uint8_t>(*at_)}; }
    Iterator& operator++() {
      at_ += 1 + static_cast<std::uint8_t>(*at_);
      return *this;
    }
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const char* at_ = nullptr;
  };

  TagList() = default;
  /// `packed` must hold whole entries; the caller has checked it.
  explicit TagList(std::string_view packed) : packed_{packed} {}
  [[nodiscard]] Iterator begin() const { return Iterator{packed_.data()}; }
  [[nodiscard]] Iterator end() const { return Iterator{packed_.data() + packed_.size()}; }
  [[nodiscard]] bool empty() const { return packed_.empty(); }
  [[nodiscard]] bool contains(std::string_view tag) const;
  [[nodiscard]] std::string_view packed() const { return packed_; }

 private:
  std::string_view packed_;
};

/// An event read back. Its views live as long as the `EventBlock` that it came in.
struct EventView {
  Position position{};
  Version version{};
  Timestamp recorded_at{};  ///< Never goes back along positions.
  EventId id;
  AppendId append_id;
  std::string_view stream;
  std::string_view type;
  std::string_view content_type;
  std::string_view metadata;  ///< A JSON object, or empty.
  std::string_view data;
  std::string_view key_id;
  TagList tags;
  std::uint16_t schema_version = 1;
};

/// Events and the memory that they view. Cheap to move; copies share the memory.
class EventBlock {
 public:
  EventBlock() = default;
  EventBlock(std::vector<EventView> events, std::vector<std::shared_ptr<const void>> owners)
      : events_{std::move(events)}, owners_{std::move(owners)} {}

  [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }
  [[nodiscard]] bool empty() const noexcept { return events_.empty(); }
  [[nodiscard]] const EventView& operator[](std::size_t i) const { return events_[i]; }
  [[nodiscard]] const EventView& back() const { return events_.back(); }
  [[nodiscard]] auto begin() const noexcept { return events_.begin(); }
  [[nodiscard]] auto end() const noexcept { return events_.end(); }

 private:
  std::vector<EventView> events_;
  std::vector<std::shared_ptr<const void>> owners_;
};

}  // namespace stele
