// Module: serve
// What a route sees of HTTP: the request, the way to answer it, and a stream of an answer's bytes.
//
//     Metrics metrics;
//     Router router;
//     router.add("GET /hello/{name}", [](Request& request, Responder responder) {
//       responder.send(Response::text("Hello, " + std::string{request.param("name")}));
//     });
//     router.add("POST /reports", blocking([&](Request& request) -> Response {
//       const auto report = reports.make(request.body);  // May wait: it runs on a worker.
//       if (!report) return problem_of(report.error());
//       return Response::json(200, *report);
//     }));
//     Server server{{.host = "127.0.0.1", .port = 8420}, router, metrics, logger};
//     if (auto started = server.start(); !started) return started.error();
//     ...
//     server.stop();  // Finishes what is in flight, then closes.
//
// A handler runs on an I/O thread and must not wait for anything; it may keep its `Responder` and
// answer from any thread later. `blocking` moves a handler to the workers.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stele/error.h"

namespace stele::serve {

/// Of a header, a query parameter (decoded), or a route's parameter (decoded).
struct NameValue {
  std::string_view name;
  std::string_view value;
};

/// A connection, for those who must know whether it is still there. Thread-safe.
struct ConnectionLife {
  explicit ConnectionLife(std::uint64_t name) : number{name} {}
  const std::uint64_t number;      ///< Of this process's connections, from 1.
  std::atomic<bool> ended{false};  ///< No further request can come.
};

/// A request that was read whole and is well-formed. Its views live until the last of its
/// `Responder` and its answer is gone; a handler that keeps them must keep the `Responder`.
struct Request {
  using Clock = std::chrono::steady_clock;

  std::string_view method;         ///< As sent; "HEAD" runs the handler of GET.
  std::string_view target;         ///< As sent, in origin-form: path and query.
  std::string_view path;           ///< The target's path, not decoded.
  std::string_view route;          ///< The pattern that matched, such as "/accounts/{id}".
  std::vector<NameValue> headers;  ///< In the order sent.
  std::vector<NameValue> query;    ///< In the order sent, duplicates kept.
  std::vector<NameValue> params;   ///< Of the route, such as {"id", "42"}.
  std::string_view body;
  Clock::time_point received;  ///< When its last byte had come.
  Clock::time_point deadline;  ///< `Stele-Timeout` (default 10 s, at most 60 s), plus `wait`.
  std::shared_ptr<const ConnectionLife> connection = nullptr;  ///< That it came on.

  /// The first header of that name (any case).
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept;
  /// The route's parameter; empty if the route has none of that name.
  [[nodiscard]] std::string_view param(std::string_view name) const noexcept;
  /// The first query parameter of that name. Strict reading: see query_params.h.
  [[nodiscard]] std::optional<std::string_view> query_value(std::string_view name) const noexcept;
  /// The media type of `Content-Type` without parameters; empty if there is none. Compare with
  /// `same_token`.
  [[nodiscard]] std::string_view media_type() const noexcept;
  /// A parameter of `Content-Type`, such as "charset", without quotes; empty if there is none.
  [[nodiscard]] std::string_view media_parameter(std::string_view name) const noexcept;
  /// A well-formed W3C `traceparent`, or empty.
  [[nodiscard]] std::string_view traceparent() const noexcept;
  /// The 32 hex digits of `traceparent`, or empty.
  [[nodiscard]] std::string_view trace_id() const noexcept;
  /// The index of the first of `offered` that `Accept` allows best; none if it allows none (answer
  /// `not_acceptable`). Without the header: 0.
  [[nodiscard]] std::optional<std::size_t> accepts(
      std::initializer_list<std::string_view> offered) const noexcept;
  /// The `Idempotency-Key`, if there is one. Errors: `invalid` if it is not 1 to 255 printable
  /// ASCII characters, or stands twice.
  [[nodiscard]] Result<std::optional<std::string_view>> idempotency_key() const;
};

/// Compares ASCII text without regard to case.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b) noexcept;

struct Response {
  int status = 200;
  std::string content_type = {};  ///< No header if empty.
  std::string body = {};
  /// Others than Content-Type, Content-Length, Connection and Date, which the server writes. The
  /// names and values are the program's own: without control characters.
  std::vector<std::pair<std::string, std::string>> headers = {};

  [[nodiscard]] static Response json(int status, std::string body);
  [[nodiscard]] static Response text(std::string body, int status = 200);

  /// `Response::json(200, ...).with("Location", "/accounts/1")`.
  [[nodiscard]] Response with(std::string name, std::string value) &&;
};

/// Where the bytes of a streamed answer come from. The server pulls: it asks for the next piece
/// when the client has taken the one before, so a slow client costs one piece of memory.
class StreamSource {
 public:
  enum class Next : std::uint8_t {
    more,  ///< Something was appended; ask again at once.
    idle,  ///< Nothing more at the moment; wait for `when_ready`.
    end,   ///< The answer is complete (what was appended is still sent).
  };
  virtual ~StreamSource() = default;

  /// Appends the next piece to `out` (which is empty): aim at `stream_piece_size`. Runs on a
  /// worker, one call at a time, and must return within a second.
  virtual Next next(std::string& out) = 0;

  /// After `idle`: has `wake` called once, from any thread, when `next` is worth a call.
  virtual void when_ready(std::function<void()> wake) = 0;

  /// Sent whenever nothing was sent for the server's keep-alive interval. Empty: nothing.
  [[nodiscard]] virtual std::string_view keep_alive() const { return {}; }
};

inline constexpr std::size_t stream_piece_size =
    std::size_t{64} * 1'024;  ///< Bytes a piece should have.

class Exchange;  // One request and its answer; exchange.h.

/// The right and the duty to answer one request, once, from any thread. If it is destroyed without
/// an answer the client gets 500 `internal`. What comes after the client left or the deadline's
/// answer was sent is dropped.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_{std::move(exchange)} {}
  ~Responder();
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  void send(Response response);
  /// Answers with `head`'s status and headers and the bytes of `source`. HTTP/1.1 clients get them
  /// chunked. The deadline no longer counts.
  void stream(Response head, std::unique_ptr<StreamSource> source);

  /// True when no answer can reach the client any more: it left, or the deadline has passed.
  [[nodiscard]] bool cancelled() const noexcept;
  /// As the handler got it.
  [[nodiscard]] Request& request() const noexcept;

 private:
  std::shared_ptr<Exchange> exchange_;
};

/// Answers on the I/O thread or later; must not wait.
using Handler = std::function<void(Request&, Responder)>;

/// A handler that may wait; runs on one of the server's workers. When their queue is full the
/// client gets 503 `overloaded`.
struct Blocking {
  Handler handler;
};
[[nodiscard]] Blocking blocking(std::function<Response(Request&)> handler);
[[nodiscard]] Blocking blocking_async(Handler handler);

}  // namespace stele::serve
