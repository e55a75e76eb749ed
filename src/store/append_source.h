// Module: store
// A store that can tell its appends whole, for an export. The contract (stele/event_store.h) does
// not ask for it: who needs it asks the store whether it is one.

#pragma once

#include <cstddef>

#include "event/append_page.h"
#include "stele/event_store.h"

namespace stele::store {

class AppendSource {
 public:
  virtual ~AppendSource() = default;

  /// The durable events after `after`, about `limit` (at most `read_events_max`) of them, to the
  /// end of an append. None: the log ends there. Errors: `invalid`, `corrupt`, `unavailable`.
  [[nodiscard]] virtual Result<AppendPage> read_appends(Position after,
                                                        std::size_t limit) const = 0;
};

}  // namespace stele::store
