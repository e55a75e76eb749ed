// Module: log
// Which segments the log has: sealed ones, then open ones. Immutable: a change makes a new one, and
// a reader goes on with the one that it took.

#pragma once

#include <memory>
#include <vector>

#include "log/open_segment.h"
#include "log/sealed_segment.h"

namespace stele::log {

struct Layout {
  std::vector<std::shared_ptr<const SealedSegment>> sealed = {};
  std::vector<std::shared_ptr<OpenSegment>> open = {};  // Never empty once the log is open.

  /// Where the open segments begin: what lies before is sealed.
  [[nodiscard]] Position floor() const { return open.front()->first(); }
};
using LayoutPtr = std::shared_ptr<const Layout>;

/// A layout, and the log's end of the same moment.
struct Snapshot {
  LayoutPtr layout;
  Position end{};
};

}  // namespace stele::log
