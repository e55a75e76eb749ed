// Reports over all accounts.

#include <optional>
#include <string>

#include "bank/query_answers.h"
#include "bank/read_models.h"
#include "bank/routes.h"
#include "serve/query_params.h"
#include "serve/router.h"
#include "service/fresh.h"
#include "stele/schema.h"

namespace bank {
namespace {

using stele::Compare;
using stele::Service;
using stele::serve::QueryParams;
using stele::serve::Request;
using stele::serve::Response;

// A parameter that names a day; one that names a time inside a day is refused.
std::optional<std::string> day_param(QueryParams& query, std::string_view name) {
  const auto time = query.time(name);
  if (!time) return std::nullopt;
  std::string day = day_of(*time);
  if (stele::parse_time(day).value_or(Timestamp{}) != *time) {
    query.refuse(name, "must be a day, such as 2026-01-31: the totals are those of whole days.");
  }
  return day;
}

// GET /reports/daily
Response daily_report(Service& service, const Request& request) {
  QueryParams query{request};
  const auto token = stele::service::token_of(service, request, query);
  stele::Select select{.order_by = {"day", "currency"}};
  select.limit = query.number("limit", stele::select_limit_default, 1, stele::select_limit_max);
  select.cursor = query.text("cursor").value_or("");
  const auto from = day_param(query, "from");
  const auto to = day_param(query, "to");
  if (from && to && *from > *to) query.refuse("from", "must not lie after \"to\".");
  if (from) select.where.push_back({"day", Compare::greater_equal, *from});
  if (to) select.where.push_back({"day", Compare::less, *to});
  if (const auto currency = query.text("currency")) {
    if (!Currency::find(*currency)) query.refuse("currency", "is none of ISO 4217, as \"USD\" is.");
    select.where.push_back({"currency", Compare::equal, *currency});
  }
  if (const auto bad = query.finish()) return *bad;
  if (!token) return token.error();
  if (const auto late = stele::service::wait_for(service, DailyTotals::name, *token, request)) {
    return *late;
  }
  const auto page = service.read_model<DailyTotals>().select(select);
  if (!page) return stele::service::problem_of_wait(DailyTotals::name, page.error());
  std::vector<DailyRow> items;
  for (const auto& found : page->rows) items.push_back(found.row);
  return list_response(items, page->next);
}

}  // namespace

void add_report_routes(Service& service) {
  service.openapi().schema("DailyTotals", stele::json_schema<DailyRow>(stele::Naming::camel_case,
                                                                       stele::SchemaOf::writing));
  service.openapi().schema("DailyTotalsList", list_schema("DailyTotals"));
  const std::string date{date_schema};
  service.router().add(
      "GET /reports/daily",
      json_query([&service](Request& request) { return daily_report(service, request); }),
      document_query("Show what moved on each day, by currency and type", "DailyTotalsList", {},
                     with_paging({{.name = "from", .schema = date, .description = "Inclusive"},
                                  {.name = "to", .schema = date, .description = "Exclusive"},
                                  {.name = "currency", .description = "As ISO 4217 names it."}})));
}

}  // namespace bank
