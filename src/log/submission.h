// Module: log
// An append on its way: encoded and hashed outside every lock, with what was proven for it about
// the segments that nobody writes any more. The tail judges it (tail.h) and says what is missing;
// `prove` looks that up; then it is judged again.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "log/format.h"
#include "log/index_key.h"
#include "log/layout.h"
#include "log/recent_index.h"
#include "stele/append.h"

namespace stele::log {

/// One stream of the request, and what is known of it before the floor.
struct StreamDemand {
  std::string_view name;  ///< A view of the request.
  KeyHash hash = 0;
  Expected expected = {};
  std::uint32_t events = 0;
  Tip last_tip{};                                  ///< Of its last event here, if any.
  std::optional<StreamState> cold = std::nullopt;  ///< In the sealed segments, once looked up.
  bool wanted_cold = false;                        ///< The tail needs `cold`.
  bool confirmed = false;  ///< A record of this name was read for the hash in open segments.
};

/// A place where the tail found a hash and wants the record compared.
struct Doubt {
  enum class Kind : std::uint8_t { append_id, stream, condition };
  Kind kind = Kind::append_id;
  Position position{};    ///< Durable.
  std::size_t index = 0;  ///< Of the stream, or of the condition's item.
};

struct Submission {
  AppendId id;
  Digest digest{};
  KeyHash id_hash = 0;
  EncodedAppend encoded = {};  ///< Empty for a pure check.
  std::vector<StreamDemand> streams = {};
  std::vector<IndexedEvent> events = {};  ///< Versions are relative until it is staged.
  std::vector<KeyHash> tag_hashes = {};   ///< What `events` view.
  std::vector<IndexQuery> condition = {};
  std::vector<Filter> condition_text = {};  ///< The same, for comparing records.

  // What is proven:
  Position floor{1};                     ///< The id is in no segment before it; `cold` is as of it.
  std::vector<Position> other_ids = {};  ///< Frames with the id's hash and another id.
  Position checked_to{};  ///< No event after the condition's `after` up to here matches.

  // What is missing:
  std::optional<Doubt> doubt = std::nullopt;

  // What was found that ends it:
  std::optional<Appended> known = std::nullopt;          ///< The id's first answer.
  std::optional<Position> condition_hit = std::nullopt;  ///< An event that matched.

  [[nodiscard]] bool writes() const { return !events.empty(); }
};

/// Encodes and hashes. `request` must outlive the submission. Errors: as EncodedAppend::encode.
template <typename MakeIds>
[[nodiscard]] Result<Submission> make_submission(const AppendRequest& request, std::uint64_t salt,
                                                 const MakeIds& make_ids);

/// Looks up what the tail found missing, and what lies in segments that were sealed since
/// `floor`. Errors: `corrupt`, `unavailable`.
[[nodiscard]] Result<void> prove(Submission& submission, const Layout& layout);

namespace detail {
[[nodiscard]] Submission demands_of(const AppendRequest& request, std::uint64_t salt);
[[nodiscard]] Result<void> hash_events(Submission& submission, std::uint64_t salt);
}  // namespace detail

template <typename MakeIds>
Result<Submission> make_submission(const AppendRequest& request, std::uint64_t salt,
                                   const MakeIds& make_ids) {
  Submission out = detail::demands_of(request, salt);
  bool writes = false;
  for (const StreamAppend& stream : request.streams) writes = writes || !stream.events.empty();
  if (!writes) return out;
  auto encoded = EncodedAppend::encode(request, make_ids);
  if (!encoded) return std::unexpected{encoded.error()};
  out.encoded = std::move(*encoded);
  if (auto done = detail::hash_events(out, salt); !done) return std::unexpected{done.error()};
  return out;
}

}  // namespace stele::log
