// append, read, tail, stream: the log, over HTTP.

#include <charconv>
#include <cstdio>
#include <iterator>

#include "json_text.h"
#include "signals.h"
#include "stele/ids.h"
#include "stele/limits.h"
#include "target.h"
#include "verbs.h"

namespace stele::program {
namespace {

constexpr int tail_wait_seconds = 20;       // Of one long poll.
constexpr std::size_t page_events = 1'000;  // Events asked for at a time.

std::string read_standard_input() {
  std::string text;
  char buffer[64 * 1'024];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) {
    text.append(buffer, got);
  }
  return text;
}

/// "any", "none", "some", "3" or "3:0011223344556677" as the JSON of a request.
Result<void> write_expected(JsonWriter& writer, std::string_view text) {
  if (text == "any" || text == "none" || text == "some") {
    writer.string(text);
    return {};
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  std::uint64_t version = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + colon, version);
  if (failed != std::errc{} || end != text.data() + colon) {
    return fail(Errc::invalid,
                "--expected must be any, none, some, VERSION or VERSION:TIP, not \"" +
                    std::string{text} + "\".");
  }
  writer.begin_object();
  writer.exact_key("version");
  writer.unsigned_integer(version);
  if (colon < text.size()) {
    writer.exact_key("tip");
    writer.string(text.substr(colon + 1));
  }
  writer.end_object();
  return {};
}

Result<void> write_event(JsonWriter& writer, const AppendOptions& options) {
  const std::string data = options.data == "-" ? read_standard_input() : options.data;
  writer.begin_object();
  writer.exact_key("type");
  writer.string(options.type);
  writer.exact_key("data");
  const bool is_json = options.content_type.empty() || options.content_type == "application/json";
  if (is_json) {
    if (const auto checked = check_json(data); !checked) {
      return fail(Errc::invalid, "The event's data is not JSON: " + checked.error().message);
    }
    writer.raw(data);
  } else {
    writer.string(data);
    writer.exact_key("contentType");
    writer.string(options.content_type);
  }
  if (!options.metadata.empty()) {
    if (const auto checked = check_json(options.metadata); !checked) {
      return fail(Errc::invalid, "--metadata is not JSON: " + checked.error().message);
    }
    writer.exact_key("metadata");
    writer.raw(options.metadata);
  }
  if (!options.tags.empty()) {
    writer.exact_key("tags");
    writer.begin_array();
    for (const std::string& tag : options.tags) writer.string(tag);
    writer.end_array();
  }
  writer.end_object();
  return {};
}

Result<std::string> append_body(const AppendOptions& options) {
  std::string body;
  JsonWriter writer{body};
  writer.begin_object();
  if (!options.id.empty()) {
    writer.exact_key("id");
    writer.string(options.id);
  }
  writer.exact_key("streams");
  writer.begin_array();
  writer.begin_object();
  writer.exact_key("stream");
  writer.string(options.stream);
  writer.exact_key("expected");
  if (auto done = write_expected(writer, options.expected); !done) {
    return std::unexpected{done.error()};
  }
  writer.exact_key("events");
  writer.begin_array();
  if (auto done = write_event(writer, options); !done) return std::unexpected{done.error()};
  writer.end_array();
  writer.end_object();
  writer.end_array();
  writer.end_object();
  if (writer.failed()) return fail(Errc::invalid, writer.error().message);
  return body;
}

bool show_events(const JsonValue& page, const Output& output, bool as_json) {
  const JsonValue events = page.member("events");
  if (!events.found()) return true;
  JsonValue event = events.first();
  for (std::size_t i = 0; i < events.size(); ++i, event = event.next()) {
    if (!output.line(as_json ? json_of(event) : describe_event(event))) return false;
  }
  return true;
}

std::uint64_t member_number(const JsonValue& object, std::string_view name) {
  const std::string text = member_text(object, name);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string filter_query(const ReadOptions& options) {
  std::string query;
  const auto add = [&](std::string_view name, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      query += "&" + std::string{name} + "=" + percent_encode(value);
    }
  };
  add("category", options.categories);
  add("type", options.types);
  add("tag", options.tags);
  return query;
}

/// One page of /v1/events or the exit code.
std::variant<JsonDocument, int> fetch(HttpConnection& connection, const std::string& target,
                                      const Output& output) {
  const auto answer = connection.call({.target = target}, std::chrono::milliseconds{60'000});
  if (!answer) return output.unreachable(answer.error());
  if (answer->status != 200) return output.failure(*answer);
  auto page = JsonDocument::parse(answer->body);
  if (!page) return output.failure({Errc::unavailable, "The server's answer is not JSON."});
  return std::move(*page);
}

int tail(const ReadOptions& options, const ServerHandle& server, const Output& output) {
  catch_interrupts();
  HttpConnection connection{server.url()};
  std::uint64_t after = options.start.value_or(0);
  if (!options.start) {
    const auto page = fetch(connection, "/v1/events?limit=1", output);
    if (const int* code = std::get_if<int>(&page)) return *code;
    after = member_number(std::get<JsonDocument>(page).root(), "logEnd");
  }
  while (!interrupted()) {
    const auto page = fetch(
        connection,
        "/v1/events?after=" + std::to_string(after) + "&limit=" + std::to_string(page_events) +
            "&wait=" + std::to_string(tail_wait_seconds) + filter_query(options),
        output);
    if (interrupted()) break;
    if (const int* code = std::get_if<int>(&page)) return *code;
    const JsonValue root = std::get<JsonDocument>(page).root();
    if (!show_events(root, output, output.json())) return service::exit_done;
    after = std::max(after, member_number(root, "position"));
  }
  return service::exit_interrupted;
}

/// Reads pages until `limit` events were shown or the log's end was reached. With --json the pages
/// become one object.
int read_pages(const ReadOptions& options, const ServerHandle& server, const Output& output) {
  HttpConnection connection{server.url()};
  std::uint64_t after = options.after;
  std::uint64_t left = options.limit;
  std::string events;
  for (;;) {
    const std::uint64_t limit = std::min<std::uint64_t>(left, page_events);
    const auto page = fetch(connection,
                            "/v1/events?after=" + std::to_string(after) +
                                "&limit=" + std::to_string(limit) + filter_query(options),
                            output);
    if (const int* code = std::get_if<int>(&page)) return *code;
    const JsonValue root = std::get<JsonDocument>(page).root();
    const std::uint64_t log_end = member_number(root, "logEnd");
    left -= std::min(left, root.member("events").found() ? root.member("events").size() : 0);
    after = member_number(root, "position");
    if (output.json()) {
      const std::string list = json_of(root.member("events"));
      if (list.size() > 2) events += (events.empty() ? "" : ",") + list.substr(1, list.size() - 2);
    } else if (!show_events(root, output, false)) {
      return service::exit_done;
    }
    if (left > 0 && after < log_end) continue;
    if (output.json()) {
      output.line("{\"events\":[" + events + "],\"position\":" + std::to_string(after) +
                  ",\"logEnd\":" + std::to_string(log_end) + "}");
    }
    return service::exit_done;
  }
}

}  // namespace

int run_verb(const AppendOptions& options, const Output& output) {
  Call call{.method = "POST", .target = "/v1/append"};
  if (options.ndjson) {
    call.body = read_standard_input();
    call.headers = {{"Content-Type", "application/x-ndjson"}};
  } else {
    auto body = append_body(options);
    if (!body) return output.failure(body.error());
    call.body = std::move(*body);
    call.headers = {{"Content-Type", "application/json"}};
  }
  const auto server = reach(options.target, Needs::log);
  if (!server) return output.failure(server.error());
  const auto answer = ask(*server, call);
  if (!answer) return output.unreachable(answer.error());
  if (answer->status != 200) return output.failure(*answer);
  if (options.ndjson) {
    std::fwrite(answer->body.data(), 1, answer->body.size(), stdout);
    // A refused line is its problem, which has a status.
    const bool refused = answer->body.find("\"status\":4") != std::string::npos;
    return refused ? service::exit_refused : service::exit_done;
  }
  const auto parsed = JsonDocument::parse(answer->body);
  if (output.json() || !parsed) {
    output.line(answer->body);
    return service::exit_done;
  }
  const JsonValue stream = parsed->root().member("streams").first();
  output.line(member_text(stream, "stream") + " is at version " + member_text(stream, "version") +
              " (position " + member_text(parsed->root(), "position") + ", tip " +
              member_text(stream, "tip") + ")");
  return service::exit_done;
}

int run_verb(const ReadOptions& options, const Output& output) {
  if (options.limit == 0) {
    return output.failure({Errc::invalid, "--limit must be at least 1."});
  }
  const auto server = reach(options.target, Needs::events);
  if (!server) return output.failure(server.error());
  return options.follow ? tail(options, *server, output) : read_pages(options, *server, output);
}

int run_verb(const StreamOptions& options, const Output& output) {
  const auto server = reach(options.target, Needs::events);
  if (!server) return output.failure(server.error());
  const std::string target = "/v1/streams/" + percent_encode(options.stream) +
                             "?after=" + std::to_string(options.after) +
                             "&limit=" + std::to_string(options.limit) +
                             "&direction=" + (options.backward ? "backward" : "forward");
  const auto answer = ask(*server, {.target = target});
  if (!answer) return output.unreachable(answer.error());
  if (answer->status != 200) return output.failure(*answer);
  const auto page = JsonDocument::parse(answer->body);
  if (output.json() || !page) {
    output.line(answer->body);
  } else if (show_events(page->root(), output, false)) {
    output.note(member_text(page->root(), "stream") + " is at version " +
                member_text(page->root(), "version"));
  }
  // A stream nobody wrote to is an answer for a program; for a person it is "not found".
  const bool empty = page && member_number(page->root(), "version") == 0;
  return empty ? service::exit_not_found : service::exit_done;
}

}  // namespace stele::program
