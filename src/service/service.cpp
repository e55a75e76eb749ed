#include "stele/service.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>

#include "base/random.h"
#include "consumer/consumers.h"
#include "decide/processor.h"
#include "log/disk.h"
#include "observe/logger.h"
#include "observe/metrics.h"
#include "projection/engine.h"
#include "projection/sqlite/sqlite_generations.h"
#include "query/sqlite_reader.h"
#include "serve/consumer_routes.h"
#include "serve/log_routes.h"
#include "serve/openapi.h"
#include "serve/projection_routes.h"
#include "serve/router.h"
#include "serve/server.h"
#include "serve/service_routes.h"
#include "service/command_route.h"
#include "service/config.h"
#include "service/exit_code.h"
#include "service/flags.h"
#include "service/list_route.h"
#include "service/nearest.h"
#include "service/process_limits.h"
#include "service/row_route.h"
#include "service/second_signal.h"
#include "service/user_route.h"
#include "stele/version.h"
#include "store/embedded/embedded_store.h"

namespace stele {

namespace fs = std::filesystem;
using service::Config;

struct Service::Impl {
  explicit Impl(ServiceOptions given) : options{std::move(given)} {}

  ServiceOptions options;
  std::optional<Error> fault;  // The first one made while the service was put together.
  bool help_asked = false;
  Config config;
  std::unique_ptr<observe::Logger> own_logger;
  observe::Logger* logger = nullptr;
  const Clock* clock = nullptr;
  fs::path scratch;  // Read models of a store in memory; removed at the end.

  observe::Metrics metrics;
  serve::OpenApi openapi{"Stele", "1"};
  serve::Router router;

  Upcasters upcasters;
  std::vector<const detail::DeciderTable*> decider_tables;
  decide::Deciders deciders;
  struct Added {
    std::unique_ptr<Projection> projection;  // Moves to the engine at the start.
    std::shared_ptr<RowReader> reader;
  };
  std::map<std::string, Added, std::less<>> projections;
  std::vector<std::string> projection_order;

  // In the order in which they start; they stop in the reverse order.
  std::unique_ptr<EventStore> store;
  store::EmbeddedStore* embedded = nullptr;  // The store, if it is that one.
  std::unique_ptr<decide::SnapshotStore> snapshots;
  std::unique_ptr<decide::CommandProcessor> processor;
  std::unique_ptr<projection::Engine> engine;
  std::unique_ptr<serve::LogRoutes> log_routes;
  std::unique_ptr<log::Disk> consumer_disk;
  std::unique_ptr<consumer::Consumers> consumers;
  std::unique_ptr<serve::ConsumerRoutes> consumer_routes;
  std::unique_ptr<serve::ProjectionRoutes> projection_routes;
  std::unique_ptr<serve::Server> server;
  std::string host;

  void keep(Error error) {
    if (!fault) fault = std::move(error);
  }
  [[nodiscard]] fs::path data() const { return config.get("serve.data"); }
  [[nodiscard]] bool in_memory() const { return config.get("store.kind") == "memory"; }
  [[nodiscard]] fs::path read_models() const {
    return in_memory() ? scratch : data() / "read_models";
  }
  [[nodiscard]] bool has_role(std::string_view role) const {
    return ("," + config.get("serve.roles") + ",").contains("," + std::string{role} + ",");
  }

  void configure();
  Result<void> open_store();
  [[nodiscard]] Result<void> check_projection_names() const;
  [[nodiscard]] projection::ProjectionOptions projection_options(const std::string& name) const;
  Result<void> start_engine();
  Result<void> start_consumers();
  Result<void> start_server();
  [[nodiscard]] std::size_t connections_max() const;
  [[nodiscard]] std::vector<serve::HealthCheck> health_checks();
  void add_log_metrics();
  void add_metrics();
};

namespace {

observe::Level level_of(std::string_view name) {
  if (name == "debug") return observe::Level::debug;
  if (name == "warn") return observe::Level::warning;
  if (name == "error") return observe::Level::error;
  return observe::Level::info;
}

/// SIGTERM and SIGINT, taken by `run` alone: blocked in every thread that comes after.
sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void block_signals() {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // A client that left is an error of its write, nothing more.
}

}  // namespace

void Service::Impl::configure() {
  service::ConfigSources sources{.flags = options.settings, .file = options.config_file};
  if (options.use_variables) sources.variables = service::process_variables();
  auto loaded = Config::load(sources);
  if (loaded) {
    config = std::move(*loaded);
  } else {
    keep(loaded.error());
  }
  clock = options.clock != nullptr ? options.clock : &system_clock();
  if (options.logger == nullptr) {
    own_logger = observe::make_json_lines_logger(
        STDERR_FILENO, level_of(config.get("telemetry.log_level")), *clock);
  }
  logger = own_logger ? own_logger.get() : options.logger;
  if (in_memory()) {
    std::error_code ignored;
    scratch = fs::temp_directory_path(ignored) / ("stele-memory-" + std::to_string(::getpid()));
  }
}

Result<void> Service::Impl::open_store() {
  if (in_memory()) {
    store = make_memory_store(*clock);
    snapshots = decide::make_memory_snapshots();
    return {};
  }
  constexpr std::size_t mebibyte = 1'024 * 1'024;
  auto opened = store::EmbeddedStore::open(
      {.data = config.get("serve.data"),
       .options = {.read_only = config.flag("serve.read_only"),
                   .segment_size = config.number("log.segment_mib") * mebibyte,
                   .block_cache_size = config.number("log.cache_mib") * mebibyte},
       .clock = *clock});
  if (!opened) return std::unexpected{opened.error()};
  embedded = opened->get();
  store = std::move(*opened);
  snapshots = decide::make_file_snapshots((data() / "snapshots").string());
  return {};
}

/// A setting for a projection that is not there would be a silent default.
Result<void> Service::Impl::check_projection_names() const {
  const std::vector<std::string_view> known{projection_order.begin(), projection_order.end()};
  for (const std::string& name : config.names_in("projection")) {
    if (known.empty() || std::ranges::count(known, name) > 0) continue;
    return fail(Errc::invalid, "There are settings for the projection \"" + name +
                                   "\", which this service has not; the nearest is \"" +
                                   std::string{service::nearest(name, known)} + "\".");
  }
  return {};
}

projection::ProjectionOptions Service::Impl::projection_options(const std::string& name) const {
  const std::string front = "projection." + name + ".";
  return {.on_error = config.get(front + "on_error") == "pause" ? projection::OnError::pause
                                                                : projection::OnError::park,
          .batch_events_max = config.number(front + "batch")};
}

Result<void> Service::Impl::start_engine() {
  if (auto good = check_projection_names(); !good) return good;
  engine = std::make_unique<projection::Engine>(*store, *clock, *logger,
                                                projection::EngineOptions{.upcasters = &upcasters});
  for (const std::string& name : projection_order) {
    Added& added = projections.find(name)->second;
    auto kept =
        engine->add(std::move(added.projection), projection::make_sqlite_generations(read_models()),
                    projection_options(name));
    if (!kept) return kept;
  }
  if (has_role("projector")) engine->start();
  return {};
}

Result<void> Service::Impl::start_consumers() {
  consumer_disk = log::make_real_disk();
  auto keeper = in_memory()
                    ? consumer::make_memory_keeper()
                    : consumer::make_file_keeper(*consumer_disk, (data() / "consumers").string());
  consumers = std::make_unique<consumer::Consumers>(
      consumer::Parts{.store = *store,
                      .clock = *clock,
                      .logger = *logger,
                      .read_only = config.flag("serve.read_only")},
      std::move(keeper), make_system_random());
  if (auto loaded = consumers->load(); !loaded) return loaded;
  consumer_routes = std::make_unique<serve::ConsumerRoutes>(*consumers, *store, *clock, *logger);
  consumer_routes->add_to(router, openapi);
  consumer_routes->add_to(metrics);
  return {};
}

Result<void> Service::Impl::start_server() {
  if (has_role("api")) {
    log_routes = std::make_unique<serve::LogRoutes>(*store, serve::LogRoutesOptions{}, *logger);
    log_routes->add_to(router, openapi);
    if (auto started = start_consumers(); !started) return started;
    projection_routes = std::make_unique<serve::ProjectionRoutes>(*engine, *logger);
    projection_routes->add_to(router, openapi);
  }
  serve::add_service_routes(router, openapi, metrics, health_checks());

  const std::string& listen = config.get("serve.listen");
  const std::size_t colon = listen.rfind(':');
  host = listen.substr(0, colon);
  std::string bare = host;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  std::uint16_t port = 0;
  std::from_chars(listen.data() + colon + 1, listen.data() + listen.size(), port);

  const auto seconds = [this](std::string_view name) {
    return std::chrono::seconds{static_cast<std::int64_t>(config.number(name))};
  };
  server = std::make_unique<serve::Server>(
      serve::ServerOptions{
          .host = bare,
          .port = port,
          .connections_max = connections_max(),
          .buffered_size_max = service::buffered_size_allowed(service::memory_limit()),
          .header_timeout = seconds("serve.header_seconds"),
          .body_timeout = seconds("serve.body_seconds"),
          .idle_timeout = seconds("serve.idle_seconds"),
          .write_timeout = seconds("serve.write_seconds"),
          .stop_timeout = seconds("serve.stop_seconds"),
          .access_log = config.flag("serve.access_log")},
      router, metrics, *logger);
  return server->start();
}

std::size_t Service::Impl::connections_max() const {
  const std::size_t wanted = config.number("serve.connections_max");
  const service::Descriptors descriptors = service::raise_descriptors();
  const std::size_t allowed = service::connections_allowed(wanted, descriptors);
  if (allowed < wanted) {
    logger->warning(
        "Fewer connections are taken than the settings allow: the limit of open files "
        "is low; raise it (ulimit -n, LimitNOFILE).",
        {{"connections_max", allowed}, {"setting", wanted}, {"open_files_max", descriptors.limit}});
  }
  return allowed;
}

std::vector<serve::HealthCheck> Service::Impl::health_checks() {
  using Outcome = serve::HealthCheck::Outcome;
  std::vector<serve::HealthCheck> checks;
  if (embedded != nullptr) {
    checks.push_back({.name = "log", .check = [this]() -> Outcome {
                        const log::LogStats stats = embedded->stats();
                        if (stats.failed) return {false, "The disk failed; nothing is taken."};
                        if (stats.disk_full) return {false, "The disk is full; reads go on."};
                        return {};
                      }});
  }
  for (const std::string& name : projection_order) {
    checks.push_back({.name = "projection " + name, .check = [this, name]() -> Outcome {
                        const auto status = engine->status(name);
                        if (!status) return {false, status.error().message};
                        const bool good = status->state == projection::State::running ||
                                          status->state == projection::State::rebuilding;
                        return {good, std::string{projection::to_string(status->state)} + ", " +
                                          std::to_string(status->lag_events) + " events behind." +
                                          (good ? "" : " " + status->last_error)};
                      }});
  }
  return checks;
}

void Service::Impl::add_log_metrics() {
  const auto stat = [this](auto member) {
    return [this, member] { return static_cast<double>(embedded->stats().*member); };
  };
  using Stats = log::LogStats;
  metrics.counter_from("stele_log_appends_total", "Appends that became durable.",
                       stat(&Stats::appends));
  metrics.counter_from("stele_log_syncs_total", "Times that the log was synced.",
                       stat(&Stats::syncs));
  metrics.counter_from("stele_log_written_bytes_total", "Bytes of groups, with padding.",
                       stat(&Stats::bytes));
  metrics.gauge_from("stele_log_staged_bytes", "Bytes that wait for a sync.",
                     stat(&Stats::staged_bytes));
  metrics.gauge_from("stele_log_unsealed_segments", "Segments that are not compressed yet.",
                     stat(&Stats::unsealed_segments));
  metrics.gauge_from("stele_log_sealed_segments", "Segments that are compressed.",
                     stat(&Stats::sealed_segments));
}

void Service::Impl::add_metrics() {
  metrics.gauge_from("stele_build_info", "Always 1; its label is the version of the program.",
                     [] { return 1.0; }, {{"version", std::string{library_version()}}});
  if (embedded != nullptr) add_log_metrics();
  metrics.gauge_from("stele_log_end_position", "The last durable position of the log.",
                     [this] { return static_cast<double>(number(store->log_end())); });
  for (const std::string& name : projection_order) {
    const observe::Labels labels{{"projection", name}};
    const auto status = [this, name] {
      return engine->status(name).value_or(projection::Status{});
    };
    metrics.gauge_from(
        "stele_projection_position", "The read model holds the log up to this position.",
        [status] { return static_cast<double>(number(status().position)); }, labels);
    metrics.gauge_from(
        "stele_projection_lag_events", "Positions from the read model to the log's end.",
        [status] { return static_cast<double>(status().lag_events); }, labels);
    metrics.gauge_from(
        "stele_projection_lag_seconds", "How old what the read model shows may be.",
        [status] { return status().lag_seconds; }, labels);
    metrics.gauge_from(
        "stele_projection_parked_keys", "Keys whose events wait until they are retried.",
        [status] { return static_cast<double>(status().parked); }, labels);
    metrics.gauge_from(
        "stele_projection_generation", "The number of the generation that is read.",
        [status] { return status().generation; }, labels);
    metrics.gauge_from(
        "stele_projection_building", "1 while a generation is being built beside the live one.",
        [status] {
          const auto found = status();
          return std::ranges::count(found.generations, projection::Role::building,
                                    &projection::GenerationStatus::role);
        },
        labels);
    metrics.gauge_from(
        "stele_projection_failed", "1 while the projection stands because of an error.",
        [status] {
          const projection::State state = status().state;
          return state == projection::State::failed || state == projection::State::diverged ? 1.0
                                                                                            : 0.0;
        },
        labels);
  }
  using Stats = decide::ProcessorStats;
  const auto count = [this](std::string_view name, std::string_view help,
                            std::uint64_t Stats::* member) {
    metrics.counter_from(
        name, help, [this, member] { return static_cast<double>(processor->stats().*member); });
  };
  count("stele_commands_accepted_total", "Commands that wrote events.", &Stats::accepted);
  count("stele_commands_rejected_total", "Commands that the rules refused.", &Stats::rejected);
  count("stele_commands_replayed_total", "Repeated commands, answered as before.",
        &Stats::replayed);
  count("stele_commands_failed_total", "Commands that ended in an error.", &Stats::failed);
  count("stele_command_conflicts_total", "Decisions that were made again.", &Stats::conflicts);
  metrics.gauge_from("stele_commands_waiting", "Commands submitted and not answered yet.",
                     [this] { return static_cast<double>(processor->stats().waiting); });
  metrics.gauge_from("stele_command_states_bytes", "Memory of the deciders' states.",
                     [this] { return static_cast<double>(processor->stats().states_size); });
}

Service::Service(ServiceOptions options) : impl_{std::make_unique<Impl>(std::move(options))} {
  impl_->configure();
}

Service::Service(int argc, char** argv) {
  auto flags = service::parse_flags(argc, argv);
  impl_ = std::make_unique<Impl>(flags ? std::move(flags->options) : ServiceOptions{});
  if (!flags) impl_->keep(flags.error());
  impl_->help_asked = flags && flags->help;
  impl_->configure();
}

Service::~Service() {
  stop();
  if (!impl_->scratch.empty()) {
    std::error_code ignored;
    fs::remove_all(impl_->scratch, ignored);
  }
}

Upcasters& Service::edit_upcasters() { return impl_->upcasters; }

Service& Service::keep_upcast(const Result<void>& added) {
  if (!added) impl_->keep(added.error());
  return *this;
}

Service& Service::upcast(std::string type, std::uint16_t version, Upcast step,
                         std::string new_type) {
  return keep_upcast(
      impl_->upcasters.add(std::move(type), version, std::move(step), std::move(new_type)));
}

void Service::add_decider(const detail::DeciderTable& table) {
  if (std::ranges::count(impl_->decider_tables, &table) > 0) {
    return impl_->keep({Errc::invalid, "The decider of the category \"" +
                                           std::string{table.category} + "\" was added twice."});
  }
  if (auto added = impl_->deciders.add(table); !added) impl_->keep(added.error());
  impl_->decider_tables.push_back(&table);
}

void Service::add_projection(std::unique_ptr<Projection> projection) {
  const ProjectionSpec& spec = projection->spec();
  const std::string name = spec.name;
  auto reader = query::make_sqlite_reader(impl_->read_models(), spec);
  const auto [at, added] = impl_->projections.try_emplace(name);
  if (!added) {
    return impl_->keep({Errc::invalid, "The projection \"" + name + "\" was added twice."});
  }
  at->second = {.projection = std::move(projection), .reader = std::move(reader)};
  impl_->projection_order.push_back(name);
}

std::shared_ptr<RowReader> Service::reader_of(std::string_view projection) const {
  const auto found = impl_->projections.find(projection);
  if (found == impl_->projections.end()) {
    impl_->keep({Errc::invalid, "The projection \"" + std::string{projection} +
                                    "\" was asked for before it was added."});
    return nullptr;
  }
  return found->second.reader;
}

void Service::add_command(std::string_view route, const void* command, CommandRoute options,
                          OccurredAt occurred_at) {
  const detail::DeciderTable* decider = nullptr;
  const detail::CommandTable* table = nullptr;
  for (const detail::DeciderTable* each : impl_->decider_tables) {
    if (table == nullptr) table = each->command_of(command), decider = each;
  }
  if (table == nullptr) {
    return impl_->keep({Errc::invalid, "The route \"" + std::string{route} +
                                           "\" sends a command that no decider added before "
                                           "it judges."});
  }
  serve::RouteDoc doc{.summary = options.summary, .tag = std::string{decider->category}};
  const service::CommandAnswer answer{
      .status = options.status, .location = options.location, .more = options.answer};
  impl_->router.add(
      route,
      [this, decider, table, answer, occurred_at, key_param = options.key_param](
          serve::Request& request, serve::Responder responder) {
        if (auto wrong = service::check_json_body(request)) return responder.send(*wrong);
        auto body = table->read(request.body, http_mapping);
        if (!body) return responder.send(service::problem_of(body.error()));
        CommandCall call{.decider = decider,
                         .command = table,
                         .key = std::string{request.param(key_param)},
                         .body = std::move(*body)};
        call.options.occurred_at = occurred_at(call.body.get());
        service::send_command(*this, std::move(responder), std::move(call), answer);
      },
      std::move(doc));
}

void Service::add_query(std::string_view route, std::string_view projection, detail::RowBody body) {
  const auto reader = reader_of(projection);
  if (!reader) return;
  const auto& spec = impl_->projections.find(projection)->second.projection->spec();
  const service::RowRoute row{
      .reader = reader, .projection = spec.name, .category = spec.category, .body = body};
  impl_->router.add(route, serve::blocking([this, row](serve::Request& request) {
                      return service::answer_row(*this, request, row);
                    }));
}

void Service::add_list(std::string_view route, std::string_view projection, ListRoute options,
                       detail::RowBody body) {
  const auto reader = reader_of(projection);
  if (!reader) return;
  const auto& spec = impl_->projections.find(projection)->second.projection->spec();
  auto list = service::make_list_route(spec, reader, options, body);
  if (!list) return impl_->keep(std::move(list.error()));
  impl_->router.add(route,
                    serve::blocking([this, list = *std::move(list)](serve::Request& request) {
                      return service::answer_list(*this, request, list);
                    }),
                    {.summary = std::move(options.summary), .tag = spec.category});
}

Service& Service::route(std::string_view what, RouteHandler handler, std::string summary) {
  impl_->router.add(what, serve::blocking([handler = std::move(handler)](serve::Request& request) {
                      return service::answer_route(request, handler);
                    }),
                    {.summary = std::move(summary)});
  return *this;
}

std::optional<RouteAnswer> Service::wait_for_projection(std::string_view projection,
                                                        const RouteRequest& request) {
  return service::wait_for_token(*this, projection, request.raw());
}

serve::Router& Service::router() { return impl_->router; }
serve::OpenApi& Service::openapi() { return impl_->openapi; }
observe::Metrics& Service::metrics() { return impl_->metrics; }
observe::Logger& Service::logger() { return *impl_->logger; }
const Clock& Service::clock() const { return *impl_->clock; }
const Upcasters& Service::upcasters() const { return impl_->upcasters; }
EventStore& Service::store() { return *impl_->store; }
decide::CommandProcessor& Service::processor() { return *impl_->processor; }
projection::Engine& Service::engine() { return *impl_->engine; }

Result<void> Service::start() {
  if (impl_->fault) return std::unexpected{*impl_->fault};
  if (impl_->server) return fail(Errc::invalid, "The service was started before.");
  auto started = impl_->open_store();
  if (started) {
    impl_->processor = std::make_unique<decide::CommandProcessor>(
        decide::ProcessorParts{.store = impl_->store.get(),
                               .clock = impl_->clock,
                               .upcasters = &impl_->upcasters,
                               .snapshots = impl_->snapshots.get()});
    started = impl_->start_engine();
  }
  if (started) {
    impl_->add_metrics();
    started = impl_->start_server();
  }
  if (!started) stop();
  return started;
}

std::string Service::url() const {
  return "http://" + impl_->host + ":" + std::to_string(impl_->server->port());
}

void Service::stop() {
  if (impl_->store) impl_->store->wake();  // Readers that wait for more.
  if (impl_->server) impl_->server->stop();
  if (impl_->processor) impl_->processor->stop();
  if (impl_->engine) impl_->engine->stop();
  impl_->server.reset();
  impl_->projection_routes.reset();
  impl_->consumer_routes.reset();
  impl_->consumers.reset();
  impl_->log_routes.reset();
  impl_->processor.reset();
  impl_->engine.reset();
  impl_->store.reset();
}

int Service::run() {
  if (impl_->help_asked) {
    std::fputs("Runs this service. Settings:\n", stdout);
    std::fwrite(service::flags_help.data(), 1, service::flags_help.size(), stdout);
    return service::exit_done;
  }
  block_signals();
  service::end_when_out_of_memory();
  if (auto started = start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return service::exit_code_of(started.error().code);
  }
  std::printf("ready %s\n", url().c_str());
  std::fflush(stdout);
  impl_->logger->info("The service is ready.",
                      {{"url", url()}, {"log_end", number(impl_->store->log_end())}});

  const sigset_t signals = stop_signals();
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  impl_->logger->info("The service stops.", {{"signal", signal}});
  const service::SecondSignal second{signals};
  stop();
  return service::exit_done;
}

}  // namespace stele
