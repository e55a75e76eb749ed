// The generations of a read model, and which of them is read.
//
// A generation is one whole set of a projection's rows, with its own checkpoint. Generations are
// numbered; a number is never used again. The catalogue says which there are and what each is for;
// changing it is one atomic step, so readers see one generation or the other, never a mix.
//
//           rebuild                promote                 drop
//   (none) --------> building ---------------> live      kept -----> (none)
//                       |                       ^ |       ^
//                       | drop        roll back | |       | another took over
//                       v                       | +-------+
//                     (none)                    +---------+
//
// There is at most one of each role. A kept generation is still fed, so that rolling back is never
// a step into the past; but one that other code built (the number that the program gives as its
// projection's `generation` was another) stands still: this program cannot continue its rows.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projection/sink.h"
#include "stele/error.h"

namespace stele::projection {

enum class Role : std::uint8_t {
  live,      ///< The one that is read.
  building,  ///< Not read yet.
  kept,      ///< Was read before the live one.
};
[[nodiscard]] std::string_view to_string(Role role) noexcept;
[[nodiscard]] std::optional<Role> role_of(std::string_view text) noexcept;

struct Generation {
  int number = 1;
  Role role = Role::live;
  int code = 1;  ///< The `generation` that the program gave when this one was begun.
  friend bool operator==(const Generation&, const Generation&) = default;
};

/// What is stored about one projection, beside its rows.
struct Catalogue {
  std::uint64_t revision = 0;  ///< Counts the changes; 0: nothing is stored.
  int last_number = 0;         ///< The highest that was ever used.
  bool paused = false;         ///< By a person; it stays so over a restart.
  std::vector<Generation> generations = {};
  friend bool operator==(const Catalogue&, const Catalogue&) = default;

  [[nodiscard]] const Generation* find(int number) const noexcept;
  [[nodiscard]] const Generation* find(Role role) const noexcept;
};

/// Where the generations of read models are kept, of one kind of database at one place. Several
/// projections may share one: it is thread-safe, unlike the sinks that it makes.
class GenerationStore {
 public:
  virtual ~GenerationStore() = default;

  /// What is stored about projection `name`: revision 0 and nothing else if nothing is, or what
  /// rows without a catalogue amount to. Errors: `unavailable`, `corrupt`.
  [[nodiscard]] virtual Result<Catalogue> load(std::string_view name) = 0;
  /// Stores `next` in place of the revision before it, whole or not at all. Errors: `unavailable`,
  /// also when another has stored that revision already: load it, and judge anew.
  [[nodiscard]] virtual Result<void> save(std::string_view name, const Catalogue& next) = 0;

  /// A sink; which projection's and generation's is said when it is opened.
  [[nodiscard]] virtual std::unique_ptr<Sink> make_sink() = 0;
  /// The generations that hold rows, in order, also those that the catalogue does not name.
  [[nodiscard]] virtual Result<std::vector<int>> list(std::string_view name) = 0;
  /// Removes the rows of one generation; no sink of it may be open. Does nothing if it has none.
  [[nodiscard]] virtual Result<void> drop(std::string_view name, int generation) = 0;
};

}  // namespace stele::projection
