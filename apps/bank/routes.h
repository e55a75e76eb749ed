// The parts of `register_bank`.

#pragma once

#include "stele/service.h"

namespace bank {

// POST /accounts, /accounts/{id}/deposit, /withdraw, /transfer, /close.
void add_command_routes(stele::Service& service);

// GET /accounts, /accounts/{id}, /accounts/{id}/transactions, /accounts/{id}/statement.
void add_query_routes(stele::Service& service);

// GET /reports/daily.
void add_report_routes(stele::Service& service);

}  // namespace bank
