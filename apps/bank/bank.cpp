#include "bank/bank.h"

#include "bank/account.h"
#include "bank/read_models.h"
#include "bank/routes.h"

namespace bank {

void register_bank(stele::Service& service) {
  service.decider<Account>();
  service.fold<AccountSummary>().map<TransactionHistory>().fold<DailyTotals>();
  add_command_routes(service);
  add_query_routes(service);
  add_report_routes(service);
}

}  // namespace bank
