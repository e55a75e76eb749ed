// The flags that every service takes.

#pragma once

#include <string_view>

#include "stele/service.h"

namespace stele::service {

inline constexpr std::string_view flags_help =
    "  --data DIR          where the log and the read models are kept (default ./data)\n"
    "  --listen HOST:PORT  where HTTP is served (default 127.0.0.1:8420)\n"
    "  --role R,...        api, projector (default both)\n"
    "  --config FILE       a TOML file of settings (default ./stele.toml if it is there)\n"
    "  --read-only         take no appends\n"
    "  --help              print this\n";

struct Flags {
  ServiceOptions options;
  bool help = false;
};

/// Errors: `invalid`, naming the flag.
[[nodiscard]] Result<Flags> parse_flags(int argc, char** argv);

}  // namespace stele::service
