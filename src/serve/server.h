// Module: serve
// The HTTP/1.1 server: a few I/O threads, each with its own connections, and a small pool of
// workers for handlers that wait. Everything that a client controls has a limit and a time-out.
//
// Answers of one connection go out in the order of its requests, with one write for all that are
// ready. A connection's memory is at most one body, one piece of a stream, and its answers.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "observe/logger.h"
#include "observe/metrics.h"
#include "serve/router.h"
#include "stele/error.h"
#include "stele/limits.h"
#include "stele/time.h"

namespace stele::serve {

struct ServerOptions {
  using Duration = std::chrono::milliseconds;

  std::string host = "127.0.0.1";  ///< An address or a name.
  std::uint16_t port = 0;          ///< 0: any free port; `Server::port` tells which.

  std::size_t io_threads = 2;
  std::size_t workers = 4;               ///< Threads for blocking handlers.
  std::size_t worker_queue_max = 1'024;  ///< Calls that wait for a worker; more: 503.
  std::size_t connections_max = 4'096;   ///< More: 503 and closed.
  std::size_t pipeline_max = 128;        ///< Requests in flight on a connection; more wait unread.

  std::size_t header_size_max =
      std::size_t{16} * 1'024;                          ///< Bytes of request line and headers: 431.
  std::size_t body_size_max = limits::append_size_max;  ///< Bytes, decoded: 413.
  std::size_t drain_size_max =
      std::size_t{32} * 1'024 * 1'024;  ///< Bytes read and dropped before closing.
  std::size_t buffered_size_max =
      std::size_t{512} * 1'024 * 1'024;  ///< Bytes of large bodies, together: 503.

  Duration header_timeout{10'000};       ///< From a request's first byte to the end of its headers.
  Duration body_timeout{60'000};         ///< From there to its last byte.
  Duration idle_timeout{75'000};         ///< Without a request.
  Duration write_timeout{30'000};        ///< Without progress of a write.
  Duration drain_timeout{5'000};         ///< For reading what is dropped.
  Duration stop_timeout{10'000};         ///< For what is in flight when the server stops.
  Duration keep_alive_interval{15'000};  ///< Between comments of an idle stream.
  Duration request_timeout{10'000};      ///< Without `Stele-Timeout`.

  bool access_log = true;               ///< A record a request, level info.
  std::uint32_t access_log_sample = 1;  ///< Of so many requests that succeed, one is logged.
};

/// Not copyable or movable. Functions are called from one thread, except `port`.
class Server {
 public:
  /// `router`, `metrics`, `logger` must outlive it.
  Server(ServerOptions options, const Router& router, observe::Metrics& metrics,
         observe::Logger& logger = observe::null_logger());
  ~Server();  ///< Stops.
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens and starts the threads. Errors: `unavailable` (names the address and the reason).
  [[nodiscard]] Result<void> start();

  /// The port it listens on; 0 before `start`.
  [[nodiscard]] std::uint16_t port() const noexcept;

  /// Stops accepting, ends streams, finishes what is in flight for at most `stop_timeout`, closes,
  /// and joins every thread. Handlers that run on workers are waited for. Again: nothing.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stele::serve
