// What a program's exit code says, the same for every verb.

#pragma once

#include "stele/error.h"

namespace stele::service {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_refused = 3;  ///< A conflict or a rejection.
inline constexpr int exit_not_found = 4;
inline constexpr int exit_held = 5;
inline constexpr int exit_corrupt = 6;
inline constexpr int exit_diverged = 7;
inline constexpr int exit_read_only = 8;
inline constexpr int exit_sync_failed = 9;
inline constexpr int exit_unreachable = 10;
inline constexpr int exit_interrupted = 130;

[[nodiscard]] int exit_code_of(Errc code) noexcept;

}  // namespace stele::service
