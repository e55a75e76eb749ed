#include "serve/problem.h"

#include <algorithm>
#include <array>
#include <optional>

#include "stele/ids.h"
#include "stele/json.h"

namespace stele::serve {
namespace {

constexpr std::array kinds = {
    ProblemKind{"malformed", 400, "The request is malformed"},
    ProblemKind{"token_invalid", 400, "The token is not one of this log's"},
    ProblemKind{"route_unknown", 404, "There is nothing at this path"},
    ProblemKind{"stream_unknown", 404, "Nobody wrote to this stream"},
    ProblemKind{"account_unknown", 404, "There is no such account"},
    ProblemKind{"version_unknown", 404, "The stream has no such version"},
    ProblemKind{"projection_unknown", 404, "There is no such projection"},
    ProblemKind{"generation_unknown", 404, "The projection has no such generation"},
    ProblemKind{"key_not_parked", 404, "This key is not parked"},
    ProblemKind{"consumer_unknown", 404, "There is no such consumer"},
    ProblemKind{"method_not_allowed", 405, "The path does not know this method"},
    ProblemKind{"not_acceptable", 406, "No offered media type is acceptable"},
    ProblemKind{"timeout", 408, "The request took too long to arrive"},
    ProblemKind{"version_conflict", 409, "A stream is not at the expected version"},
    ProblemKind{"condition_failed", 409, "An event matches the condition"},
    ProblemKind{"account_exists", 409, "The account exists already"},
    ProblemKind{"consumer_exists", 409, "The consumer exists with another definition"},
    ProblemKind{"verb_refused", 409, "The projection cannot do this as it stands"},
    ProblemKind{"consumer_busy", 409, "Another reader holds the consumer"},
    ProblemKind{"cursor_foreign", 409, "The cursor belongs to another reading"},
    ProblemKind{"diverged", 409, "The place belongs to another history of the log"},
    ProblemKind{"too_large", 413, "Something is too large"},
    ProblemKind{"media_type", 415, "The media type is not supported"},
    ProblemKind{"id_reused", 422, "The id was used for another request"},
    ProblemKind{"header_too_large", 431, "The headers are too large"},
    ProblemKind{"internal", 500, "Something went wrong inside"},
    ProblemKind{"corrupt", 500, "Stored bytes are damaged"},
    ProblemKind{"overloaded", 503, "Too much is going on at the moment"},
    ProblemKind{"log_full", 503, "The disk of the log is full"},
    ProblemKind{"read_only", 503, "The log takes no appends at the moment"},
    ProblemKind{"shutting_down", 503, "The server is stopping"},
    ProblemKind{"not_yet", 503, "The answer is not there yet"},
    ProblemKind{"parked", 503, "An event of this key waits for a person"},
    ProblemKind{"outcome_unknown", 503, "The outcome is not known"},
};

const ProblemKind* find_kind(std::string_view code) noexcept {
  const auto found = std::ranges::find(kinds, code, &ProblemKind::code);
  return found == kinds.end() ? nullptr : &*found;
}

/// "insufficient_funds" -> "Insufficient funds".
std::string title_from(std::string_view code) {
  std::string title{code};
  std::ranges::replace(title, '_', ' ');
  if (!title.empty() && title[0] >= 'a' && title[0] <= 'z') {
    title[0] = static_cast<char>(title[0] - 32);
  }
  return title;
}

/// Bytes that are not UTF-8 become '?': a detail may repeat what a client sent.
void put_text(std::string& out, std::string_view text) {
  if (is_utf8(text)) return append_json_string(out, text);
  std::string ascii{text};
  std::ranges::replace_if(ascii, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  append_json_string(out, ascii);
}

std::string_view code_of(Errc code) noexcept {
  switch (code) {
    case Errc::invalid:
      return "malformed";
    case Errc::timed_out:
      return "not_yet";
    case Errc::not_found:
      return "route_unknown";
    case Errc::held:
    case Errc::unsupported:
    case Errc::unavailable:
    case Errc::internal:
      return "internal";
    case Errc::too_large:
    case Errc::id_reused:
    case Errc::overloaded:
    case Errc::read_only:
    case Errc::log_full:
    case Errc::outcome_unknown:
    case Errc::shutting_down:
    case Errc::corrupt:
    case Errc::diverged:
    case Errc::parked:
      return to_string(code);
  }
  return "internal";
}

}  // namespace

std::span<const ProblemKind> problem_kinds() noexcept { return kinds; }

int status_of(std::string_view code) noexcept {
  const ProblemKind* const kind = find_kind(code);
  return kind == nullptr ? 422 : kind->status;
}

Problem::Problem(std::string_view code, std::string detail)
    : Problem{code, std::move(detail), status_of(code)} {}

Problem::Problem(std::string_view code, std::string detail, int status)
    : code_{code}, detail_{std::move(detail)}, status_{status} {}

Problem& Problem::with_json(std::string_view name, std::string_view json) & {
  members_ += ',';
  append_json_string(members_, name);
  members_ += ':';
  members_ += json;
  return *this;
}

Problem& Problem::with(std::string_view name, std::string_view text) & {
  std::string json;
  put_text(json, text);
  return with_json(name, json);
}

Problem& Problem::with(std::string_view name, std::uint64_t number) & {
  return with_json(name, std::to_string(number));
}

Problem&& Problem::with(std::string_view name, std::string_view text) && {
  return std::move(with(name, text));
}

Problem&& Problem::with(std::string_view name, std::uint64_t number) && {
  return std::move(with(name, number));
}

Problem&& Problem::with_json(std::string_view name, std::string_view json) && {
  return std::move(with_json(name, json));
}

std::string Problem::to_json() const {
  const ProblemKind* const kind = find_kind(code_);
  std::string out = R"({"type":"/problems/)" + code_ + R"(","title":)";
  append_json_string(out, kind == nullptr ? title_from(code_) : std::string{kind->title});
  out += ",\"status\":" + std::to_string(status_) + ",\"detail\":";
  put_text(out, detail_);
  out += ",\"code\":\"" + code_ + '"';
  out += members_;
  out += '}';
  return out;
}

Problem::operator Response() const {
  Response response{
      .status = status_, .content_type = "application/problem+json", .body = to_json()};
  if (status_ == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Problem problem_of(const Error& error) {
  switch (error.code) {
    case Errc::held:
    case Errc::unsupported:
    case Errc::unavailable:
    case Errc::internal:
      return {"internal", "The server could not do this; its log says why."};
    case Errc::corrupt:
      return {"corrupt", "Stored bytes are damaged; the server's log says where."};
    case Errc::log_full:
      return {"log_full",
              "The disk of the log is full. Nothing was done; appends go on by themselves once "
              "there is space, and reads go on now."};
    default:
      return {code_of(error.code), error.message};
  }
}

Problem malformed(std::string detail, std::string_view pointer) {
  Problem problem{"malformed", std::move(detail)};
  if (!pointer.empty()) problem.with("pointer", pointer);
  return problem;
}

std::optional<Response> coding_problem(const Request& request) {
  if (request.body.empty()) return std::nullopt;
  const std::string_view coding = request.header("Content-Encoding").value_or("identity");
  if (!same_token(coding, "identity")) {
    Response response = Problem{"media_type", "The body's Content-Encoding is \"" +
                                                  std::string{coding.substr(0, 64)} +
                                                  "\"; send it as it is, without compression."};
    return std::move(response).with("Accept-Encoding", "identity");
  }
  const std::string_view charset = request.media_parameter("charset");
  if (charset.empty() || same_token(charset, "utf-8") || same_token(charset, "utf8") ||
      same_token(charset, "us-ascii")) {
    return std::nullopt;
  }
  return Problem{"media_type", "The body's charset is \"" + std::string{charset.substr(0, 64)} +
                                   "\"; send UTF-8, and leave the charset out or say utf-8."};
}

Problem media_type_problem(const Request& request,
                           std::initializer_list<std::string_view> accepted) {
  const std::string_view given = request.media_type();
  std::string detail = given.empty()
                           ? std::string{"The request has no Content-Type; send "}
                           : "The media type \"" + std::string{given} + "\" is not taken; send ";
  std::string json = "[";
  for (const std::string_view type : accepted) {
    if (json.size() > 1) {
      detail += " or ";
      json += ',';
    }
    detail += type;
    append_json_string(json, type);
  }
  return Problem{"media_type", detail + '.'}.with_json("accepted", json + ']');
}

Problem not_acceptable(std::initializer_list<std::string_view> offered) {
  std::string detail = "Accept allows none of the media types offered here: ";
  std::string json = "[";
  for (const std::string_view type : offered) {
    if (json.size() > 1) {
      detail += ", ";
      json += ',';
    }
    detail += type;
    append_json_string(json, type);
  }
  return Problem{"not_acceptable", detail + '.'}.with_json("offered", json + ']');
}

}  // namespace stele::serve
