// The metadata that the processor gives every event of a command.

#pragma once

#include <string>

#include "stele/command.h"

namespace stele::decide {

/// {"correlation_id", "causation_id", "traceparent", "actor", "occurred_at"}, without those that
/// are empty. Errors: `invalid` (text that is not UTF-8).
[[nodiscard]] Result<std::string> metadata_of(const CommandOptions& options, Timestamp occurred_at);

}  // namespace stele::decide
