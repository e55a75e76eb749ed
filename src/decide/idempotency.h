// The append id that an idempotency key stands for. Commands and plain appends share it, so that a
// key that was used for the one is known when the other comes with it.

#pragma once

#include <string_view>

#include "stele/ids.h"

namespace stele::decide {

/// The same for the same tenant, caller and key; in the form of a UUIDv8 (RFC 9562, section 5.8).
/// What was asked is no part of it: that is the append's digest, by which a reused key is found.
[[nodiscard]] AppendId id_of_idempotency_key(std::string_view tenant, std::string_view caller,
                                             std::string_view key);

}  // namespace stele::decide
