#include "serve/append_json.h"

#include <algorithm>

#include "query/token.h"
#include "serve/base64.h"
#include "serve/event_json.h"
#include "stele/json.h"
#include "stele/limits.h"
#include "store/validate.h"

namespace stele::serve {
namespace {

std::string expected_json(const Expected& expected) {
  switch (expected.kind) {
    case Expected::Kind::any:
      return R"("any")";
    case Expected::Kind::none:
      return R"("none")";
    case Expected::Kind::some:
      return R"("some")";
    case Expected::Kind::exactly:
      break;
  }
  std::string out = R"({"version":)" + std::to_string(number(expected.version));
  if (expected.tip) out += R"(,"tip":")" + to_hex(*expected.tip) + '"';
  out += '}';
  return out;
}

/// The size limit, in bytes, that a store refuses `request` for.
std::uint64_t size_limit_broken_by(const AppendRequest& request) {
  for (const StreamAppend& stream : request.streams) {
    for (const NewEvent& event : stream.events) {
      if (event.metadata.size() > limits::metadata_size_max) return limits::metadata_size_max;
      if (store::event_size(stream.stream, event) > limits::event_size_max) {
        return limits::event_size_max;
      }
    }
  }
  return limits::append_size_max;
}

Problem conflict_problem(const AppendSubject& subject, const Conflict& conflict) {
  if (conflict.streams.empty()) {
    const std::uint64_t position =
        conflict.condition_position ? number(*conflict.condition_position) : 0;
    return Problem{"condition_failed", "The event at position " + std::to_string(position) +
                                           " matches the condition. Read on from there and decide "
                                           "again."}
        .with("position", position);
  }
  std::string conflicts = "[";
  std::string detail;
  for (const StreamConflict& each : conflict.streams) {
    if (conflicts.size() > 1) conflicts += ',';
    const std::string& stream = subject.streams[each.index];
    const std::string expected = expected_json(subject.expected[each.index]);
    conflicts += R"({"stream":)";
    append_json_string(conflicts, stream);
    conflicts += R"(,"expected":)" + expected;
    conflicts += R"(,"version":)" + std::to_string(number(each.found.version));
    conflicts.append(R"(,"tip":")").append(to_hex(each.found.tip)).append("\"}");
    if (detail.empty()) {
      detail.append("Stream \"").append(stream).append("\" is at version ");
      detail.append(std::to_string(number(each.found.version)));
      detail.append(", but the append expected ").append(expected);
      detail.append(". Read it again and decide anew.");
    }
  }
  return Problem{"version_conflict", std::move(detail)}.with_json("conflicts", conflicts + ']');
}

}  // namespace

AppendText::AppendText(std::string_view json) : in_{json} {
  bool has_streams = false;
  in_.object([&](std::string_view member) {
    if (member == "id") {
      std::string_view text;
      in_.string(text);
      if (in_.failed()) return;
      const auto id = AppendId::parse(text);
      if (!id) return in_.fail(id.error().message);
      if (id->is_nil()) return in_.fail("The id must not be all zeros; leave it out.");
      request_.id = *id;
    } else if (member == "streams") {
      has_streams = true;
      in_.array([&] { read_stream(streams_.emplace_back()); });
    } else if (member == "condition") {
      read_condition(request_.condition.emplace());
    } else {
      in_.unknown(member);
    }
  });
  need(has_streams, "streams");
  in_.end();
  request_.streams = streams_;
}

Problem AppendText::problem() const { return malformed(in_.message(), in_.pointer()); }

void AppendText::need(bool given, const char* member) {
  if (!given) in_.fail("The member \"" + std::string{member} + "\" is missing.");
}

void AppendText::read_stream(StreamAppend& stream) {
  bool has_name = false;
  std::vector<NewEvent>* events = nullptr;
  in_.object([&](std::string_view member) {
    if (member == "stream") {
      has_name = true;
      in_.string(stream.stream);
      if (in_.failed()) return;
      if (auto good = check_stream_name(stream.stream); !good) in_.fail(good.error().message);
    } else if (member == "expected") {
      read_expected(stream.expected);
    } else if (member == "events") {
      events = &events_.emplace_back();
      in_.array([&] { read_event(events->emplace_back()); });
    } else {
      in_.unknown(member);
    }
  });
  need(has_name, "stream");
  if (events != nullptr) stream.events = *events;
}

void AppendText::read_expected(Expected& expected) {
  if (in_.peek() == '"') {
    std::string_view text;
    in_.string(text);
    if (text == "any") {
      expected = Expected::any();
    } else if (text == "none") {
      expected = Expected::none();
    } else if (text == "some") {
      expected = Expected::some();
    } else {
      in_.fail(R"("any", "none", "some" or {"version": n} must stand here.)");
    }
    return;
  }
  std::optional<std::uint64_t> version;
  std::optional<Tip> tip;
  in_.object([&](std::string_view member) {
    if (member == "version") {
      in_.number(version.emplace(), limits::number_max);
    } else if (member == "tip") {
      std::string_view hex;
      in_.string(hex);
      if (in_.failed()) return;
      const auto parsed = parse_tip(hex);
      if (!parsed) return in_.fail(parsed.error().message);
      tip = *parsed;
    } else {
      in_.unknown(member);
    }
  });
  need(version.has_value(), "version");
  if (version) expected = Expected::exactly(Version{*version}, tip);
}

void AppendText::read_event(NewEvent& event) {
  bool has_type = false;
  bool has_data = false;
  bool has_base64 = false;
  bool has_content_type = false;
  in_.object([&](std::string_view member) {
    if (member == "type") {
      has_type = true;
      in_.string(event.type);
    } else if (member == "data") {
      has_data = true;
      in_.value(event.data);
    } else if (member == "dataBase64") {
      has_base64 = true;
      read_base64(event);
    } else if (member == "contentType") {
      has_content_type = true;
      in_.string(event.content_type);
    } else if (member == "schemaVersion") {
      std::uint64_t version = 1;
      in_.number(version, 65'535);
      if (version == 0) in_.fail("A schema version is from 1 to 65535.");
      event.schema_version = static_cast<std::uint16_t>(version);
    } else if (member == "tags") {
      std::vector<std::string_view>& tags = tags_.emplace_back();
      in_.array([&] { in_.string(tags.emplace_back()); });
      event.tags = tags;
    } else if (member == "metadata") {
      read_metadata(event);
    } else {
      in_.unknown(member);
    }
  });
  need(has_type, "type");
  need(has_data || has_base64, "data");
  if (in_.failed()) return;
  if (has_data && has_base64) return in_.fail("An event has data or dataBase64, not both.");
  if (has_base64 && !has_content_type) event.content_type = "application/octet-stream";
  const bool is_json = is_json_type(event.content_type);
  if (has_data && !is_json) {
    return in_.fail("The data is JSON, but contentType names another type; use dataBase64.");
  }
  if (has_base64 && is_json) {
    JsonCursor data{event.data};
    std::string_view whole;
    data.value(whole);
    data.end();
    if (data.failed()) in_.fail("The contentType names JSON, but dataBase64 holds none.");
  }
}

void AppendText::read_base64(NewEvent& event) {
  std::string_view text;
  in_.string(text);
  if (in_.failed()) return;
  std::string& bytes = bytes_.emplace_back();
  if (!decode_base64(text, bytes)) return in_.fail("Base64 with padding must stand here.");
  event.data = bytes;
}

void AppendText::read_metadata(NewEvent& event) {
  if (in_.peek() != '{') return in_.fail("The metadata must be an object.");
  in_.value(event.metadata);
  if (in_.failed() || !in_.had_space()) return;
  // Metadata is shown as a value inside other JSON, one line each; it is kept as it is shown.
  std::string& bytes = bytes_.emplace_back();
  append_minified(bytes, event.metadata);
  event.metadata = bytes;
}

void AppendText::read_condition(Condition& condition) {
  bool has_fail_if = false;
  in_.object([&](std::string_view member) {
    if (member == "failIf") {
      has_fail_if = true;
      in_.array([&] {
        QueryItem& item = condition.fail_if.emplace_back();
        in_.object([&](std::string_view name) {
          if (name == "types") {
            read_names(item.types);
          } else if (name == "tags") {
            read_names(item.tags);
          } else {
            in_.unknown(name);
          }
        });
        if (!in_.failed() && item.types.empty() && item.tags.empty()) {
          in_.fail("An item of failIf needs types or tags.");
        }
      });
    } else if (member == "after") {
      std::uint64_t after = 0;
      in_.number(after, limits::number_max);
      condition.after = Position{after};
    } else {
      in_.unknown(member);
    }
  });
  need(has_fail_if, "failIf");
}

void AppendText::read_names(std::vector<std::string>& out) {
  in_.array([&] {
    std::string_view name;
    in_.string(name);
    out.emplace_back(name);
  });
}

AppendSubject::AppendSubject(const AppendRequest& request) {
  streams.reserve(request.streams.size());
  expected.reserve(request.streams.size());
  for (const StreamAppend& each : request.streams) {
    streams.emplace_back(each.stream);
    expected.push_back(each.expected);
  }
}

Response refusal_of(const AppendRequest& request, const Error& error) {
  Problem problem = problem_of(error);
  if (error.code == Errc::too_large) problem.with("limit", size_limit_broken_by(request));
  return problem;
}

Response append_answer(const EventStore& store, const AppendSubject& subject,
                       const Result<AppendOutcome>& outcome) {
  if (!outcome) return problem_of(outcome.error());
  if (const auto* const conflict = std::get_if<Conflict>(&*outcome)) {
    return conflict_problem(subject, *conflict);
  }
  const Appended& appended = std::get<Appended>(*outcome);
  query::Token token{.epoch = store.epoch(), .position = appended.last};
  if (!appended.streams.empty()) {
    token.stream_hash = query::hash_of_stream(subject.streams.front());
    token.version = appended.streams.front().version;
  }
  std::string text = query::encode_token(token, store.log_id());
  Response response = Response::json(200, {});
  response.body.reserve(256);
  append_appended_json(response.body, appended, subject.streams, text);
  response.headers.emplace_back("Stele-Token", std::move(text));
  if (appended.replayed) response.headers.emplace_back("Idempotent-Replayed", "true");
  return response;
}

}  // namespace stele::serve
