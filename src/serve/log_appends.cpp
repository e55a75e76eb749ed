#include "serve/log_appends.h"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>

#include "decide/idempotency.h"

namespace stele::serve {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view ndjson_type = "application/x-ndjson";
constexpr std::size_t inline_body_size_max =
    std::size_t{64} * 1'024;  // Larger is parsed by a worker.
constexpr std::chrono::milliseconds completions_wait{500};

/// The appends of one NDJSON body: submits a bounded number ahead and puts the answers in order.
class LineBatch {
 public:
  LineBatch(EventStore& store, std::size_t inflight_max)
      : store_{store}, inflight_max_{inflight_max} {}

  /// Returns when every line has its answer, or when `responder` is cancelled and the store has
  /// answered what it took.
  std::string run(std::string_view body, const Responder& responder) {
    while (!body.empty()) {
      const std::size_t end = std::min(body.find('\n'), body.size());
      const std::string_view line = body.substr(0, end);
      body.remove_prefix(std::min(end + 1, body.size()));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (responder.cancelled()) break;
      take(line);
    }
    while (!inflight_.empty()) collect();
    return std::move(out_);
  }

 private:
  void take(std::string_view line) {
    const std::uint64_t number = next_++;
    AppendText text{line};
    if (text.failed()) return keep(number, text.problem());
    AppendSubject subject{text.request()};
    while (inflight_.size() >= inflight_max_) collect();
    while (true) {
      const auto taken = store_.append_async(text.request(), completions_, number);
      if (taken) break;
      if (taken.error().code != Errc::overloaded || inflight_.empty()) {
        return keep(number, refusal_of(text.request(), taken.error()));
      }
      collect();  // The store's queue is full of our own: make room and offer it again.
    }
    inflight_.emplace(number, std::move(subject));
  }

  void collect() {
    completions_.take(taken_, completions_wait);
    for (Completion& each : taken_) {
      const auto found = inflight_.find(each.token);
      keep(each.token, append_answer(store_, found->second, each.outcome));
      inflight_.erase(found);
    }
  }

  /// Puts an answer in its place: lines that are refused at once overtake those under way.
  void keep(std::uint64_t number, Response answer) {
    if (number != written_) {
      waiting_.emplace(number, std::move(answer.body));
      return;
    }
    put(answer.body);
    for (auto next = waiting_.begin(); next != waiting_.end() && next->first == written_;
         next = waiting_.erase(next)) {
      put(next->second);
    }
  }

  void put(std::string_view line) {
    out_ += line;
    out_ += '\n';
    ++written_;
  }

  EventStore& store_;
  std::size_t inflight_max_;
  CompletionQueue completions_;
  std::vector<Completion> taken_;
  std::map<std::uint64_t, AppendSubject> inflight_;
  std::map<std::uint64_t, std::string> waiting_;
  std::string out_;
  std::uint64_t next_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace

/// An append that the store has taken. Its address is the completion's token: the store gives each
/// back once.
struct LogRoutes::Appends::Pending {
  AppendSubject subject;
  Responder responder;
};

LogRoutes::Appends::Appends(EventStore& store, const LogRoutesOptions& options,
                            observe::Logger& logger)
    : store_{store},
      options_{options},
      logger_{logger},
      workers_{options.workers, options.worker_queue_max},
      thread_{[this] { answer_completions(); }} {}

LogRoutes::Appends::~Appends() {
  workers_.stop();
  stopping_ = true;
  completions_.interrupt();
  thread_.join();
}

void LogRoutes::Appends::handle(Request& request, Responder responder) {
  const std::string_view type = request.media_type();
  const bool lines = same_token(type, ndjson_type);
  if (!lines && !same_token(type, json_type)) {
    return responder.send(media_type_problem(request, {json_type, ndjson_type}));
  }
  if (const auto good = lines ? request.accepts({ndjson_type}) : request.accepts({json_type});
      !good) {
    return responder.send(not_acceptable({lines ? ndjson_type : json_type}));
  }
  if (!request.query.empty()) {
    return responder.send(malformed("This route takes no query parameters.",
                                    "?" + std::string{request.query.front().name.substr(0, 64)}));
  }
  if (!lines && request.body.size() <= inline_body_size_max) {
    return append_one(std::move(responder));
  }
  // Shared with the job, so that there is someone left to refuse when the queue is full.
  auto job = std::make_shared<Responder>(std::move(responder));
  const bool taken = workers_.try_post([this, job, lines] {
    if (lines) {
      append_lines(std::move(*job));
    } else {
      append_one(std::move(*job));
    }
  });
  if (!taken) job->send(Problem{"overloaded", "Too many batches wait; ask again soon."});
}

void LogRoutes::Appends::append_one(Responder responder) {
  Request& request = responder.request();
  AppendText text{request.body};
  if (text.failed()) return responder.send(text.problem());
  const auto key = request.idempotency_key();
  if (!key) return responder.send(problem_of(key.error()));
  const std::optional<std::string_view>& given = *key;
  if (given && text.request().id) {
    return responder.send(
        malformed("The request has an Idempotency-Key and an id; send one of them.", "/id"));
  }
  if (given) text.request().id = decide::id_of_idempotency_key({}, {}, *given);
  submit(text, std::move(responder));
}

void LogRoutes::Appends::submit(AppendText& text, Responder responder) {
  auto pending = std::make_unique<Pending>(
      Pending{.subject = AppendSubject{text.request()}, .responder = std::move(responder)});
  pending_.fetch_add(1);
  const auto token = std::bit_cast<std::uint64_t>(pending.get());
  const auto taken = store_.append_async(text.request(), completions_, token);
  if (taken) {
    [[maybe_unused]] Pending* const with_the_store = pending.release();  // Until it completes.
    return;
  }
  pending_.fetch_sub(1);
  const Result<AppendOutcome> refused = std::unexpected{taken.error()};
  log_failure(refused);
  pending->responder.send(refusal_of(text.request(), taken.error()));
}

void LogRoutes::Appends::answer_completions() {
  std::vector<Completion> taken;
  while (!stopping_ || pending_ > 0) {
    completions_.take(taken, completions_wait);
    for (Completion& each : taken) {
      const std::unique_ptr<Pending> pending{std::bit_cast<Pending*>(each.token)};
      log_failure(each.outcome);
      pending->responder.send(append_answer(store_, pending->subject, each.outcome));
      pending_.fetch_sub(1);
    }
  }
}

void LogRoutes::Appends::append_lines(Responder responder) {
  const Request& request = responder.request();
  if (request.header("Idempotency-Key")) {
    return responder.send(
        malformed("An Idempotency-Key names one append; give each line an id instead."));
  }
  LineBatch batch{store_, options_.batch_inflight_max};
  Response response{.content_type = std::string{ndjson_type}};
  response.body = batch.run(request.body, responder);
  responder.send(std::move(response));
}

void LogRoutes::Appends::log_failure(const Result<AppendOutcome>& outcome) {
  if (outcome) return;
  const Errc code = outcome.error().code;
  if (code == Errc::internal || code == Errc::corrupt || code == Errc::unavailable ||
      code == Errc::outcome_unknown) {
    logger_.error("An append failed.",
                  {{"code", to_string(code)}, {"detail", outcome.error().message}});
  }
}

}  // namespace stele::serve
