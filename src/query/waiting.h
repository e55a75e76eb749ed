// Waiting until a read model shows a write.

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "projection/engine.h"
#include "query/token.h"
#include "stele/read_model.h"

namespace stele::query {

/// Whether a row at `version` of stream `stream` shows the write that `token` names: the row of the
/// token's own stream answers by its version, however far the projection as a whole is behind.
[[nodiscard]] bool row_shows(const Token& token, std::string_view stream, Version version) noexcept;

/// The row at `key` of fold `P`, keyed by stream, once it shows what `token` names. Errors:
/// `timed_out` (answers call it `not_yet`), `unavailable`, `corrupt`.
template <typename P>
[[nodiscard]] Result<std::optional<Found<typename P::Row>>> find_fresh(
    const projection::Engine& engine, const ReadModel<P>& model, std::string_view key,
    const Token& token, std::chrono::microseconds timeout) {
  if (auto view = model.view(timeout)) {
    auto found = view->find(key);
    if (!found) return found;
    const std::string stream = std::string{P::category} + "-" + std::string{key};
    if (view->position() >= token.position ||
        (*found && row_shows(token, stream, (*found)->version))) {
      return found;
    }
  } else if (view.error().code != Errc::unavailable) {  // Not made yet: worth waiting for.
    return std::unexpected{std::move(view.error())};
  }
  const auto reached = engine.wait_until(P::name, token.position, timeout);
  if (!reached) return std::unexpected{reached.error()};
  return model.find(key);
}

}  // namespace stele::query
