#include "serve/log_reads.h"

#include <algorithm>
#include <charconv>

#include "query/token.h"
#include "serve/cloud_event.h"
#include "serve/event_json.h"
#include "stele/json.h"
#include "stele/limits.h"

namespace stele::serve {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view ndjson_type = "application/x-ndjson";
constexpr std::string_view sse_type = "text/event-stream";
constexpr std::size_t limit_default = 100;   // Events.
constexpr std::uint64_t wait_max = 30;       // Seconds.
constexpr std::size_t read_step = 256;       // Events a read while gathering an answer.
constexpr std::size_t line_read_step = 512;  // Events a piece of a streamed answer.

enum class Form : std::uint8_t { page, lines, live, cloud };

/// A piece of a live feed or of NDJSON: reads on from where it is.
class Follow : public StreamSource {
 public:
  Follow(const EventStore& store, FaultLog& faults, Filter filter, Position at)
      : store_{store}, faults_{faults}, filter_{std::move(filter)}, at_{at} {}

 protected:
  /// Appends events up to a piece's size or `count`; returns how many, or none if reading failed.
  template <typename Put>
  std::optional<std::size_t> put_some(std::size_t count, std::string& out, Put put) {
    const auto page = store_.read_all(at_, filter_, std::min(count, line_read_step));
    if (!page) {
      faults_.note(page.error());
      return std::nullopt;
    }
    end_ = page->log_end;
    std::size_t taken = 0;
    for (const EventView& event : page->events) {
      put(out, event);
      at_ = event.position;
      ++taken;
      if (out.size() >= stream_piece_size) break;
    }
    if (taken == page->events.size()) at_ = std::max(at_, page->looked_to);
    return taken;
  }
  [[nodiscard]] Position at() const { return at_; }
  [[nodiscard]] Position end() const { return end_; }

 private:
  const EventStore& store_;
  FaultLog& faults_;
  Filter filter_;
  Position at_;
  Position end_{};
};

class EventLines final : public Follow {
 public:
  EventLines(const EventStore& store, FaultLog& faults, Filter filter, Position after,
             std::size_t limit)
      : Follow{store, faults, std::move(filter), after}, left_{limit}, until_{store.log_end()} {}

  Next next(std::string& out) override {
    const auto put = [](std::string& to, const EventView& event) {
      append_event_json(to, event);
      to += '\n';
    };
    const auto taken = put_some(left_, out, put);
    if (!taken) throw std::runtime_error{"The log cannot be read."};  // The answer is cut short.
    left_ -= *taken;
    return left_ == 0 || at() >= until_ ? Next::end : Next::more;
  }
  void when_ready(std::function<void()>) override {}

 private:
  std::size_t left_;
  Position until_;  // The log's end when the answer began: it must come to an end.
};

class EventFeed final : public Follow {
 public:
  EventFeed(const EventStore& store, FaultLog& faults, Filter filter, Position after, Tail& tail,
            std::chrono::seconds live_wait)
      : Follow{store, faults, std::move(filter), after}, tail_{tail}, live_wait_{live_wait} {}

  Next next(std::string& out) override {
    const auto put = [](std::string& to, const EventView& event) {
      to += "id: " + std::to_string(number(event.position)) + "\nevent: ";
      to += event.type;
      to += "\ndata: ";
      append_event_json(to, event);
      to += "\n\n";
    };
    const auto taken = put_some(line_read_step, out, put);
    if (!taken) throw std::runtime_error{"The log cannot be read."};
    return *taken > 0 || at() < end() ? Next::more : Next::idle;
  }
  void when_ready(std::function<void()> wake) override {
    tail_.when_past(at(), Tail::Clock::now() + live_wait_, std::move(wake));
  }
  std::string_view keep_alive() const override { return ": still here\n\n"; }

 private:
  Tail& tail_;
  std::chrono::seconds live_wait_;
};

Filter read_filter(QueryParams& query) {
  const auto names = [&](std::string_view parameter, std::size_t size_max) {
    std::vector<std::string> out;
    for (const std::string_view name : query.texts(parameter, limits::filter_names_max)) {
      if (auto good = check_name(parameter, name, size_max); !good) {
        query.refuse(parameter, "is wrong: " + good.error().message);
      }
      out.emplace_back(name);
    }
    return out;
  };
  return {.categories = names("category", limits::stream_name_size_max),
          .types = names("type", limits::type_size_max),
          .tags = names("tag", limits::tag_size_max)};
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good =
      error == std::errc{} && end == text.data() + text.size() && value <= limits::number_max;
  return good ? std::optional{value} : std::nullopt;
}

}  // namespace

/// One `GET /v1/events`, also while it waits for the first event.
struct LogRoutes::Reads::Scan {
  Responder responder;
  Form form = Form::page;
  Filter filter = {};
  Position after{};
  std::size_t limit = limit_default;
  std::chrono::steady_clock::time_point wait_until = {};
};

LogRoutes::Reads::Reads(EventStore& store, const LogRoutesOptions& options, observe::Logger& logger)
    : store_{store},
      options_{options},
      faults_{logger},
      workers_{options.workers, options.worker_queue_max},
      tail_{store} {}

LogRoutes::Reads::~Reads() { workers_.stop(); }

Response LogRoutes::Reads::refused(const Error& error) {
  faults_.note(error);
  return problem_of(error);
}

std::string LogRoutes::Reads::token_at(Position position) const {
  return query::encode_token({.epoch = store_.epoch(), .position = position}, store_.log_id());
}

void LogRoutes::Reads::events(Request& request, Responder responder) {
  const auto offered = {json_type, ndjson_type, sse_type, cloud_events_batch_type};
  const auto form = request.accepts(offered);
  if (!form) return responder.send(not_acceptable(offered));
  QueryParams query{request};
  auto scan = std::make_shared<Scan>(Scan{.responder = std::move(responder)});
  scan->form = static_cast<Form>(*form);
  scan->after = Position{query.number("after", 0, 0, limits::number_max)};
  scan->limit = query.number("limit", limit_default, 1, limits::read_events_max);
  const std::uint64_t wait = query.number("wait", 0, 0, wait_max);
  scan->filter = read_filter(query);
  if (auto bad = query.finish()) return scan->responder.send(*bad);
  scan->wait_until = request.received + std::chrono::seconds{wait};
  if (scan->form == Form::live) {
    if (const auto last = request.header("Last-Event-ID")) {
      const auto position = whole_number(*last);
      if (!position) {
        return scan->responder.send(malformed("The header Last-Event-ID is not a position."));
      }
      scan->after = Position{*position};
    }
    return answer_live(*scan);
  }
  begin(scan);
}

/// Answers if there is something to show or no time left; otherwise comes back when the log grew.
void LogRoutes::Reads::begin(const std::shared_ptr<Scan>& scan) {
  const bool may_wait = std::chrono::steady_clock::now() < scan->wait_until;
  if (may_wait && !scan->responder.cancelled()) {
    const auto first = store_.read_all(scan->after, scan->filter, 1);
    if (!first) return scan->responder.send(refused(first.error()));
    if (first->events.empty()) {
      // What was looked at is not looked at again; `after` never passes what could still match.
      scan->after = std::max(scan->after, first->looked_to);
      const Position seen = scan->after;
      return tail_.when_past(first->looked_to < first->log_end ? Position{} : seen,
                             scan->wait_until,
                             [this, scan] { workers_.post([this, scan] { begin(scan); }); });
    }
  }
  if (scan->form == Form::lines) {
    answer_lines(*scan);
  } else {
    answer_page(*scan);
  }
}

void LogRoutes::Reads::answer_page(Scan& scan) {
  const auto give_up = std::chrono::steady_clock::now() + options_.scan_time_max;
  const bool cloud = scan.form == Form::cloud;
  const CloudEventsOf of{.log = store_.log_id(), .epoch = store_.epoch()};
  std::string body = cloud ? "[" : "{\"events\":[";
  Position at = scan.after;
  Position log_end{};
  std::size_t left = scan.limit;
  bool full = false;
  do {
    const auto page = store_.read_all(at, scan.filter, std::min(left, read_step));
    if (!page) return scan.responder.send(refused(page.error()));
    log_end = page->log_end;
    const Position before = at;
    for (const EventView& event : page->events) {
      if (body.back() == '}') body += ',';
      if (cloud) {
        append_cloud_event(body, event, of);
      } else {
        append_event_json(body, event);
      }
      at = event.position;
      --left;
      full = left == 0 || body.size() >= options_.answer_size_max;
      if (full) break;
    }
    if (!full) at = std::max(at, page->looked_to);
    if (at == before) break;  // Nothing was looked at: the end, or past it.
  } while (!full && at < log_end && std::chrono::steady_clock::now() < give_up);
  send_page(scan, std::move(body), std::min(at, log_end), log_end);
}

/// A page says how far it looked in its last members; a batch, which has none, in headers.
void LogRoutes::Reads::send_page(Scan& scan, std::string body, Position at, Position log_end) {
  const std::string position = std::to_string(number(at));
  const std::string end = std::to_string(number(log_end));
  body += ']';
  if (scan.form == Form::cloud) {
    return scan.responder.send(Response{
        .content_type = std::string{cloud_events_batch_type},
        .body = std::move(body),
        .headers = {
            {"Stele-Position", position}, {"Stele-Log-End", end}, {"Stele-Token", token_at(at)}}});
  }
  body += ",\"position\":" + position + ",\"logEnd\":" + end;
  body += ",\"token\":\"" + token_at(at) + "\"}";
  scan.responder.send(Response::json(200, std::move(body)));
}

void LogRoutes::Reads::answer_lines(Scan& scan) {
  scan.responder.stream(Response{.content_type = std::string{ndjson_type}},
                        std::make_unique<EventLines>(store_, faults_, std::move(scan.filter),
                                                     scan.after, scan.limit));
}

void LogRoutes::Reads::answer_live(Scan& scan) {
  scan.responder.stream(
      Response{.content_type = std::string{sse_type}, .headers = {{"Cache-Control", "no-cache"}}},
      std::make_unique<EventFeed>(store_, faults_, std::move(scan.filter), scan.after, tail_,
                                  options_.live_wait));
}

Response LogRoutes::Reads::data(Request& request) {
  QueryParams query{request};
  if (auto bad = query.finish()) return *bad;
  const auto position = whole_number(request.param("position"));
  if (!position || *position == 0) {
    return malformed("The position in the path must be a whole number from 1.");
  }
  const auto page = store_.read_all(Position{*position - 1}, {}, 1);
  if (!page) return refused(page.error());
  if (page->events.empty() || number(page->events[0].position) != *position) {
    return Problem{"route_unknown", "There is no event at position " + std::to_string(*position) +
                                        "; the log ends at " +
                                        std::to_string(number(page->log_end)) + "."};
  }
  const EventView& event = page->events[0];
  if (!request.accepts({event.content_type.substr(0, event.content_type.find(';'))})) {
    return not_acceptable({event.content_type});
  }
  // The bytes are whatever somebody stored: a browser must not take them for a page of ours.
  return {.content_type = std::string{event.content_type},
          .body = std::string{event.data},
          .headers = {{"X-Content-Type-Options", "nosniff"},
                      {"Content-Security-Policy", "sandbox; default-src 'none'"}}};
}

Response LogRoutes::Reads::stream(Request& request) {
  if (!request.accepts({json_type})) return not_acceptable({json_type});
  QueryParams query{request};
  Version after{query.number("after", 0, 0, limits::number_max)};
  std::size_t left = query.number("limit", limit_default, 1, limits::read_events_max);
  const bool backward = query.choice("direction", {"forward", "backward"}, 0) == 1;
  if (auto bad = query.finish()) return *bad;
  const std::string_view name = request.param("stream");
  if (auto good = check_stream_name(name); !good) return malformed(good.error().message);

  std::string events;
  StreamState state;
  bool full = false;
  do {
    const auto page = store_.read_stream(name, after, std::min(left, read_step),
                                         backward ? Direction::backward : Direction::forward);
    if (!page) return refused(page.error());
    state = page->state;
    if (page->events.empty()) break;
    for (const EventView& event : page->events) {
      if (!events.empty()) events += ',';
      append_event_json(events, event);
      after = event.version;
      --left;
      full = left == 0 || events.size() >= options_.answer_size_max;
      if (full) break;
    }
    // Backward, a version of 0 would mean the end again.
  } while (!full && (backward ? number(after) > 1 : after < state.version));
  std::string body = "{\"stream\":";
  append_json_string(body, name);
  body += ",\"version\":" + std::to_string(number(state.version));
  body += ",\"tip\":\"" + to_hex(state.tip) + "\",\"events\":[";
  body += events;
  body += "]}";
  return Response::json(200, std::move(body));
}

}  // namespace stele::serve
