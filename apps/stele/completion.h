// Shell completion. The scripts ask the program itself, `stele __complete WORDS...`, so they know
// as much as it does: verbs, flags, their values, and of a server that answers at once the names
// of its projections and consumers.

#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command_shape.h"
#include "options.h"
#include "output.h"

namespace stele::program {

/// Stand alone instead of candidates: the shell completes names of files, or of folders.
inline constexpr std::string_view complete_files = ":files";
inline constexpr std::string_view complete_folders = ":folders";

/// The names of a kind of thing ("projections", "consumers") that a server has.
using AskNames =
    std::function<std::vector<std::string>(std::string_view kind, const std::string& url)>;

/// What may stand where the last of `words` is being typed; `words` are those behind the program's
/// name.
[[nodiscard]] std::vector<std::string> candidates(const CommandShape& program,
                                                  std::span<const std::string> words,
                                                  const AskNames& ask_names);

/// Asks the server at `url`, for a moment only; none if it does not answer.
[[nodiscard]] std::vector<std::string> names_of_server(std::string_view kind,
                                                       const std::string& url);

}  // namespace stele::program
