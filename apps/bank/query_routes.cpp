// The bank's reads over HTTP. All of them block on a read model, so they run on workers.

#include <algorithm>
#include <array>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bank/account_view.h"
#include "bank/query_answers.h"
#include "bank/read_models.h"
#include "bank/routes.h"
#include "bank/statement.h"
#include "bank/statement_csv.h"
#include "serve/http.h"
#include "serve/openapi.h"
#include "serve/problem.h"
#include "serve/query_params.h"
#include "serve/router.h"
#include "service/command_route.h"
#include "service/fresh.h"
#include "stele/limits.h"
#include "stele/schema.h"

namespace bank {
namespace {

using stele::Compare;
using stele::Found;
using stele::Naming;
using stele::Service;
using stele::serve::Problem;
using stele::serve::QueryParams;
using stele::serve::Request;
using stele::serve::Response;
using stele::serve::RouteDoc;
using Token = std::optional<stele::query::Token>;

template <typename T>
using OrProblem = std::expected<T, Problem>;

Problem unknown_account(std::string_view id) {
  return Problem{"account_unknown", "There is no account \"" + std::string{id} + "\".", 404}.with(
      "account", id);
}

OrProblem<std::string> path_id(const Request& request) {
  const std::string_view id = request.param("id");
  if (is_account_id(id)) return std::string{id};
  return std::unexpected{stele::serve::malformed(
      "The path names no account: an id has 1 to 64 of the characters A-Z, a-z, 0-9, \".\", "
      "\"_\", \"~\" and \"-\".")};
}

// The account's row, as new as the token says; `account_unknown` if there is none.
OrProblem<Found<AccountRow>> find_account(Service& service, const std::string& id,
                                          const Token& token, const Request& request) {
  auto found =
      stele::service::find_fresh(service, service.read_model<AccountSummary>(), id, token, request);
  if (!found) return std::unexpected{std::move(found.error())};
  if (!*found) return std::unexpected{unknown_account(id)};
  return std::move(**found);
}

Problem problem_of_history(const stele::Error& error) {
  return stele::service::problem_of_wait(TransactionHistory::name, error);
}

// One state of the history that shows at least what the token names, or, without one, `account` as
// it was found. An account of which an event could not be applied is 503 `parked`.
OrProblem<stele::ReadView<TransactionHistory>> history_of(Service& service, const std::string& id,
                                                          const Found<AccountRow>& account,
                                                          const Token& token,
                                                          const Request& request) {
  namespace from = stele::service;
  const stele::Position position = token ? token->position : account.position;
  const auto most = token ? from::token_wait_max : from::newcomer_wait_max;
  const auto reached = service.engine().wait_until(TransactionHistory::name, position,
                                                   from::time_left(request, most));
  if (!reached) return std::unexpected{problem_of_history(reached.error())};
  auto view = service.read_model<TransactionHistory>().view(from::time_left(request, most));
  if (!view) return std::unexpected{problem_of_history(view.error())};
  const std::string stream = std::string{Account::category} + "-" + id;
  const auto parked = view->parked(stream);
  if (!parked) return std::unexpected{problem_of_history(parked.error())};
  if (*parked) {
    return std::unexpected{
        problem_of_history(stele::query::parked_error(TransactionHistory::name, stream))};
  }
  return std::move(*view);
}

using Counts = std::map<std::string, std::uint64_t, std::less<>>;

// How many movements each of `accounts` had in the 30 days before now, in one query: a window that
// slides with the clock, so a movement that is exactly 30 days old has just left it. Accounts
// without one are missing.
stele::Result<Counts> count_30days(stele::ReadView<TransactionHistory>& history,
                                   std::vector<stele::Value> accounts, Timestamp now) {
  const auto totals = history.total({.where = {{.column = "account_id",
                                                .compare = Compare::one_of,
                                                .values = std::move(accounts)},
                                               {"timestamp", Compare::greater, now - count_window}},
                                     .group_by = {"account_id"}});
  if (!totals) return std::unexpected{totals.error()};
  Counts counts;
  for (const stele::Total& total : *totals) {
    counts.emplace(total.group[0].cell().text(), total.count);
  }
  return counts;
}

std::uint64_t count_of(const Counts& counts, std::string_view account) {
  const auto found = counts.find(account);
  return found == counts.end() ? 0 : found->second;
}

// GET /accounts/{id} ----------------------------------------------------------------------------

Response past_account(Service& service, const std::string& id, const AsOf& as_of,
                      const Request& request) {
  const auto account = account_as_of(service.store(), service.upcasters(), id, as_of, [&request] {
    return Request::Clock::now() < request.deadline;
  });
  if (!account) return stele::service::problem_of_wait(AccountSummary::name, account.error());
  if (*account) return json_response(**account);
  const auto tip = service.store().stream_tip(std::string{Account::category} + "-" + id);
  if (!tip) return stele::serve::problem_of(tip.error());
  if (!as_of.version || stele::number(tip->version) == 0) return unknown_account(id);
  return Problem{"version_unknown",
                 "The account \"" + id + "\" is at version " +
                     std::to_string(stele::number(tip->version)) + " and has no version " +
                     std::to_string(stele::number(*as_of.version)) + ".",
                 404}
      .with("version", stele::number(tip->version));
}

Response get_account(Service& service, const Request& request) {
  QueryParams query{request};
  const auto token = stele::service::token_of(service, request, query);
  const auto version = query.number("atVersion", 0, stele::limits::number_max);
  const auto time = query.time("atTime");
  if (version && time) query.refuse("atTime", "stands beside \"atVersion\"; give one of them.");
  if (const auto bad = query.finish()) return *bad;
  if (!token) return token.error();
  const auto id = path_id(request);
  if (!id) return id.error();
  if (version || time) {
    AsOf as_of{.time = time};
    if (version) as_of.version = stele::Version{*version};
    return past_account(service, *id, as_of, request);
  }
  const auto account = find_account(service, *id, *token, request);
  if (!account) return account.error();
  auto history = history_of(service, *id, *account, *token, request);
  if (!history) return history.error();
  const auto counts = count_30days(*history, {*id}, service.clock().now());
  if (!counts) return problem_of_history(counts.error());
  return json_response(
      view_of(account->row, account->version, account->position, count_of(*counts, *id)));
}

// GET /accounts ---------------------------------------------------------------------------------

Response list_accounts(Service& service, const Request& request) {
  QueryParams query{request};
  const auto token = stele::service::token_of(service, request, query);
  stele::Select select;
  select.limit = query.number("limit", stele::select_limit_default, 1, stele::select_limit_max);
  select.cursor = query.text("cursor").value_or("");
  if (const auto owner = query.text("owner")) {
    select.where.push_back({"owner_name", Compare::equal, *owner});
  }
  if (const auto active = query.truth("active")) {
    select.where.push_back({"is_active", Compare::equal, *active});
  }
  if (const auto bad = query.finish()) return *bad;
  if (!token) return token.error();
  for (const std::string_view name : {AccountSummary::name, TransactionHistory::name}) {
    if (const auto late = stele::service::wait_for(service, name, *token, request)) return *late;
  }
  const auto page = service.read_model<AccountSummary>().select(select);
  if (!page) return stele::service::problem_of_wait(AccountSummary::name, page.error());
  auto history = service.read_model<TransactionHistory>().view();
  if (!history) return problem_of_history(history.error());
  std::vector<stele::Value> accounts;
  for (const Found<AccountRow>& found : page->rows) accounts.emplace_back(found.row.account_id);
  const auto counts = count_30days(*history, std::move(accounts), service.clock().now());
  if (!counts) return problem_of_history(counts.error());
  std::vector<AccountView> items;
  for (const Found<AccountRow>& found : page->rows) {
    items.push_back(
        view_of(found.row, found.version, found.position, count_of(*counts, found.row.account_id)));
  }
  return list_response(items, page->next);
}

// GET /accounts/{id}/transactions ---------------------------------------------------------------

// The type that ?type names: as in the history, or as a customer says it.
std::optional<MovementType> movement_type(std::string_view name) {
  if (name == "DEPOSIT") return MovementType::credit;
  if (name == "WITHDRAW") return MovementType::debit;
  for (const auto& each : stele::enum_description_of<MovementType>.names) {
    if (each.name == name) return each.value;
  }
  return std::nullopt;
}

void add_type(QueryParams& query, stele::Select& select) {
  const auto name = query.text("type");
  if (!name) return;
  if (const auto type = movement_type(*name)) {
    select.where.push_back({"type", Compare::equal, stele::enum_text(*type)});
  } else {
    query.refuse("type", "must be CREDIT, DEBIT, TRANSFER_OUT, TRANSFER_IN, DEPOSIT or WITHDRAW.");
  }
}

Period read_period(QueryParams& query) {
  const Period period{.from = query.time("from"), .to = query.time("to")};
  if (period.from && period.to && *period.from > *period.to) {
    query.refuse("from", "must not lie after \"to\".");
  }
  return period;
}

Response list_transactions(Service& service, const Request& request) {
  QueryParams query{request};
  const auto token = stele::service::token_of(service, request, query);
  stele::Select select{.order_by = {"timestamp", "version"}, .descending = true};
  select.limit = query.number("limit", stele::select_limit_default, 1, stele::select_limit_max);
  select.cursor = query.text("cursor").value_or("");
  add_type(query, select);
  select.search = query.text("q").value_or("");
  const Period period = read_period(query);
  if (period.from) select.where.push_back({"timestamp", Compare::greater_equal, *period.from});
  if (period.to) select.where.push_back({"timestamp", Compare::less, *period.to});
  if (const auto bad = query.finish()) return *bad;
  if (!token) return token.error();
  const auto id = path_id(request);
  if (!id) return id.error();
  select.where.push_back({"account_id", Compare::equal, *id});

  const auto account = find_account(service, *id, *token, request);
  if (!account) return account.error();
  auto history = history_of(service, *id, *account, *token, request);
  if (!history) return history.error();
  const auto page = history->select(select);
  if (!page) return problem_of_history(page.error());
  std::vector<MovementRow> items;
  for (const Found<MovementRow>& found : page->rows) items.push_back(found.row);
  return list_response(items, page->next);
}

// GET /accounts/{id}/statement ------------------------------------------------------------------

constexpr std::string_view media_type_json = "application/json";
constexpr std::string_view media_type_csv = "text/csv";

Response statement_response(const Statement& statement, bool as_csv) {
  if (!as_csv) return json_response(statement);
  Response response{.content_type = std::string{media_type_csv} + "; charset=utf-8; header=present",
                    .body = to_csv(statement)};
  return std::move(response).with(
      "Content-Disposition", "attachment; filename=\"statement-" + statement.account_id + ".csv\"");
}

Response get_statement(Service& service, const Request& request) {
  const auto form = request.accepts({media_type_json, media_type_csv});
  if (!form) return stele::serve::not_acceptable({media_type_json, media_type_csv});
  QueryParams query{request};
  const auto token = stele::service::token_of(service, request, query);
  const Period period = read_period(query);
  const Timestamp now = service.clock().now();
  if (period.from && !period.to && *period.from > now) {
    query.refuse("from", "lies ahead, at " + stele::to_rfc3339(*period.from) +
                             "; without \"to\" a statement ends now. Give \"to\", or a \"from\" "
                             "that has passed.");
  }
  if (const auto bad = query.finish()) return *bad;
  if (!token) return token.error();
  const auto id = path_id(request);
  if (!id) return id.error();
  const auto account = find_account(service, *id, *token, request);
  if (!account) return account.error();
  auto history = history_of(service, *id, *account, *token, request);
  if (!history) return history.error();
  const auto statement = make_statement(*history, account->row, period, now);
  if (statement) return statement_response(*statement, *form == 1);
  if (statement.error().code == stele::Errc::too_large) {
    return stele::serve::malformed(statement.error().message, "?from");
  }
  return problem_of_history(statement.error());
}

// Documentation ---------------------------------------------------------------------------------

void add_schemas(stele::serve::OpenApi& openapi) {
  constexpr auto use = stele::SchemaOf::writing;
  openapi.schema("Account", stele::json_schema<AccountView>(Naming::camel_case, use));
  openapi.schema("Transaction", stele::json_schema<MovementRow>(Naming::camel_case, use));
  openapi.schema("Statement", stele::json_schema<Statement>(Naming::camel_case, use));
  openapi.schema("AccountList", list_schema("Account"));
  openapi.schema("TransactionList", list_schema("Transaction"));
}

}  // namespace

void add_query_routes(Service& service) {
  stele::serve::Router& router = service.router();
  add_schemas(service.openapi());
  const std::string date{date_schema};
  const stele::serve::ParameterDoc from{.name = "from", .schema = date, .description = "Inclusive"};
  const stele::serve::ParameterDoc to{.name = "to", .schema = date, .description = "Exclusive"};

  router.add(
      "GET /accounts",
      json_query([&service](Request& request) { return list_accounts(service, request); }),
      document_query("List accounts, by id", "AccountList", {},
                     with_paging({{.name = "owner", .description = "The owner's whole name."},
                                  {.name = "active", .schema = R"({"type":"boolean"})"}})));
  router.add("GET /accounts/{id}",
             json_query([&service](Request& request) { return get_account(service, request); }),
             document_query("Show an account, now or as it was", "Account",
                            {"account_unknown", "version_unknown", "parked"},
                            {{.name = "atVersion", .schema = R"({"type":"integer","minimum":0})"},
                             {.name = "atTime", .schema = date}}));
  router.add("GET /accounts/{id}/transactions", json_query([&service](Request& request) {
               return list_transactions(service, request);
             }),
             document_query(
                 "List an account's movements, newest first", "TransactionList",
                 {"account_unknown", "parked"},
                 with_paging({{.name = "type",
                               .schema = R"({"type":"string","enum":["CREDIT","DEBIT",)"
                                         R"("TRANSFER_OUT","TRANSFER_IN","DEPOSIT",)"
                                         R"("WITHDRAW"]})"},
                              from,
                              to,
                              {.name = "q",
                               .schema = R"({"type":"string","minLength":1,"maxLength":256})",
                               .description = "Words that the description or the reference holds, "
                                              "all of them: rent, \"two words\", begin*."}})));
  RouteDoc statement = document_query("Show an account's statement over a period", "Statement",
                                      {"account_unknown", "parked"}, {from, to});
  statement.responses[0].content.push_back(
      {.media_type = std::string{media_type_csv}, .schema = R"({"type":"string"})"});
  statement.responses[0].headers = {"Content-Disposition"};
  router.add("GET /accounts/{id}/statement", stele::serve::blocking([&service](Request& request) {
               return get_statement(service, request);
             }),
             std::move(statement));
}

}  // namespace bank
