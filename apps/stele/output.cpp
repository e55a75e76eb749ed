#include "output.h"

#include <cstdio>

#include "json_text.h"
#include "stele/json.h"

namespace stele::program {
namespace {

bool write_line(std::FILE* file, std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return written && std::fputc('\n', file) != EOF && std::fflush(file) == 0;
}

/// What a server would answer with.
int status_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return 400;
    case Errc::not_found:
      return 404;
    case Errc::held:
    case Errc::diverged:
      return 409;
    case Errc::too_large:
      return 413;
    case Errc::id_reused:
      return 422;
    case Errc::internal:
    case Errc::corrupt:
    case Errc::unsupported:
      return 500;
    default:
      return 503;
  }
}

}  // namespace

int exit_code_of(int status, std::string_view code) noexcept {
  if (status >= 200 && status < 300) return service::exit_done;
  if (code == "corrupt") return service::exit_corrupt;
  if (code == "diverged" || code == "cursor_foreign") return service::exit_diverged;
  if (code == "read_only" || code == "log_full") return service::exit_read_only;
  if (status == 409 || status == 422) return service::exit_refused;
  if (status == 404) return service::exit_not_found;
  if (status == 400) return service::exit_usage;
  return service::exit_failed;
}

bool Output::line(std::string_view text) const { return write_line(stdout, text); }

void Output::note(std::string_view text) const {
  if (!json_) write_line(stderr, text);
}

int Output::failure(const Error& error) const {
  return tell(to_string(error.code), error, service::exit_code_of(error.code));
}

int Output::usage(std::string_view what, std::string_view way_out) const {
  std::string message{what};
  if (!way_out.empty()) message.append(" ").append(way_out);
  return tell("usage", {Errc::invalid, std::move(message)}, service::exit_usage);
}

int Output::refused(std::string_view why) const {
  return tell("refused", {Errc::invalid, std::string{why}}, service::exit_refused);
}

int Output::unreachable(const Error& error) const {
  if (error.code != Errc::unavailable) return failure(error);
  return tell("unavailable", error, service::exit_unreachable);
}

int Output::tell(std::string_view name, const Error& error, int code) const {
  if (!json_) {
    write_line(stderr, "stele: " + error.message);
    return code;
  }
  std::string text;
  JsonWriter writer{text};
  writer.begin_object();
  writer.exact_key("type");
  writer.string("/problems/" + std::string{name});
  writer.exact_key("title");
  writer.string(name);
  writer.exact_key("status");
  writer.integer(status_of(error.code));
  writer.exact_key("detail");
  writer.string(error.message);
  writer.exact_key("code");
  writer.string(name);
  writer.exact_key("exitCode");
  writer.integer(code);
  writer.end_object();
  write_line(stderr, text);
  return code;
}

int Output::failure(const Answer& answer) const {
  const auto problem = JsonDocument::parse(answer.body);
  const std::string code = problem ? member_text(problem->root(), "code") : std::string{};
  const std::string detail = problem ? member_text(problem->root(), "detail") : std::string{};
  if (json_ && problem) {
    write_line(stderr, json_of(problem->root()));
  } else {
    const std::string status = "The server answered " + std::to_string(answer.status) + ".";
    write_line(stderr, "stele: " + (detail.empty() ? status : detail));
  }
  return exit_code_of(answer.status, code);
}

}  // namespace stele::program
