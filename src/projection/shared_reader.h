// Reads the log for all projections of an engine. Projections that are at about the same place get
// the same page: the log is read and decoded once for them, not once for each.
//
// Those that are being rebuilt form a convoy: its fastest waits a moment for its slowest rather
// than let go of a page that the slowest still needs, so one pass over the log serves them all. One
// that holds the others up for longer than `convoy_wait_max` is left behind and reads for itself.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "stele/event_store.h"
#include "stele/registry.h"

namespace stele::projection {

inline constexpr std::size_t shared_pages_max = 4;  ///< Kept of the convoy, and as many of others.
inline constexpr std::chrono::microseconds convoy_wait_max = std::chrono::seconds{1};

/// A run of the log, after upcasting. Shared by the projections that read it.
struct SharedPage {
  Position after{};      ///< The page holds what comes after this position
  Position looked_to{};  ///< and up to this one.
  Position log_end{};
  EventBlock events;
  std::vector<EventView> newest;     ///< The events in their newest form.
  std::map<Position, Error> broken;  ///< Events that an upcaster could not turn into their newest
                                     ///< form; whoever handles one of them must stop there.
  std::deque<std::string> upcast;    ///< What `newest` views beyond `events`.
};

/// Thread-safe.
class SharedReader {
 public:
  using Member = const void*;

  /// `store` and `upcasters` (may be null) must outlive it. Pages hold up to `events_max` events
  /// and, from the second page of large events on, about `bytes_max` bytes.
  SharedReader(const EventStore& store, const Upcasters* upcasters, std::size_t events_max,
               std::size_t bytes_max)
      : store_{store},
        upcasters_{upcasters},
        events_max_{events_max},
        bytes_max_{bytes_max},
        limit_{events_max} {}

  /// Only events that match are read. Call before the first `read`.
  void set_filter(Filter filter) { filter_ = std::move(filter); }

  /// A page that begins at or before `after` and looks beyond it, unless the log ends there. The
  /// member of a convoy tells who it is. Errors: as `EventStore::read_all`.
  [[nodiscard]] Result<std::shared_ptr<const SharedPage>> read(Position after,
                                                               Member member = nullptr);

  void join(Member member, Position after);  ///< It will read what comes after `after` next.
  void leave(Member member);                 ///< Does nothing if it is no member.

 private:
  using Pages = std::deque<std::shared_ptr<const SharedPage>>;  // The newest last.
  [[nodiscard]] std::shared_ptr<const SharedPage> find(Position after) const;
  [[nodiscard]] bool oldest_is_needed(Member but) const;
  void leave_the_slow_behind(Member but);
  Result<std::shared_ptr<const SharedPage>> read_page(Position after, Pages& pages);
  void adapt(const SharedPage& page);

  const EventStore& store_;
  const Upcasters* upcasters_;
  std::size_t events_max_;
  std::size_t bytes_max_;
  Filter filter_;

  std::mutex mutex_;  // Held while reading, so that who wants the same page waits for it.
  std::condition_variable moved_;      // A member of the convoy went on or left.
  std::map<Member, Position> convoy_;  // Guarded, as all below: what each has read.
  Pages convoy_pages_;
  Pages pages_;
  std::size_t limit_;  // Events in the next page.
};

}  // namespace stele::projection
