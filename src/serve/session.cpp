#include "serve/session.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <charconv>
#include <exception>

#include "serve/answer_head.h"
#include "serve/url.h"

namespace stele::serve {
namespace {

namespace asio = boost::asio;

constexpr std::size_t large_body_size =
    std::size_t{64} * 1'024;  // From here a body counts as buffered.
constexpr std::size_t write_batch_size =
    std::size_t{256} * 1'024;  // Answers up to here share one write.
constexpr std::chrono::seconds request_timeout_max{60};
constexpr std::chrono::seconds wait_max{30};

/// "2" or "0.25" seconds; none if it is neither, or over the limit.
std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text) {
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  const bool good = error == std::errc{} && end == text.data() + text.size() && seconds >= 0 &&
                    seconds <= std::chrono::duration<double>{request_timeout_max}.count();
  if (!good) return std::nullopt;
  return std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1'000)};
}

/// Sets the deadline. The refusal, if `Stele-Timeout` is wrong.
std::optional<Problem> set_deadline(Request& request, std::chrono::milliseconds timeout) {
  if (const auto given = request.header("Stele-Timeout")) {
    const auto parsed = parse_seconds(*given);
    if (!parsed) {
      return malformed("Stele-Timeout is \"" + std::string{given->substr(0, 32)} +
                       "\"; it must be a number of seconds from 0 to 60.");
    }
    timeout = *parsed;
  }
  if (const auto wait = request.query_value("wait")) {
    if (const auto parsed = parse_seconds(*wait); parsed && *parsed <= wait_max) timeout += *parsed;
  }
  request.deadline = request.received + timeout;
  return std::nullopt;
}

/// What a client is told whose deadline has passed: a command may have been carried out.
Problem deadline_problem(const Request& request) {
  if (request.method == "GET" || request.method == "HEAD") {
    return {"not_yet", "The answer was not there before the deadline; ask again."};
  }
  return {"outcome_unknown",
          "The deadline passed before the outcome was known; ask again with the same "
          "Idempotency-Key or id."};
}

Problem stopping_problem() { return {"shutting_down", "The server is stopping; ask again soon."}; }

void run_handler(const std::shared_ptr<Exchange>& exchange, observe::Logger& logger) {
  try {
    exchange->route->handler(exchange->request, Responder{exchange});
  } catch (const std::exception& error) {
    // The Responder that was unwound has answered 500.
    logger.error("A handler threw.",
                 {{"route", exchange->request.route}, {"what", std::string_view{error.what()}}});
  } catch (...) {
    logger.error("A handler threw something unknown.", {{"route", exchange->request.route}});
  }
}

}  // namespace

Session::Session(Loop& loop, asio::ip::tcp::socket socket)
    : loop_{loop},
      context_{loop.context},
      life_{std::make_shared<ConnectionLife>(++loop.context.connections_named)},
      socket_{std::move(socket)},
      reader_{{.header_size_max = loop.context.options.header_size_max,
               .body_size_max = loop.context.options.body_size_max}} {
  moved_at_ = sent_at_ = phase_since_ = Clock::now();
  boost::system::error_code ignored;
  (void)socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
  (void)socket_.non_blocking(true, ignored);
}

void Session::start() { read(); }

void Session::refuse_connection() {
  refuse(Problem{"overloaded", "The server holds as many connections as it may; come again soon."});
  flush();
  read();
}

void Session::read() {
  if (reading_ || closed_ || draining_ || peer_ended_ || no_more_) return;
  if (queue_.size() >= context_.options.pipeline_max) return;
  reading_ = true;
  const std::span<char> room = reader_.room();
  socket_.async_read_some(
      asio::buffer(room.data(), room.size()),
      [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
        self->reading_ = false;
        if (self->closed_) return;
        if (error == asio::error::eof) return self->on_end();
        if (error) return self->close();
        self->on_read(size);
      });
}

void Session::on_read(std::size_t size) {
  if (draining_) {  // These bytes were under way when the last answer went out.
    drained_size_ += size;
    return drain();
  }
  reader_.filled(size);
  parse();
  read();
}

/// The client sends no more. It may still read, so what is in flight is answered; streams and
/// those who wait see `cancelled`.
void Session::on_end() {
  peer_ended_ = true;
  life_->ended = true;
  if (draining_ || queue_.empty() || streaming_) return close();
  for (const auto& exchange : queue_) exchange->cancel();
}

void Session::parse() {
  parsing_ = true;
  const Clock::time_point now = Clock::now();
  bool more = true;
  while (more && !no_more_ && !closed_ && queue_.size() < context_.options.pipeline_max) {
    if (!spare_) spare_ = std::make_shared<Exchange>(loop_.mailbox);
    switch (reader_.next(*spare_)) {
      case RequestReader::Outcome::request:
        take_request(now);
        break;
      case RequestReader::Outcome::refused:
        refuse(reader_.problem());
        break;
      case RequestReader::Outcome::send_continue:
        continue_wanted_ = true;
        [[fallthrough]];
      case RequestReader::Outcome::need_more:
        more = false;
        if (!reserve_body()) {
          refuse(Problem{"overloaded", "Too many large bodies are under way; ask again soon."});
        }
        break;
    }
  }
  if (phase_ != reader_.phase()) {
    phase_ = reader_.phase();
    phase_since_ = now;
  }
  parsing_ = false;
  if (!closed_) flush();
}

bool Session::reserve_body() {
  if (reader_.phase() != RequestReader::Phase::body) return true;
  const std::size_t size = reader_.body_size();
  if (size < large_body_size || size <= reserved_size_) return true;
  const std::size_t added = size - reserved_size_;
  if (context_.buffered_size.fetch_add(added) + added > context_.options.buffered_size_max) {
    context_.buffered_size.fetch_sub(added);
    return false;
  }
  reserved_size_ = size;
  return true;
}

void Session::take_request(Clock::time_point now) {
  const std::shared_ptr<Exchange> exchange = std::exchange(spare_, nullptr);
  phase_since_ = now;
  exchange->connection = this;
  exchange->request.connection = life_;
  exchange->request.received = now;
  exchange->request.deadline = now + context_.options.request_timeout;
  if (!exchange->keep_alive) no_more_ = true;
  queue_.push_back(exchange);
  if (loop_.stopping) return exchange->answer(stopping_problem());
  if (!split_target(exchange->request, exchange->decoded)) {
    return exchange->answer(malformed("The query has a broken escape, or is not UTF-8."));
  }
  if (auto bad = set_deadline(exchange->request, context_.options.request_timeout)) {
    return exchange->answer(*bad);
  }
  dispatch(exchange);
}

void Session::dispatch(const std::shared_ptr<Exchange>& exchange) {
  auto found = context_.router.find(exchange->request, exchange->decoded);
  if (auto* const answer = std::get_if<Response>(&found)) {
    return exchange->answer(std::move(*answer));
  }
  exchange->route = std::get<const Route*>(found);
  if (auto wrong = coding_problem(exchange->request)) return exchange->answer(std::move(*wrong));
  if (!exchange->route->on_worker) return run_handler(exchange, context_.logger);
  const bool taken = context_.workers.try_post(
      [exchange, &logger = context_.logger] { run_handler(exchange, logger); });
  if (!taken) {
    exchange->answer(Problem{"overloaded", "Every worker is busy and their queue is full."});
  }
}

/// Answers in the place of a request that cannot be read; nothing after it is.
void Session::refuse(Response response) {
  const auto exchange = std::make_shared<Exchange>(loop_.mailbox);
  exchange->connection = this;
  exchange->request.received = exchange->request.deadline = Clock::now();
  exchange->keep_alive = false;
  static_cast<void>(exchange->claim());
  exchange->response = std::move(response);
  exchange->ready = true;
  no_more_ = true;
  queue_.push_back(exchange);
}

void Session::tick(Clock::time_point now) {
  const ServerOptions& options = context_.options;
  if (draining_) {
    if (now - moved_at_ > options.drain_timeout) close();
    return;
  }
  if (writing_ && now - moved_at_ > options.write_timeout) return abort();
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    Exchange& exchange = *queue_[i];
    if (now > exchange.request.deadline && !exchange.claimed()) {
      exchange.answer(deadline_problem(exchange.request));
      if (closed_) return;
    }
  }
  if (streaming_ && stream_idle_ && !writing_ && now - sent_at_ > options.keep_alive_interval) {
    put_piece();
  }
  if (!queue_.empty() || no_more_ || closed_) return;
  const auto since = now - phase_since_;
  const auto late = [&](std::string_view what) {
    refuse(Problem{"timeout", "The request's " + std::string{what} + " did not arrive in time."});
    flush();
  };
  switch (phase_) {
    case RequestReader::Phase::idle:
      if (since > options.idle_timeout) close();
      break;
    case RequestReader::Phase::header:
      if (since > options.header_timeout) late("head");
      break;
    case RequestReader::Phase::body:
      if (since > options.body_timeout) late("body");
      break;
  }
}

void Session::stop() {
  no_more_ = true;
  if (queue_.empty() && !writing_ && !draining_) return close();
  if (streaming_ && stream_idle_ && !writing_) end_stream();
}

/// Closes without waiting for the client to take what was written: the system would keep those
/// bytes, megabytes for each, for as long as the client's machine says that it is alive.
void Session::abort() {
  boost::system::error_code ignored;
  (void)socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
  close();
}

void Session::close() {
  if (closed_) return;
  closed_ = true;
  life_->ended = true;
  boost::system::error_code ignored;
  (void)socket_.close(ignored);
  for (const auto& exchange : queue_) {
    exchange->cancel();
    exchange->connection = nullptr;
  }
  queue_.clear();
  context_.buffered_size.fetch_sub(reserved_size_);
  reserved_size_ = 0;
  loop_.release(shared_from_this());
}

void Session::linger() {
  draining_ = true;
  moved_at_ = Clock::now();
  boost::system::error_code ignored;
  (void)socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (peer_ended_) return close();
  if (!reading_) drain();
}

void Session::drain() {
  if (drained_size_ > context_.options.drain_size_max) return close();
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(loop_.scratch),
      [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
        self->reading_ = false;
        if (self->closed_) return;
        if (error) return self->close();
        self->drained_size_ += size;
        self->drain();
      });
}

void Session::deliver(Exchange& exchange, MailKind kind) {
  if (closed_) return;
  switch (kind) {
    case MailKind::answered:
      exchange.ready = true;
      if (!parsing_) flush();
      break;
    case MailKind::pulled:
      stream_pulling_ = false;
      if (writing_) {
        piece_waits_ = true;
      } else {
        put_piece();
      }
      break;
    case MailKind::woken:
      if (!std::exchange(stream_idle_, false)) break;
      pull();
      break;
  }
}

/// Puts every answer at the front of the queue that is ready into one write.
void Session::flush() {
  if (writing_ || closed_ || last_written_) return;
  while (!queue_.empty() && !streaming_ && queue_.front()->ready && big_.empty() &&
         out_.size() < write_batch_size) {
    const std::shared_ptr<Exchange> exchange = queue_.front();
    if (exchange->source != nullptr && exchange->request.method != "HEAD") {
      put_stream_head(*exchange);
      break;
    }
    put_answer(*exchange);
    queue_.pop_front();
  }
  if (queue_.empty() && std::exchange(continue_wanted_, false)) {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  if (!out_.empty()) {
    writing_ = true;
    written_ = 0;
    moved_at_ = sent_at_ = Clock::now();
    write();
  } else if (queue_.empty() && !draining_ && (peer_ended_ || loop_.stopping)) {
    close();
  }
}

void Session::put_answer(Exchange& exchange) {
  Response& response = exchange.response;
  const bool last = no_more_ && queue_.size() == 1;
  const bool head_only = exchange.request.method == "HEAD";
  const std::size_t size = response.body.size();
  last_written_ = last;
  append_head(out_, exchange,
              {.streamed = exchange.source != nullptr, .body_size = size, .last = last},
              loop_.date());
  loop_.count_answer(exchange, head_only ? 0 : size, Clock::now());
  if (head_only || response.status == 204 || response.status == 304) return;
  if (size < large_body_size) {
    out_ += response.body;
  } else {
    big_ = std::move(response.body);
  }
}

void Session::put_stream_head(Exchange& exchange) {
  streaming_ = true;
  if (!is_chunked(exchange)) no_more_ = true;  // The end of the connection ends the body.
  append_head(out_, exchange, {.streamed = true, .last = no_more_}, loop_.date());
}

void Session::write() {
  const std::size_t from_out = std::min(written_, out_.size());
  const std::array buffers = {
      asio::buffer(out_.data() + from_out, out_.size() - from_out),
      asio::buffer(big_.data() + (written_ - from_out), big_.size() - (written_ - from_out))};
  // Most writes fit the socket's buffer: trying at once saves a turn of the event loop.
  boost::system::error_code error;
  written_ += socket_.write_some(buffers, error);
  if (error && error != asio::error::would_block) return close();
  if (written_ == out_.size() + big_.size()) return on_written();
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (self->closed_) return;
                       if (failed) return self->close();
                       self->moved_at_ = Clock::now();
                       self->write();
                     });
}

void Session::on_written() {
  writing_ = false;
  out_.clear();
  big_ = {};
  if (last_written_) return linger();
  if (streaming_) return go_on_streaming();
  if (queue_.empty()) {
    if (peer_ended_) return close();
    if (no_more_) return linger();
    phase_since_ = Clock::now();
    if (reader_.phase() != RequestReader::Phase::body) {
      context_.buffered_size.fetch_sub(std::exchange(reserved_size_, 0));
    }
  }
  // What waited for room in the queue, and what became ready during the write. Posted, so that a
  // client who reads as fast as it is written to cannot keep this thread to itself.
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->closed_ || self->draining_) return;
    if (!self->no_more_) self->parse();
    self->flush();
    self->read();
  });
}

void Session::pull() {
  stream_pulling_ = true;
  context_.workers.post([exchange = queue_.front(), &logger = context_.logger] {
    exchange->piece.clear();
    try {
      exchange->piece_next = exchange->source->next(exchange->piece);
    } catch (const std::exception& error) {
      exchange->piece_failed = true;
      logger.error("A stream's source threw.",
                   {{"route", exchange->request.route}, {"what", std::string_view{error.what()}}});
    }
    exchange->mail(MailKind::pulled);
  });
}

/// Writes the piece that was made, or a keep-alive comment while the stream is idle.
void Session::put_piece() {
  Exchange& exchange = *queue_.front();
  if (exchange.piece_failed) return close();  // The client sees that the body is not complete.
  const std::string_view piece =
      stream_idle_ ? exchange.source->keep_alive() : std::string_view{exchange.piece};
  if (is_chunked(exchange)) {
    append_chunk(out_, piece);
  } else {
    out_ += piece;
  }
  if (out_.empty()) return go_on_streaming();
  writing_ = true;
  written_ = 0;
  moved_at_ = sent_at_ = Clock::now();
  write();
}

void Session::go_on_streaming() {
  Exchange& exchange = *queue_.front();
  if (std::exchange(piece_waits_, false)) return put_piece();
  if (stream_pulling_ || (stream_idle_ && !loop_.stopping)) return;
  switch (exchange.piece_next) {
    case StreamSource::Next::more:
      return pull();
    case StreamSource::Next::idle:
      if (loop_.stopping) return end_stream();
      stream_idle_ = true;
      return exchange.source->when_ready(
          [exchange_kept = queue_.front()] { exchange_kept->mail(MailKind::woken); });
    case StreamSource::Next::end:
      return end_stream();
  }
}

void Session::end_stream() {
  const std::shared_ptr<Exchange> exchange = queue_.front();
  queue_.pop_front();
  streaming_ = stream_idle_ = false;
  loop_.count_answer(*exchange, 0, Clock::now());
  if (no_more_ && queue_.empty()) last_written_ = true;
  if (!is_chunked(*exchange)) return linger();
  out_ += "0\r\n\r\n";
  writing_ = true;
  written_ = 0;
  moved_at_ = sent_at_ = Clock::now();
  write();
}

}  // namespace stele::serve
