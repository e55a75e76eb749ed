// Module: service
// A whole service from a user's deciders and projections: the store, the command processor, the
// projections, the read models and the HTTP server, put together and run.
//
//   int main(int argc, char** argv) {
//     stele::Service bank{argc, argv};  // Flags, STELE_* variables, stele.toml.
//     bank.decider<Account>().fold<AccountSummary>();
//     bank.command<Withdraw>("POST /accounts/{id}/withdraw");
//     bank.query<AccountSummary>("GET /accounts/{id}");
//     return bank.run();
//   }

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/custom_projection.h"
#include "stele/decider.h"
#include "stele/event_store.h"
#include "stele/projection.h"
#include "stele/read_model.h"
#include "stele/registry.h"
#include "stele/route.h"
#include "stele/time.h"

namespace stele {

namespace decide {
class CommandProcessor;
}
namespace observe {
class Logger;
class Metrics;
}  // namespace observe
namespace projection {
class Engine;
}
namespace serve {
class OpenApi;
class Router;
}  // namespace serve

/// What a service is told beside the variables `STELE_*` of the process.
struct ServiceOptions {
  std::string name = "stele";  ///< In logs and in /openapi.json.
  std::vector<std::pair<std::string, std::string>> settings = {};  ///< {"serve.data", "./data"}...
  std::optional<std::string> config_file = std::nullopt;
  bool use_variables = true;          ///< Read `STELE_*` and, if none is named, ./stele.toml.
  const Clock* clock = nullptr;       ///< The machine's if null. Must outlive the service.
  observe::Logger* logger = nullptr;  ///< JSON lines on standard error if null. The same.
};

/// How a command is reached over HTTP, beyond its route.
struct CommandRoute {
  int status = 200;              ///< Of an accepted command.
  std::string key_param = "id";  ///< The route's parameter that names the stream.
  std::string location = {};     ///< "/accounts/" + id as Location; empty: none.
  /// Adds members to the answer `{id, version, position, token}`. Runs on the decision thread: it
  /// must be quick and use only what it is given.
  std::function<void(JsonWriter&, const Accepted&)> answer = {};
  std::string summary = {};  ///< For /openapi.json.
};

/// Which rows of a read model a list shows over HTTP, in which order.
struct ListRoute {
  /// Columns that a request may ask to be equal to a value: "lent_to" by `?lentTo=ada`. Texts,
  /// whole numbers, booleans and times; give them an index in the projection.
  std::vector<std::string> filters = {};
  std::vector<std::string> order_by = {};  ///< Not nullable, at most 4; then by id.
  bool descending = false;
  std::string summary = {};  ///< For /openapi.json.
};

namespace detail {
using RowBody = Result<void> (*)(JsonWriter& writer, const StoredRow& stored);

/// Writes a stored row's members.
template <Described Row>
Result<void> query_body(JsonWriter& writer, const StoredRow& stored) {
  Row row{};
  auto read = row_table<Row>.read(stored.cells, &row);
  if (read) write_members(writer, row);
  return read;
}
}  // namespace detail

/// Members are called from one thread until `start`; after it, from any.
class Service {
 public:
  /// Takes `--data DIR --listen HOST:PORT --role R,... --config FILE --read-only --help`. A fault
  /// is kept and told by `start` and `run`.
  Service(int argc, char** argv);
  explicit Service(ServiceOptions options);
  ~Service();  ///< Stops.
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Adds the decider `D`. Two deciders of one category are a fault, told by `start`.
  template <typename D>
  Service& decider() {
    add_decider(detail::decider_table<D>);
    return *this;
  }
  /// Adds projection `P`, which folds events into one row per key.
  template <typename P>
  Service& fold() {
    add_projection(make_fold<P>());
    return *this;
  }
  /// Adds projection `P`, which turns each event into rows of its own.
  template <typename P>
  Service& map() {
    add_projection(make_map<P>());
    return *this;
  }
  /// Adds projection `P`, which is told batches and writes what it likes in SQL.
  template <typename P>
  Service& custom() {
    add_projection(make_custom<P>());
    return *this;
  }

  /// Adds the step that brings events of an older schema version to the next: deciders, projections
  /// and `upcasters` then only meet the newest form. `/v1/events` gives events as they were stored.
  /// A second step for one version is a fault, told by `start`.
  ///
  ///   service.upcast(+[](const DepositedV1& old) { return Deposited{.amount = old.sum}; });
  template <Described Old, Described New>
  Service& upcast(New (*step)(const Old&)) {
    return keep_upcast(edit_upcasters().add(step));
  }
  /// The same on the stored JSON; `new_type` if the type is renamed on the way.
  Service& upcast(std::string type, std::uint16_t version, Upcast step, std::string new_type = {});

  /// Sends command `C`, read from a JSON body, to the stream that the route's parameter names.
  /// Answers `{id, version, position, token}`; a rejection as a problem. If `C` has a member
  /// `std::optional<Timestamp> occurred_at`, it becomes the event's. The decider must be added
  /// first.
  template <Described C>
  Service& command(std::string_view route, CommandRoute options = {}) {
    add_command(route, &detail::identity<C>, std::move(options), [](const void* body) {
      if constexpr (requires(const C& c) {
                      { c.occurred_at } -> std::convertible_to<std::optional<Timestamp>>;
                    }) {
        return std::optional<Timestamp>{static_cast<const C*>(body)->occurred_at};
      } else {
        return std::optional<Timestamp>{};
      }
    });
    return *this;
  }

  /// Answers the row of fold `P` (keyed by stream) that the route's `{id}` names, with its version
  /// and position; waits for `?token=` and for a stream that the log has and the row has not.
  template <typename P>
  Service& query(std::string_view route) {
    add_query(route, P::name, detail::query_body<typename P::Row>);
    return *this;
  }

  /// Answers a page of the rows of projection `P`: `{items: [{id, ...the row, version, position}],
  /// next}`, by `?limit=` (50, at most 1,000), `?cursor=` (the `next` before) and the filters of
  /// `options`; waits for `?token=`. `id` is the row's key.
  template <typename P>
  Service& list(std::string_view route, ListRoute options = {}) {
    add_list(route, P::name, std::move(options), detail::query_body<typename P::Row>);
    return *this;
  }

  /// Adds a route of the service's own, "GET /reports/{year}". Before `start`. See route.h.
  Service& route(std::string_view what, RouteHandler handler, std::string summary = {});
  /// For such a handler: waits until projection `P` shows what the request's token names, if it has
  /// one; answers with a refusal (`token_invalid`, `not_yet`) to be returned, or none.
  template <typename P>
  [[nodiscard]] std::optional<RouteAnswer> wait_for(const RouteRequest& request) {
    return wait_for_projection(P::name, request);
  }

  /// The states of a projection's read model by cells and by SQL: how a custom one is read.
  template <typename P>
  [[nodiscard]] std::shared_ptr<RowReader> rows() const {
    return reader_of(P::name);
  }
  /// The read model of a projection that was added.
  template <typename P>
  [[nodiscard]] ReadModel<P> read_model() const {
    return ReadModel<P>{reader_of(P::name)};
  }

  /// For routes of a domain's own: before `start`.
  [[nodiscard]] serve::Router& router();
  [[nodiscard]] serve::OpenApi& openapi();
  [[nodiscard]] observe::Metrics& metrics();
  [[nodiscard]] observe::Logger& logger();
  [[nodiscard]] const Clock& clock() const;
  /// For handlers that read events from the store themselves: `upcasters().apply(event, buffer)`
  /// before decoding.
  [[nodiscard]] const Upcasters& upcasters() const;
  /// For handlers: valid between `start` and the destructor.
  [[nodiscard]] EventStore& store();
  [[nodiscard]] decide::CommandProcessor& processor();
  [[nodiscard]] projection::Engine& engine();

  /// Opens the store, starts the projections, the processor and the server. Errors: of the
  /// settings (`invalid`), the store (`held`, `corrupt`, `unsupported`...) and the address
  /// (`unavailable`). After an error nothing runs.
  [[nodiscard]] Result<void> start();
  /// "http://127.0.0.1:8420", after `start`.
  [[nodiscard]] std::string url() const;
  /// Refuses new work, finishes what is in flight, keeps the checkpoints, closes the log.
  void stop();

  /// Starts, prints "ready URL" on standard output, and stops at SIGTERM or SIGINT. Returns the
  /// program's exit code: 0, or that of the error, which is told on standard error.
  int run();

 private:
  using OccurredAt = std::optional<Timestamp> (*)(const void* body);

  [[nodiscard]] Upcasters& edit_upcasters();
  Service& keep_upcast(const Result<void>& added);
  void add_decider(const detail::DeciderTable& table);
  void add_projection(std::unique_ptr<Projection> projection);
  void add_command(std::string_view route, const void* command, CommandRoute options,
                   OccurredAt occurred_at);
  void add_query(std::string_view route, std::string_view projection, detail::RowBody body);
  void add_list(std::string_view route, std::string_view projection, ListRoute options,
                detail::RowBody body);
  [[nodiscard]] std::optional<RouteAnswer> wait_for_projection(std::string_view projection,
                                                               const RouteRequest& request);
  [[nodiscard]] std::shared_ptr<RowReader> reader_of(std::string_view projection) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele
