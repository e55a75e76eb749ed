// Module: base
// One error type for the whole library: a code for the program, a sentence for the person.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace stele {

/// Each code asks for a different reaction of the caller.
enum class Errc : std::uint8_t {
  invalid,     ///< The request is malformed or names something badly. The caller must change it.
  too_large,   ///< A size is over its limit. The caller must send less.
  not_found,   ///< The thing that was named does not exist.
  id_reused,   ///< The append id was used for another request. The caller must choose another id.
  overloaded,  ///< A queue is full. Retry later; nothing was done.
  read_only,   ///< The store takes no appends: it was opened so, or its disk is full. Reads go on.
  log_full,    ///< The disk of the log is full. Nothing was done; it takes appends again by itself.
  timed_out,   ///< The deadline passed before the answer was known. Nothing was promised.
  outcome_unknown,  ///< The append may or may not be stored. Ask again with the same id.
  shutting_down,    ///< The component is stopping. Nothing was done.
  held,             ///< Another process holds the data folder. The message names its pid.
  corrupt,          ///< Stored bytes fail their checksum. A person must look.
  diverged,         ///< A checkpoint does not belong to this log. The reader must be rebuilt.
  unsupported,      ///< The data was written by a newer format. Use a newer program.
  parked,           ///< An event of this key could not be applied: its row is not the newest.
  unavailable,      ///< A file, socket or server failed. Retrying may help.
  internal,         ///< A bug. The message says where.
};

/// The code's name as it stands in logs and answers, such as "outcome_unknown".
[[nodiscard]] std::string_view to_string(Errc code) noexcept;

struct Error {
  Errc code = Errc::internal;
  std::string message;  ///< A full sentence with the thing, the value found, and the way out.
  /// What a library or server that we called said about it, word for word; may be empty. Kept apart
  /// so that logs show it and answers to strangers do not.
  std::string detail = {};

  /// True when the same call may succeed later without a change by the caller.
  [[nodiscard]] bool retryable() const noexcept;
  friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
using Result = std::expected<T, Error>;

/// Shortens `return std::unexpected{Error{...}}`.
[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected{Error{.code = code, .message = std::move(message)}};
}

}  // namespace stele
