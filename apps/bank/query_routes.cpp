// The bank's reads over HTTP. All of them block on a read model, so they run on workers.

#include <algorithm>
#include <array>
#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "bank/account_view.h"
#include "bank/read_models.h"
#include "bank/routes.h"
#include "bank/statement.h"
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

// Has the history show at least what the token names, or, without one, `position`.
std::optional<Problem> wait_for_history(Service& service, stele::Position position,
                                        const Token& token, const Request& request) {
  if (token) return stele::service::wait_for(service, TransactionHistory::name, token, request);
  const auto reached = service.engine().wait_until(
      TransactionHistory::name, position,
      stele::service::time_left(request, stele::service::newcomer_wait_max));
  if (reached) return std::nullopt;
  return stele::service::problem_of_wait(TransactionHistory::name, reached.error());
}

// A sliding window: the movements of the 30 days before now.
stele::Result<std::uint64_t> count_30days(stele::ReadView<TransactionHistory>& history,
                                          const std::string& account, Timestamp now) {
  const auto totals =
      history.total({.where = {{"account_id", Compare::equal, account},
                               {"timestamp", Compare::greater, now - count_window}}});
  if (!totals) return std::unexpected{totals.error()};
  return totals->empty() ? 0 : totals->front().count;
}

template <typename T>
Response json_response(const T& answer) {
  auto text = stele::to_json(answer, Naming::camel_case);
  if (!text) {
    return stele::serve::problem_of(
        stele::Error{.code = stele::Errc::internal, .message = text.error().message});
  }
  return Response::json(200, std::move(*text));
}

// `{items, next}`.
template <typename T>
Response list_response(const std::vector<T>& items, const std::string& next) {
  std::string body;
  body.reserve(items.size() * 512 + 32);
  body += R"({"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) body += ',';
    if (const auto written = stele::append_json(body, items[i], Naming::camel_case); !written) {
      return stele::serve::problem_of(
          stele::Error{.code = stele::Errc::internal, .message = written.error().message});
    }
  }
  body += R"(],"next":)";
  if (next.empty()) {
    body += "null";
  } else {
    stele::append_json_string(body, next);
  }
  body += '}';
  return Response::json(200, std::move(body));
}

// GET /accounts/{id} ----------------------------------------------------------------------------

Response past_account(Service& service, const std::string& id, const AsOf& as_of,
                      const Request& request) {
  const auto account = account_as_of(
      service.store(), id, as_of, [&request] { return Request::Clock::now() < request.deadline; });
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
  if (const auto late = wait_for_history(service, account->position, *token, request)) return *late;
  auto history = service.read_model<TransactionHistory>().view();
  if (!history) return stele::serve::problem_of(history.error());
  const auto count = count_30days(*history, *id, service.clock().now());
  if (!count) return stele::serve::problem_of(count.error());
  return json_response(view_of(account->row, account->version, account->position, *count));
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
  if (!page) return stele::serve::problem_of(page.error());
  auto history = service.read_model<TransactionHistory>().view();
  if (!history) return stele::serve::problem_of(history.error());
  std::vector<AccountView> items;
  const Timestamp now = service.clock().now();
  for (const Found<AccountRow>& found : page->rows) {
    const auto count = count_30days(*history, found.row.account_id, now);
    if (!count) return stele::serve::problem_of(count.error());
    items.push_back(view_of(found.row, found.version, found.position, *count));
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
  if (const auto late = wait_for_history(service, account->position, *token, request)) return *late;
  const auto page = service.read_model<TransactionHistory>().select(select);
  if (!page) return stele::serve::problem_of(page.error());
  std::vector<MovementRow> items;
  for (const Found<MovementRow>& found : page->rows) items.push_back(found.row);
  return list_response(items, page->next);
}

// GET /accounts/{id}/statement ------------------------------------------------------------------

Response get_statement(Service& service, const Request& request) {
  QueryParams query{request};
  const auto token = stele::service::token_of(service, request, query);
  const Period period = read_period(query);
  if (const auto bad = query.finish()) return *bad;
  if (!token) return token.error();
  const auto id = path_id(request);
  if (!id) return id.error();
  const auto account = find_account(service, *id, *token, request);
  if (!account) return account.error();
  if (const auto late = wait_for_history(service, account->position, *token, request)) return *late;
  auto history = service.read_model<TransactionHistory>().view();
  if (!history) return stele::serve::problem_of(history.error());
  const auto statement = make_statement(*history, account->row, period, service.clock().now());
  if (statement) return json_response(*statement);
  if (statement.error().code == stele::Errc::too_large) {
    return stele::serve::malformed(statement.error().message, "?from");
  }
  return stele::serve::problem_of(statement.error());
}

// Documentation ---------------------------------------------------------------------------------

constexpr std::string_view date_schema =
    R"({"type":"string","description":"RFC 3339, or a date: midnight UTC"})";

RouteDoc document(std::string summary, std::string schema, std::vector<std::string> problems,
                  std::vector<stele::serve::ParameterDoc> parameters) {
  RouteDoc doc;
  doc.summary = std::move(summary);
  doc.tag = "bank";
  doc.parameters = std::move(parameters);
  doc.parameters.push_back(
      {.name = "token", .description = "Wait for the write whose answer this token is from."});
  doc.parameters.push_back({.name = "Stele-Token", .in = "header"});
  doc.responses = {{.status = 200, .content = {{.schema = stele::serve::schema_ref(schema)}}}};
  problems.insert(problems.end(), {"malformed", "token_invalid", "not_acceptable", "not_yet"});
  doc.problems = std::move(problems);
  return doc;
}

std::string list_schema(std::string_view item) {
  return R"({"type":"object","properties":{"items":{"type":"array","items":)" +
         stele::serve::schema_ref(item) +
         R"(},"next":{"anyOf":[{"type":"string"},{"type":"null"}]}},)"
         R"("required":["items","next"],"additionalProperties":false})";
}

void add_schemas(stele::serve::OpenApi& openapi) {
  constexpr auto use = stele::SchemaOf::writing;
  openapi.schema("Account", stele::json_schema<AccountView>(Naming::camel_case, use));
  openapi.schema("Transaction", stele::json_schema<MovementRow>(Naming::camel_case, use));
  openapi.schema("Statement", stele::json_schema<Statement>(Naming::camel_case, use));
  openapi.schema("AccountList", list_schema("Account"));
  openapi.schema("TransactionList", list_schema("Transaction"));
}

// A query that offers JSON only: what `answer` gives, on a thread that may wait.
template <typename Answer>
auto json_query(Answer answer) {
  return stele::serve::blocking([answer = std::move(answer)](Request& request) -> Response {
    if (request.accepts({"application/json"})) return answer(request);
    return stele::serve::not_acceptable({"application/json"});
  });
}

const std::vector<stele::serve::ParameterDoc> paging{
    {.name = "limit", .schema = R"({"type":"integer","minimum":1,"maximum":1000,"default":50})"},
    {.name = "cursor", .description = "`next` of the page before."}};

std::vector<stele::serve::ParameterDoc> with_paging(
    std::vector<stele::serve::ParameterDoc> parameters) {
  parameters.insert(parameters.begin(), paging.begin(), paging.end());
  return parameters;
}

}  // namespace

void add_query_routes(Service& service) {
  stele::serve::Router& router = service.router();
  add_schemas(service.openapi());
  const std::string date{date_schema};
  const stele::serve::ParameterDoc from{.name = "from", .schema = date, .description = "Inclusive"};
  const stele::serve::ParameterDoc to{.name = "to", .schema = date, .description = "Exclusive"};

  router.add("GET /accounts",
             json_query([&service](Request& request) { return list_accounts(service, request); }),
             document("List accounts, by id", "AccountList", {},
                      with_paging({{.name = "owner", .description = "The owner's whole name."},
                                   {.name = "active", .schema = R"({"type":"boolean"})"}})));
  router.add("GET /accounts/{id}",
             json_query([&service](Request& request) { return get_account(service, request); }),
             document("Show an account, now or as it was", "Account",
                      {"account_unknown", "version_unknown"},
                      {{.name = "atVersion", .schema = R"({"type":"integer","minimum":0})"},
                       {.name = "atTime", .schema = date}}));
  router.add(
      "GET /accounts/{id}/transactions",
      json_query([&service](Request& request) { return list_transactions(service, request); }),
      document("List an account's movements, newest first", "TransactionList", {"account_unknown"},
               with_paging({{.name = "type",
                             .schema = R"({"type":"string","enum":["CREDIT","DEBIT",)"
                                       R"("TRANSFER_OUT","TRANSFER_IN","DEPOSIT",)"
                                       R"("WITHDRAW"]})"},
                            from,
                            to})));
  router.add("GET /accounts/{id}/statement",
             json_query([&service](Request& request) { return get_statement(service, request); }),
             document("Show an account's statement over a period", "Statement", {"account_unknown"},
                      {from, to}));
}

}  // namespace bank
