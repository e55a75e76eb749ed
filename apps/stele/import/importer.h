// Sends a file's commands to a server: in order for each key, many keys at once, each command under
// an Idempotency-Key made of the file's digest, the line and the place of the [[command]]. So an
// import that was cut off anywhere, on either side, is simply started again: what had been
// accepted is answered as a replay, and the rest goes on.
//
// Two passes over the file. The first reads every record and makes every command, without sending:
// a mistake in the file or the mapping is found before anything has happened. Memory is bounded by
// the window, plus 16 bytes for each distinct value of a `first_of`.
//
//     records -> Mapping -> [ queue of each key ] -> one connection, pipelined -> answers
//                            window_commands_max          in_flight_max

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "http_client.h"
#include "stele/error.h"

namespace stele::program {

inline constexpr std::size_t import_in_flight_max = 100;          ///< Commands on the connection.
inline constexpr std::size_t import_window_commands_max = 4'096;  ///< Read ahead and not answered.
inline constexpr std::size_t import_in_flight_bytes_max = 1'024 * 1'024;
inline constexpr std::size_t import_refusals_kept_max = 20;  ///< Of which the text is kept.
inline constexpr std::chrono::milliseconds import_retry_pause{200};
inline constexpr std::chrono::seconds import_retry_max{60};  ///< Without one answer: give up.

struct ImportRefusal {
  std::uint64_t line = 0;
  std::string call;  ///< "POST /accounts/1/deposit"
  int status = 0;
  std::string code;  ///< Of the problem: "account_unknown".
  std::string detail;
};

struct ImportSummary {
  std::uint64_t records = 0;
  std::uint64_t commands = 0;
  std::uint64_t accepted = 0;  ///< By this run.
  std::uint64_t replayed = 0;  ///< Accepted by an earlier run.
  std::uint64_t skipped = 0;   ///< Records that made no command.
  std::uint64_t refused = 0;   ///< Commands that the rules rejected.
  double seconds = 0;
  bool interrupted = false;
  std::vector<ImportRefusal> refusals = {};
};

struct ImportOptions {
  std::string mapping;
  std::string input;
  bool check_only = false;  ///< The first pass alone.
};

/// Errors: `not_found`, `invalid` (file or mapping; nothing was sent), `unavailable` (the server
/// was away for longer than `import_retry_max`; start again).
[[nodiscard]] Result<ImportSummary> run_import(const ImportOptions& options, const Url& server);

}  // namespace stele::program
