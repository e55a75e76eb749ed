// The bank as part of a service: its rules, its read models and its HTTP calls.

#pragma once

#include "stele/service.h"

namespace bank {

// Adds the bank to `service`, before it is started. `service` must outlive what it serves.
void register_bank(stele::Service& service);

}  // namespace bank
