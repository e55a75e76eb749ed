#include "decide/testing/linearizability.h"

#include <algorithm>
#include <bitset>
#include <cstdlib>
#include <unordered_set>

namespace stele::testing {
namespace {

using Done = std::bitset<history_operations_max>;

class Search {
 public:
  Search(std::span<const Interval> history, const Step& step, std::size_t configurations_max)
      : history_{history}, step_{step}, left_{configurations_max} {}

  bool explain(const Done& done, const std::string& state) {
    if (complete(done)) return true;
    if (left_ == 0 || !visited_.insert(done.to_string() + state).second) return false;
    --left_;
    // Nothing may take effect after an operation that had returned before it was called.
    std::uint64_t first_return = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (!done[i] && !history_[i].unknown) {
        first_return = std::min(first_return, history_[i].returned);
      }
    }
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (done[i] || history_[i].called > first_return) continue;
      std::string next = state;
      if (!step_(i, next)) continue;
      Done more = done;
      more.set(i);
      if (explain(more, next)) return true;
    }
    return false;
  }
  [[nodiscard]] bool cut_off() const { return left_ == 0; }

 private:
  [[nodiscard]] bool complete(const Done& done) const {
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (!done[i] && !history_[i].unknown) return false;
    }
    return true;
  }

  std::span<const Interval> history_;
  const Step& step_;
  std::size_t left_;
  std::unordered_set<std::string> visited_;
};

}  // namespace

Verdict check_linearizable(std::span<const Interval> history, std::string initial, const Step& step,
                           std::size_t configurations_max) {
  if (history.size() > history_operations_max) std::abort();  // A longer one is the test's bug.
  Search search{history, step, configurations_max};
  if (search.explain({}, initial)) return Verdict::linearizable;
  return search.cut_off() ? Verdict::undecided : Verdict::violated;
}

}  // namespace stele::testing
