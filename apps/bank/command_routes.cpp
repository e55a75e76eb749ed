// The bank's commands over HTTP: a body becomes a command, its form is checked, and the processor
// judges it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bank/account.h"
#include "bank/routes.h"
#include "base/random.h"
#include "serve/http.h"
#include "serve/openapi.h"
#include "serve/problem.h"
#include "serve/router.h"
#include "service/command_route.h"
#include "stele/schema.h"

namespace bank {
namespace {

using stele::Accepted;
using stele::JsonWriter;
using stele::Service;
using stele::serve::Problem;
using stele::serve::Request;
using stele::serve::Responder;
using stele::serve::RouteDoc;
using stele::service::CommandAnswer;

// The answer to a command; the generic members are written by `send_command`, the rest here.
struct CommandReply {
  std::string id;
  stele::Version version{};
  stele::Position position{};
  std::string token;
};
STELE_DESCRIBE(CommandReply, id, version, position, token);

struct BalanceReply {
  std::string id;
  stele::Version version{};
  stele::Position position{};
  std::string token;
  Money balance;
};
STELE_DESCRIBE(BalanceReply, id, version, position, token, balance);

void write_balance(JsonWriter& writer, Money balance) {
  writer.key("balance");
  writer.money(balance);
  writer.key("currency");
  writer.currency(balance.currency());
}

// Adds the balance that event `E` left behind.
template <typename E>
void write_balance_after(JsonWriter& writer, const Accepted& accepted) {
  if (const auto event = accepted.find<E>()) write_balance(writer, event->balance_after);
}

// The account that the path names, or the problem with its name.
std::optional<Problem> check_path_id(std::string_view id) {
  if (is_account_id(id)) return std::nullopt;
  return stele::serve::malformed(
      "The path names no account: an id has 1 to 64 of the characters A-Z, a-z, 0-9, \".\", "
      "\"_\", \"~\" and \"-\".");
}

// Defaults that are part of the command: with them told or left out it is the same one, to which an
// idempotency key gives the same answer.
void fill_in_defaults(Open& command) {
  if (!command.currency) command.currency = "USD";
  if (!command.account_type) command.account_type = AccountType::checking;
}

// Reads the body as `C`, checks its form, and sends it to the account `id`, or, if that is empty,
// to the one that the body names or a new one.
template <typename C>
void send(Service& service, Responder responder, std::string id, CommandAnswer answer) {
  const Request& request = responder.request();
  if (!request.accepts({"application/json"})) {
    return responder.send(stele::serve::not_acceptable({"application/json"}));
  }
  // A command whose members are all optional needs no body.
  const bool may_lack_body = std::is_same_v<C, Close> && request.body.empty();
  if (!may_lack_body) {
    if (auto problem = stele::service::check_json_body(request)) return responder.send(*problem);
  }
  auto command = stele::from_json<C>(may_lack_body ? std::string_view{"{}"} : request.body,
                                     stele::http_mapping);
  if (!command) return responder.send(stele::service::problem_of(command.error()));
  if (const auto bad = check_form(*command)) {
    return responder.send(stele::service::problem_of(*bad));
  }
  if constexpr (std::is_same_v<C, Open>) {
    fill_in_defaults(*command);
    thread_local const std::unique_ptr<stele::RandomSource> random = stele::make_system_random();
    id = command->id ? *command->id : stele::make_uuid_v7(service.clock().now(), *random).text();
  }
  stele::CommandOptions options;
  options.occurred_at = command->occurred_at;
  auto call = stele::call_of<Account>(std::move(id), std::move(*command), std::move(options));
  stele::service::send_command(service, std::move(responder), std::move(call), std::move(answer));
}

template <typename C, typename E>
stele::serve::Handler handler_of(Service& service) {
  return [&service](Request& request, Responder responder) {
    const std::string id{request.param("id")};
    if (auto problem = check_path_id(id)) return responder.send(*problem);
    send<C>(service, std::move(responder), id, {.more = write_balance_after<E>});
  };
}

// The currency of an account, from its first event; none if it cannot be had.
Currency currency_of(Service& service, const std::string& id) {
  const auto page = service.store().read_stream(std::string{Account::category} + "-" + id,
                                                stele::Version{0}, 1, stele::Direction::forward);
  if (!page || page->events.empty()) return {};
  std::string buffer;
  const auto newest = service.upcasters().apply(page->events[0], buffer);
  if (!newest) return {};
  const auto created = stele::decode_event<AccountCreated>(*newest);
  return created ? created->currency : Currency{};
}

// Closing says the balance too, which is zero; the event does not hold its currency, so this one
// reads and runs on a worker.
void close_account(Service& service, Request& request, Responder responder) {
  const std::string id{request.param("id")};
  if (auto problem = check_path_id(id)) return responder.send(*problem);
  const Currency currency = currency_of(service, id);
  send<Close>(service, std::move(responder), id,
              {.more = [currency](JsonWriter& writer, const Accepted&) {
                write_balance(writer, Money{0, currency});
              }});
}

template <typename C>
RouteDoc document(Service& service, std::string summary, std::string reply, int status,
                  std::vector<std::string> problems) {
  const std::string command{stele::type_name<C>()};
  service.openapi().schema(
      command, stele::json_schema<C>(stele::Naming::camel_case, stele::SchemaOf::reading));
  RouteDoc doc;
  doc.summary = std::move(summary);
  doc.tag = "bank";
  doc.parameters = {{.name = "Idempotency-Key",
                     .in = "header",
                     .schema = R"({"type":"string","minLength":1,"maxLength":255})",
                     .description = "The same key again gives the same answer again."},
                    {.name = "Stele-Timeout", .in = "header", .schema = R"({"type":"string"})"}};
  doc.request = {{.schema = stele::serve::schema_ref(command)}};
  doc.responses = {{.status = status,
                    .description = "Accepted, and durable.",
                    .content = {{.schema = stele::serve::schema_ref(reply)}},
                    .headers = {"Stele-Token", "Idempotent-Replayed"}}};
  if (status == 201) doc.responses[0].headers.push_back("Location");
  problems.insert(problems.end(),
                  {"amount_invalid", "currency_unknown", "id_reused", "media_type",
                   "not_acceptable", "too_large", "log_full", "read_only", "outcome_unknown"});
  doc.problems = std::move(problems);
  return doc;
}

}  // namespace

void add_command_routes(Service& service) {
  using stele::serve::blocking_async;
  stele::serve::Router& router = service.router();
  constexpr auto schema_of_reply = [](auto reply) {
    return stele::json_schema<decltype(reply)>(stele::Naming::camel_case, stele::SchemaOf::writing);
  };
  service.openapi().schema("CommandReply", schema_of_reply(CommandReply{}));
  service.openapi().schema("BalanceReply", schema_of_reply(BalanceReply{}));

  router.add(
      "POST /accounts",
      [&service](Request&, Responder responder) {
        send<Open>(service, std::move(responder), {}, {.status = 201, .location = "/accounts/"});
      },
      document<Open>(service, "Open an account", "CommandReply", 201, {"account_exists"}));
  router.add("POST /accounts/{id}/deposit", handler_of<Deposit, MoneyDeposited>(service),
             document<Deposit>(service, "Deposit money", "BalanceReply", 200,
                               {"account_unknown", "account_closed", "currency_mismatch"}));
  router.add("POST /accounts/{id}/withdraw", handler_of<Withdraw, MoneyWithdrawn>(service),
             document<Withdraw>(
                 service, "Withdraw money", "BalanceReply", 200,
                 {"account_unknown", "account_closed", "currency_mismatch", "insufficient_funds"}));
  router.add("POST /accounts/{id}/transfer", handler_of<Transfer, MoneyTransferred>(service),
             document<Transfer>(service, "Transfer money to another account", "BalanceReply", 200,
                                {"account_unknown", "account_closed", "currency_mismatch",
                                 "insufficient_funds", "payee_unknown", "same_account"}));
  router.add("POST /accounts/{id}/close",
             blocking_async([&service](Request& request, Responder responder) {
               close_account(service, request, std::move(responder));
             }),
             document<Close>(service, "Close an empty account", "BalanceReply", 200,
                             {"account_unknown", "account_closed", "balance_not_zero"}));
}

}  // namespace bank
