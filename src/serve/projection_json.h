// Projections as JSON: how they stand, what is parked, and what a rebuild asks for.

#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projection/engine.h"
#include "serve/problem.h"

namespace stele::serve {

/// Appends `{name, generation, state, position, logEnd, lagEvents, lagSeconds, eventsPerSecond,
/// percent, secondsLeft, parked, lastError, generations}`.
void append_projection_json(std::string& out, const projection::Status& status);

/// Appends `{key, fromVersion, fromPosition, error, attempts}`.
void append_parked_json(std::string& out, const projection::Parked& parked);

/// What a verb's body may say.
struct VerbBody {
  projection::RebuildOptions rebuild = {};
  std::optional<int> generation = std::nullopt;  ///< Of `drop`.
  std::vector<std::string> names = {};           ///< Of a rebuild of several.
};

/// Reads a body that may have `members`, of "mode", "from", "generation", "projections". An empty
/// one says nothing. Refusals: `malformed` with the pointer.
[[nodiscard]] std::expected<VerbBody, Problem> read_verb_body(
    std::string_view body, std::initializer_list<std::string_view> members);

}  // namespace stele::serve
