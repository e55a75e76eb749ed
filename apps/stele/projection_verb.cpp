// projection: how the read models stand, and what a person tells them, over HTTP.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <thread>

#include "json_text.h"
#include "progress.h"
#include "signals.h"
#include "stele/json.h"
#include "target.h"
#include "verbs.h"

namespace stele::program {
namespace {

constexpr std::chrono::milliseconds poll_interval{200};
constexpr std::chrono::milliseconds answer_timeout{65'000};

double real_of(const JsonValue& object, std::string_view name) {
  const std::string text = member_text(object, name);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::uint64_t count_of(const JsonValue& object, std::string_view name) {
  return static_cast<std::uint64_t>(std::max(real_of(object, name), 0.0));
}

/// "running at 120 of 120, generation 1", and what is wrong with it.
std::string describe_progress(const JsonValue& each, std::uint64_t log_end) {
  std::string line = member_text(each, "state") + " at " + member_text(each, "position") + " of " +
                     std::to_string(log_end);
  if (const std::uint64_t lag = count_of(each, "lagEvents"); lag > 0) {
    line += ", " + std::to_string(lag) + " events behind";
    const double left = real_of(each, "secondsLeft");
    if (left > 0) line += ", " + duration_text(left) + " left";
  }
  if (const std::uint64_t parked = count_of(each, "parked"); parked > 0) {
    line += ", " + std::to_string(parked) + (parked == 1 ? " key parked" : " keys parked");
  }
  const std::string error = member_text(each, "lastError");
  if (!error.empty()) line += "\n    " + error;
  return line;
}

void show_projection(const JsonValue& projection, const Output& output) {
  const std::uint64_t log_end = count_of(projection, "logEnd");
  output.line(member_text(projection, "name") + "  generation " +
              member_text(projection, "generation") + "  " +
              describe_progress(projection, log_end));
  const JsonValue generations = projection.member("generations");
  if (!generations.found()) return;
  JsonValue each = generations.first();
  for (std::size_t i = 0; i < generations.size(); ++i, each = each.next()) {
    const std::string role = member_text(each, "role");
    if (role == "live") continue;
    output.line("  generation " + member_text(each, "generation") + " (" + role + ")  " +
                describe_progress(each, log_end));
  }
}

void show_parked(const JsonValue& parked, const Output& output) {
  output.line(member_text(parked, "key") + "  from position " +
              member_text(parked, "fromPosition") + " (version " +
              member_text(parked, "fromVersion") + "), tried " + member_text(parked, "attempts") +
              " times: " + member_text(parked, "error"));
}

/// Every page of a list, each item told to `show`; with --json one object.
template <typename Show>
int show_list(HttpConnection& connection, const std::string& target, const Output& output,
              std::string_view nothing, Show show) {
  std::string cursor;
  std::string items;
  std::size_t count = 0;
  do {
    const auto answer = connection.call(
        {.target = target + "?limit=1000" +
                   (cursor.empty() ? std::string{} : "&cursor=" + percent_encode(cursor))},
        answer_timeout);
    if (!answer) return output.unreachable(answer.error());
    if (answer->status != 200) return output.failure(*answer);
    const auto page = JsonDocument::parse(answer->body);
    if (!page) return output.failure({Errc::unavailable, "The server's answer is not JSON."});
    const JsonValue list = page->root().member("items");
    JsonValue each = list.size() > 0 ? list.first() : JsonValue{};
    for (std::size_t i = 0; i < list.size(); ++i, ++count, each = each.next()) {
      if (output.json()) {
        items += (items.empty() ? "" : ",") + json_of(each);
      } else {
        show(each, output);
      }
    }
    cursor = member_text(page->root(), "next");
  } while (!cursor.empty());
  if (output.json()) output.line("{\"items\":[" + items + "]}");
  if (count == 0) output.note(nothing);
  return service::exit_done;
}

/// The generation that a rebuild fills: the one being built, or the live one.
JsonValue rebuilt_of(const JsonValue& projection, bool side_by_side) {
  const JsonValue generations = projection.member("generations");
  if (!side_by_side || !generations.found()) return projection;
  JsonValue each = generations.first();
  for (std::size_t i = 0; i < generations.size(); ++i, each = each.next()) {
    if (member_text(each, "role") == "building") return each;
  }
  return projection;
}

/// Shows a bar until every projection of `names` is rebuilt: holds the log up to `target`, where it
/// ended when the rebuild began.
int wait_for_rebuild(HttpConnection& connection, const std::vector<std::string>& names,
                     std::uint64_t target, bool side_by_side, const Output& output) {
  catch_interrupts();
  Progress progress{"events", 0, {.quiet = output.json()}};
  std::string last;
  while (!interrupted()) {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    bool all = true;
    last.clear();
    for (const std::string& name : names) {
      const auto answer =
          connection.call({.target = "/v1/projections/" + percent_encode(name)}, answer_timeout);
      if (!answer) return output.unreachable(answer.error());
      if (answer->status != 200) return output.failure(*answer);
      const auto status = JsonDocument::parse(answer->body);
      if (!status) return output.failure({Errc::unavailable, "The server's answer is not JSON."});
      const JsonValue each = rebuilt_of(status->root(), side_by_side);
      const std::string state = member_text(each, "state");
      if (state == "failed" || state == "diverged") {
        return output.failure(
            {state == "failed" ? Errc::unavailable : Errc::diverged,
             "The rebuild of \"" + name + "\" stopped: " + member_text(each, "lastError")});
      }
      const bool there = state != "rebuilding" && count_of(each, "position") >= target;
      all = all && (there || state == "paused");  // A paused one waits for `resume`.
      done += count_of(each, "position");
      total += count_of(status->root(), "logEnd");
      last += (last.empty() ? "" : ",") + answer->body;
    }
    progress.set_total(total);
    progress.show(done, done);
    if (all) break;
    std::this_thread::sleep_for(poll_interval);
  }
  if (interrupted()) {
    output.note("The rebuild goes on in the server; `stele projection status` shows how far.");
    return service::exit_interrupted;
  }
  if (output.json()) {
    output.line("{\"items\":[" + last + "]}");
  } else if (side_by_side) {
    output.line("Rebuilt beside the one that is read. `stele projection promote` makes it live.");
  } else {
    output.line("Rebuilt.");
  }
  return service::exit_done;
}

std::string body_of(const ProjectionOptions& options) {
  std::string body;
  JsonWriter writer{body};
  writer.begin_object();
  if (options.action == "rebuild") {
    writer.exact_key("mode");
    writer.string(options.side_by_side ? "side_by_side" : "in_place");
    if (options.from > 0) {
      writer.exact_key("from");
      writer.unsigned_integer(options.from);
    }
    if (!options.names.empty()) {
      writer.exact_key("projections");
      writer.begin_array();
      for (const std::string& name : options.names) writer.string(name);
      writer.end_array();
    }
  }
  if (options.action == "drop" && options.generation) {
    writer.exact_key("generation");
    writer.unsigned_integer(*options.generation);
  }
  writer.end_object();
  return body;
}

int rebuild(HttpConnection& connection, const ProjectionOptions& options, const Output& output) {
  const auto answer = connection.call({.method = "POST",
                                       .target = "/v1/projections/rebuild",
                                       .body = body_of(options),
                                       .headers = {{"Content-Type", "application/json"}}},
                                      answer_timeout);
  if (!answer) return output.unreachable(answer.error());
  if (answer->status != 202) return output.failure(*answer);
  const auto told = JsonDocument::parse(answer->body);
  if (!told) return output.failure({Errc::unavailable, "The server's answer is not JSON."});
  if (!options.wait) {
    output.line(output.json() ? answer->body : "Told; `stele projection status` shows how far.");
    return service::exit_done;
  }
  std::vector<std::string> names;
  std::uint64_t target = 0;
  const JsonValue list = told->root().member("items");
  JsonValue each = list.size() > 0 ? list.first() : JsonValue{};
  for (std::size_t i = 0; i < list.size(); ++i, each = each.next()) {
    names.push_back(member_text(each, "name"));
    target = std::max(target, count_of(each, "logEnd"));
  }
  return wait_for_rebuild(connection, names, target, options.side_by_side, output);
}

/// A call whose answer is one projection.
int call_one(HttpConnection& connection, const Call& call, const Output& output) {
  const auto answer = connection.call(call, answer_timeout);
  if (!answer) return output.unreachable(answer.error());
  if (answer->status != 200 && answer->status != 202) return output.failure(*answer);
  const auto status = JsonDocument::parse(answer->body);
  if (output.json() || !status) {
    output.line(answer->body);
  } else {
    show_projection(status->root(), output);
  }
  return service::exit_done;
}

}  // namespace

int run_verb(const ProjectionOptions& options, const Output& output) {
  auto url = Url::parse(options.url);
  if (!url) return output.failure(url.error());
  HttpConnection connection{std::move(*url)};
  const std::string base = "/v1/projections";
  if (options.action == "list") {
    return show_list(connection, base, output, "The server has no projections.", show_projection);
  }
  if (options.action == "rebuild") return rebuild(connection, options, output);
  const std::string one = base + "/" + percent_encode(options.name);
  if (options.action == "status") return call_one(connection, {.target = one}, output);
  if (options.action == "parked") {
    return show_list(connection, one + "/parked", output, "No key is parked.", show_parked);
  }
  const std::string verb = options.action == "retry"
                               ? "/parked/" + percent_encode(options.key) + "/retry"
                               : "/" + options.action;
  return call_one(connection,
                  {.method = "POST",
                   .target = one + verb,
                   .body = body_of(options),
                   .headers = {{"Content-Type", "application/json"}}},
                  output);
}

}  // namespace stele::program
