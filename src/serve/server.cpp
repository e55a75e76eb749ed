#include "serve/server.h"

#include <algorithm>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/impl/src.hpp>  // The one place where Asio is compiled.
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "serve/answer_head.h"
#include "serve/session.h"

namespace stele::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::chrono::milliseconds tick_interval{50};           // Precision of every time-out.
constexpr std::chrono::milliseconds accept_retry_interval{100};  // After "too many open files".
constexpr std::chrono::milliseconds stop_poll_interval{5};
constexpr int listen_backlog = 1'024;

/// Connections above the limit that are told so at once, until they have read it.
std::size_t told_connections_max(const ServerOptions& options) {
  constexpr std::size_t most = 64;
  return std::min(most, options.connections_max / 16 + 1);
}

std::string status_class(int status) { return std::to_string(status); }

}  // namespace

ServerContext::ServerContext(const ServerOptions& with, const Router& routes,
                             observe::Metrics& numbers, observe::Logger& log)
    : options{with},
      router{routes},
      metrics{numbers},
      logger{log},
      workers{with.workers, with.worker_queue_max},
      connections_total{numbers.counter("stele_http_connections_total", "Connections accepted.")},
      refused_total{numbers.counter("stele_http_connections_refused_total",
                                    "Connections refused because there were too many.")} {}

Loop::Loop(ServerContext& shared) : context{shared}, work_{asio::make_work_guard(io)}, tick_{io} {
  mailbox = std::make_shared<Mailbox>([this] { asio::post(io, [this] { drain_mailbox(); }); });
}

void Loop::run() {
  io.run();
  mailbox->close();
}

void Loop::stop_running() {
  asio::post(io, [this] {
    tick_.cancel();
    work_.reset();
    io.stop();
  });
}

void Loop::adopt(std::shared_ptr<Session> session) {
  sessions_.insert(std::move(session));
  arm_tick();
}

void Loop::release(const std::shared_ptr<Session>& session) {
  if (sessions_.erase(session) > 0) context.connections.fetch_sub(1);
}

void Loop::drain_mailbox() {
  mailbox->take(mails_);
  for (const Mailbox::Mail& mail : mails_) {
    if (mail.exchange->connection == nullptr) continue;
    mail.exchange->connection->deliver(*mail.exchange, mail.kind);
  }
  mails_.clear();
}

void Loop::arm_tick() {
  if (ticking_) return;
  ticking_ = true;
  tick_.expires_after(tick_interval);
  tick_.async_wait([this](boost::system::error_code error) {
    ticking_ = false;
    if (error) return;
    const auto now = Clock::now();
    // A copy: a session that closes leaves the set.
    const std::vector<std::shared_ptr<Session>> sessions{sessions_.begin(), sessions_.end()};
    for (const auto& session : sessions) session->tick(now);
    if (!sessions_.empty()) arm_tick();
  });
}

void Loop::stop_sessions() {
  asio::post(io, [this] {
    stopping = true;
    const std::vector<std::shared_ptr<Session>> sessions{sessions_.begin(), sessions_.end()};
    for (const auto& session : sessions) session->stop();
  });
}

void Loop::abort_sessions() {
  asio::post(io, [this] {
    const std::vector<std::shared_ptr<Session>> sessions{sessions_.begin(), sessions_.end()};
    for (const auto& session : sessions) session->close();
  });
}

const std::string& Loop::date() {
  const std::int64_t second = micros(system_clock().now()) / 1'000'000;
  if (second != date_second_) {
    date_ = http_date(second);
    date_second_ = second;
  }
  return date_;
}

void Loop::count_answer(const Exchange& exchange, std::size_t size, Clock::time_point now) {
  const std::pair key{exchange.route, exchange.response.status};
  auto found = numbers_.find(key);
  if (found == numbers_.end()) {
    const std::string route = exchange.route == nullptr ? "none" : exchange.route->pattern;
    const std::string method = exchange.route == nullptr ? "none" : exchange.route->method;
    found = numbers_
                .emplace(key,
                         RouteNumbers{
                             &context.metrics.counter("stele_http_requests_total", "Answers sent.",
                                                      {{"method", method},
                                                       {"route", route},
                                                       {"status", status_class(key.second)}}),
                             &context.metrics.histogram("stele_http_request_seconds",
                                                        "From a request's last byte to its answer.",
                                                        {{"method", method}, {"route", route}})})
                .first;
  }
  const std::chrono::duration<double> seconds = now - exchange.request.received;
  found->second.requests->add();
  found->second.seconds->observe(seconds.count());
  if (context.options.access_log) log_answer(exchange, size, seconds.count());
}

void Loop::log_answer(const Exchange& exchange, std::size_t size, double seconds) {
  const int status = exchange.response.status;
  if (!context.logger.enabled(observe::Level::info)) return;
  if (status < 400 && ++sampled_ % context.options.access_log_sample != 0) return;
  const Request& request = exchange.request;
  context.logger.info("Answered a request.", {{"method", request.method},
                                              {"route", request.route},
                                              {"status", status},
                                              {"ms", seconds * 1'000},
                                              {"bytes", size},
                                              {"trace_id", request.trace_id()}});
}

struct Server::State {
  State(const ServerOptions& options, const Router& router, observe::Metrics& metrics,
        observe::Logger& logger)
      : context{options, router, metrics, logger} {}

  Result<void> listen();
  void accept();
  void on_accepted(Loop& loop, boost::system::error_code error, tcp::socket socket);

  ServerContext context;
  std::vector<std::unique_ptr<Loop>> loops;
  std::unique_ptr<tcp::acceptor> acceptor;
  std::unique_ptr<asio::steady_timer> accept_retry;
  std::size_t next_loop = 0;
  std::vector<std::thread> threads;
  std::atomic<std::uint16_t> port{0};
  bool stopped = false;
};

Result<void> Server::State::listen() {
  const ServerOptions& options = context.options;
  const std::string where = options.host + ':' + std::to_string(options.port);
  const auto failed = [&](const boost::system::error_code& error) {
    return fail(Errc::unavailable, "Cannot listen on " + where + ": " + error.message() +
                                       ". Choose another address or port.");
  };
  boost::system::error_code error;
  tcp::resolver resolver{loops[0]->io};
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty()) return failed(error);
  const tcp::endpoint endpoint = *found.begin();
  acceptor = std::make_unique<tcp::acceptor>(loops[0]->io);
  if (acceptor->open(endpoint.protocol(), error); error) return failed(error);
  if (acceptor->set_option(tcp::acceptor::reuse_address{true}, error); error) return failed(error);
  if (acceptor->bind(endpoint, error); error) return failed(error);
  if (acceptor->listen(listen_backlog, error); error) return failed(error);
  port = acceptor->local_endpoint(error).port();
  accept_retry = std::make_unique<asio::steady_timer>(loops[0]->io);
  return {};
}

void Server::State::accept() {
  Loop& loop = *loops[next_loop];
  next_loop = (next_loop + 1) % loops.size();
  acceptor->async_accept(loop.io, asio::bind_executor(acceptor->get_executor(),
                                                      [this, &loop](boost::system::error_code error,
                                                                    tcp::socket socket) {
                                                        on_accepted(loop, error, std::move(socket));
                                                      }));
}

void Server::State::on_accepted(Loop& loop, boost::system::error_code error, tcp::socket socket) {
  if (error == asio::error::operation_aborted || !acceptor->is_open()) return;
  if (error) {
    context.logger.warning("Cannot accept a connection.", {{"reason", error.message()}});
    accept_retry->expires_after(accept_retry_interval);
    accept_retry->async_wait([this](boost::system::error_code ended) {
      if (!ended) accept();
    });
    return;
  }
  context.connections_total.add();
  const std::size_t before = context.connections.fetch_add(1);
  const bool too_many = before >= context.options.connections_max;
  if (too_many) context.refused_total.add();
  if (before >= context.options.connections_max + told_connections_max(context.options)) {
    context.connections.fetch_sub(1);  // Closed without a word: words take descriptors, too.
    return accept();
  }
  auto session = std::make_shared<Session>(loop, std::move(socket));
  asio::post(loop.io, [&loop, session = std::move(session), too_many] {
    loop.adopt(session);
    if (loop.stopping) {
      session->close();
    } else if (too_many) {
      session->refuse_connection();
    } else {
      session->start();
    }
  });
  accept();
}

Server::Server(ServerOptions options, const Router& router, observe::Metrics& metrics,
               observe::Logger& logger)
    : state_{std::make_unique<State>(options, router, metrics, logger)} {
  metrics.gauge_from("stele_http_connections", "Connections open.", [state = state_.get()] {
    return static_cast<double>(state->context.connections.load());
  });
}

Server::~Server() {
  stop();
  state_->context.metrics.gauge_from("stele_http_connections", "Connections open.",
                                     [] { return 0.0; });
}

Result<void> Server::start() {
  for (std::size_t i = 0; i < state_->context.options.io_threads; ++i) {
    state_->loops.push_back(std::make_unique<Loop>(state_->context));
  }
  if (auto listening = state_->listen(); !listening) return listening;
  state_->accept();
  for (const auto& loop : state_->loops) {
    state_->threads.emplace_back([&each = *loop] {
      each.mailbox->set_owner();
      each.run();
    });
  }
  return {};
}

std::uint16_t Server::port() const noexcept { return state_->port; }

void Server::stop() {
  State& state = *state_;
  if (std::exchange(state.stopped, true)) return;
  if (!state.threads.empty()) {
    asio::post(state.loops[0]->io, [&state] {
      boost::system::error_code ignored;
      (void)state.acceptor->close(ignored);
      state.accept_retry->cancel();
    });
    for (const auto& loop : state.loops) loop->stop_sessions();
    const auto wait_for_sessions = [&](std::chrono::milliseconds timeout) {
      const auto until = std::chrono::steady_clock::now() + timeout;
      while (state.context.connections > 0 && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(stop_poll_interval);
      }
    };
    wait_for_sessions(state.context.options.stop_timeout);
    for (const auto& loop : state.loops) loop->abort_sessions();
    wait_for_sessions(state.context.options.drain_timeout);
  }
  state.context.workers.stop();
  for (const auto& loop : state.loops) loop->stop_running();
  for (std::thread& thread : state.threads) thread.join();
}

}  // namespace stele::serve
