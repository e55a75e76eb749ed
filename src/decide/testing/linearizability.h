// Decides whether a history of concurrent operations could have come from one object that handles
// them one at a time: each operation takes effect at one instant between its call and its return.
//
// The search goes through the orders that the times allow, depth first, and never visits the same
// set of operations with the same state twice.
// Sources: J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects", 1993; G. Lowe,
// "Testing for Linearizability", 2017 (the memory of visited configurations).

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>

namespace stele::testing {

inline constexpr std::size_t history_operations_max = 256;

/// When an operation was called and when it returned, by one counter that all threads share.
struct Interval {
  std::uint64_t called = 0;
  std::uint64_t returned = std::numeric_limits<std::uint64_t>::max();
  /// Its answer is not known: it took effect at any time after its call, or never. `returned` is
  /// then not looked at.
  bool unknown = false;
};

/// Applies operation `i` of the history to `state` (the object, as bytes), and says whether the
/// answer it got is the one that the object would give.
using Step = std::function<bool(std::size_t i, std::string& state)>;

enum class Verdict : std::uint8_t {
  linearizable,
  violated,   // No order explains the answers.
  undecided,  // The search was cut off.
};

/// Looks at at most `configurations_max` configurations.
[[nodiscard]] Verdict check_linearizable(std::span<const Interval> history, std::string initial,
                                         const Step& step,
                                         std::size_t configurations_max = 1'000'000);

}  // namespace stele::testing
