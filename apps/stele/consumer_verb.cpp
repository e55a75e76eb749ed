// consumer: named consumers, over HTTP.

#include <charconv>

#include "json_text.h"
#include "signals.h"
#include "stele/json.h"
#include "target.h"
#include "verbs.h"

namespace stele::program {
namespace {

constexpr int follow_wait_seconds = 20;  // Of one read that waits.
constexpr std::chrono::milliseconds answer_timeout{65'000};

/// One server, one connection: it is the reader, unless the options name one.
class ConsumerCalls {
 public:
  ConsumerCalls(Url url, const ConsumerOptions& options, const Output& output)
      : connection_{std::move(url)}, options_{options}, output_{output} {}

  int run();

 private:
  [[nodiscard]] std::string path(std::string_view rest = {}) const {
    return "/v1/consumers/" + percent_encode(options_.name) + std::string{rest};
  }
  [[nodiscard]] Result<Answer> call(std::string method, std::string target, std::string body = {});
  int show_one(const Result<Answer>& answer);
  int list();
  int read_once();
  int follow();
  /// Prints the events of one answer and, if so asked, acknowledges them: after they were printed.
  /// None: go on.
  std::optional<int> take(const Answer& answer);
  int acknowledge(const std::string& cursor);

  HttpConnection connection_;
  const ConsumerOptions& options_;
  const Output& output_;
};

void write_place(JsonWriter& writer, std::string_view place) {
  std::uint64_t position = 0;
  const auto [end, failed] = std::from_chars(place.data(), place.data() + place.size(), position);
  if (failed == std::errc{} && end == place.data() + place.size()) {
    writer.unsigned_integer(position);
  } else {
    writer.string(place);  // The server says what is wrong with another word.
  }
}

void write_names(JsonWriter& writer, std::string_view key, const std::vector<std::string>& names) {
  if (names.empty()) return;
  writer.exact_key(key);
  writer.begin_array();
  for (const std::string& name : names) writer.string(name);
  writer.end_array();
}

std::string definition_of(const ConsumerOptions& options) {
  std::string body;
  JsonWriter writer{body};
  writer.begin_object();
  writer.exact_key("filter");
  writer.begin_object();
  write_names(writer, "categories", options.categories);
  write_names(writer, "types", options.types);
  write_names(writer, "tags", options.tags);
  writer.end_object();
  writer.exact_key("start");
  write_place(writer, options.place);
  writer.end_object();
  return body;
}

std::string member_body(std::string_view name, std::string_view value, bool place) {
  std::string body;
  JsonWriter writer{body};
  writer.begin_object();
  writer.exact_key(name);
  if (place) {
    write_place(writer, value);
  } else {
    writer.string(value);
  }
  writer.end_object();
  return body;
}

std::string describe(const JsonValue& consumer) {
  std::string line = member_text(consumer, "name") + "  " + member_text(consumer, "state") +
                     "  at " + member_text(consumer, "position") + " of " +
                     member_text(consumer, "logEnd");
  const JsonValue reader = consumer.member("reader");
  if (reader.found() && reader.kind() == JsonKind::object) {
    line += "  read by " + member_text(reader, "name") + " until " + member_text(reader, "until");
  }
  const std::string error = member_text(consumer, "lastError");
  if (!error.empty()) line += "\n    " + error;
  return line;
}

Result<Answer> ConsumerCalls::call(std::string method, std::string target, std::string body) {
  Call call{.method = std::move(method), .target = std::move(target), .body = std::move(body)};
  if (!call.body.empty()) call.headers.emplace_back("Content-Type", "application/json");
  if (!options_.reader.empty()) call.headers.emplace_back("Stele-Reader", options_.reader);
  return connection_.call(call, answer_timeout);
}

int ConsumerCalls::show_one(const Result<Answer>& answer) {
  if (!answer) return output_.unreachable(answer.error());
  if (answer->status >= 300) return output_.failure(*answer);
  const auto consumer = JsonDocument::parse(answer->body);
  if (output_.json() || !consumer) {
    output_.line(answer->body.empty() ? "{}" : answer->body);
  } else if (consumer->root().member("name").found()) {
    output_.line(describe(consumer->root()));
  } else {
    output_.line(options_.name + "  at " + member_text(consumer->root(), "position"));
  }
  return service::exit_done;
}

int ConsumerCalls::list() {
  std::string cursor;
  std::string items;
  do {
    const auto answer =
        call("GET", "/v1/consumers?limit=1000" +
                        (cursor.empty() ? std::string{} : "&cursor=" + percent_encode(cursor)));
    if (!answer) return output_.unreachable(answer.error());
    if (answer->status != 200) return output_.failure(*answer);
    const auto page = JsonDocument::parse(answer->body);
    if (!page) return output_.failure({Errc::unavailable, "The server's answer is not JSON."});
    const JsonValue found = page->root().member("items");
    JsonValue each = found.size() > 0 ? found.first() : JsonValue{};
    for (std::size_t i = 0; i < found.size(); ++i, each = each.next()) {
      if (output_.json()) {
        items += (items.empty() ? "" : ",") + json_of(each);
      } else {
        output_.line(describe(each));
      }
    }
    cursor = member_text(page->root(), "next");
  } while (!cursor.empty());
  if (output_.json()) output_.line("{\"items\":[" + items + "]}");
  return service::exit_done;
}

int ConsumerCalls::acknowledge(const std::string& cursor) {
  const auto answer = call("POST", path("/ack"), member_body("cursor", cursor, false));
  if (!answer) return output_.unreachable(answer.error());
  return answer->status == 200 ? service::exit_done : output_.failure(*answer);
}

std::optional<int> ConsumerCalls::take(const Answer& answer) {
  if (answer.status != 200) return output_.failure(answer);
  const auto page = JsonDocument::parse(answer.body);
  if (!page) return output_.failure({Errc::unavailable, "The server's answer is not JSON."});
  const JsonValue events = page->root().member("events");
  JsonValue event = events.size() > 0 ? events.first() : JsonValue{};
  for (std::size_t i = 0; i < events.size(); ++i, event = event.next()) {
    const bool lines = output_.json() && options_.action == "follow";
    if (output_.json() && !lines) break;
    if (!output_.line(lines ? json_of(event) : describe_event(event))) {
      return service::exit_done;  // Nobody reads any more: what was not seen comes again.
    }
  }
  const std::string cursor = member_text(page->root(), "cursor");
  if (options_.action == "read") {
    if (output_.json() && !output_.line(answer.body)) return service::exit_done;
    if (!options_.ack && events.size() > 0) output_.note("cursor " + cursor);
  }
  if (!options_.ack || events.size() == 0) return std::nullopt;
  const int code = acknowledge(cursor);
  return code == service::exit_done ? std::nullopt : std::optional{code};
}

int ConsumerCalls::read_once() {
  const auto answer = call("GET", path("/events?limit=" + std::to_string(options_.limit) +
                                       "&wait=" + std::to_string(options_.wait)));
  if (!answer) return output_.unreachable(answer.error());
  return take(*answer).value_or(service::exit_done);
}

int ConsumerCalls::follow() {
  catch_interrupts();
  while (!interrupted()) {
    const auto answer = call("GET", path("/events?limit=" + std::to_string(options_.limit) +
                                         "&wait=" + std::to_string(follow_wait_seconds)));
    if (interrupted()) break;
    if (!answer) return output_.unreachable(answer.error());
    if (const auto code = take(*answer)) return *code;
  }
  return service::exit_interrupted;
}

int ConsumerCalls::run() {
  const std::string& action = options_.action;
  if (action == "list") return list();
  if (action == "create") return show_one(call("PUT", path(), definition_of(options_)));
  if (action == "show") return show_one(call("GET", path()));
  if (action == "read") return read_once();
  if (action == "follow") return follow();
  if (action == "ack") {
    return show_one(call("POST", path("/ack"), member_body("cursor", options_.cursor, false)));
  }
  if (action == "seek") {
    return show_one(call("POST", path("/seek"), member_body("to", options_.place, true)));
  }
  const auto removed = call("DELETE", path());
  if (!removed) return output_.unreachable(removed.error());
  if (removed->status >= 300) return output_.failure(*removed);
  if (output_.json()) output_.line("{}");
  output_.note("Consumer \"" + options_.name + "\" is removed.");
  return service::exit_done;
}

}  // namespace

int run_verb(const ConsumerOptions& options, const Output& output) {
  auto url = Url::parse(options.url);
  if (!url) return output.failure(url.error());
  return ConsumerCalls{std::move(*url), options, output}.run();
}

}  // namespace stele::program
