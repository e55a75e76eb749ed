// Waiting until a read model shows a write.

#pragma once

#include <algorithm>
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

/// The error of a row that is not the newest because its key is parked.
[[nodiscard]] Error parked_error(std::string_view projection, std::string_view key);

/// The row at `key` as `view` has it. Errors: `parked`, and as of `ReadView::find`.
template <typename P>
[[nodiscard]] Result<std::optional<Found<typename P::Row>>> find_whole(ReadView<P>& view,
                                                                       std::string_view key) {
  const auto parked = view.parked(key);
  if (!parked) return std::unexpected{parked.error()};
  if (*parked) return std::unexpected{parked_error(P::name, key)};
  return view.find(key);
}

/// The row at `key` of fold `P`, keyed by stream, once it shows what `token` names; waits at most
/// `timeout` in all. Errors: `timed_out` (answers call it `not_yet`), `parked`, `unavailable`,
/// `corrupt`.
template <typename P>
[[nodiscard]] Result<std::optional<Found<typename P::Row>>> find_showing(
    const projection::Engine& engine, const ReadModel<P>& model, std::string_view key,
    const Token& token, std::chrono::microseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + timeout;
  const auto left = [until] {
    return std::max(std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now()),
                    std::chrono::microseconds{0});
  };
  if (auto view = model.view(left())) {
    auto found = find_whole(*view, key);
    if (!found) return found;
    const std::string stream = std::string{P::category} + "-" + std::string{key};
    if (view->position() >= token.position ||
        (*found && row_shows(token, stream, (*found)->version))) {
      return found;
    }
  } else if (view.error().code != Errc::unavailable) {  // Not made yet: worth waiting for.
    return std::unexpected{std::move(view.error())};
  }
  const auto reached = engine.wait_until(P::name, token.position, left());
  if (!reached) return std::unexpected{reached.error()};
  auto view = model.view(left());
  if (!view) return std::unexpected{std::move(view.error())};
  return find_whole(*view, key);
}

}  // namespace stele::query
