// doctor: what is in force, and whether what it names is well. Changes nothing; the probe of the
// disk is a file that it removes again.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "http_client.h"
#include "json_text.h"
#include "progress.h"
#include "service/config.h"
#include "stele/json.h"
#include "verbs.h"

namespace stele::program {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t probe_syncs = 50;                          // Of 4 KiB each.
constexpr std::size_t probe_block = 4'096;                       // Bytes.
constexpr std::uint64_t free_space_min = 1'024 * 1'024 * 1'024;  // Bytes; less is a warning.
constexpr double sync_ms_max = 20;                               // Slower is a warning.
constexpr rlim_t files_min = 1'024;

enum class Verdict : std::uint8_t { ok, warning, failed };

struct Check {
  std::string name;
  Verdict verdict = Verdict::ok;
  std::string detail;
};

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::failed:
      return "failed";
  }
  return "failed";
}

std::string reason() { return std::generic_category().message(errno); }

/// The folder itself, or the nearest one above that is there: where it would be made.
fs::path existing(fs::path folder) {
  folder = fs::absolute(folder);
  while (!fs::exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

Check check_folder(const std::string& data) {
  Check check{.name = "data folder", .detail = {}};
  const fs::path there = existing(data);
  if (::access(there.c_str(), W_OK) != 0) {
    check.verdict = Verdict::failed;
    check.detail = there.string() + " can't be written: " + reason() + ".";
  } else if (fs::exists(data)) {
    check.detail = fs::absolute(data).string() + " is there and can be written.";
  } else {
    check.detail = fs::absolute(data).string() + " is not there yet; `stele serve` makes it.";
  }
  return check;
}

Check check_holder(const std::string& data) {
  Check check{.name = "lock", .detail = {}};
  const fs::path lock = fs::path{data} / "LOCK";
  const int fd = ::open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    check.detail = "No process holds the folder.";
    return check;
  }
  if (::flock(fd, LOCK_SH | LOCK_NB) == 0) {
    check.detail = "No process holds the folder.";
  } else {
    std::string pid;
    std::ifstream{lock} >> pid;
    check.detail = "A process holds the folder" + (pid.empty() ? "" : ": pid " + pid) + ".";
  }
  ::close(fd);
  return check;
}

Check check_space(const std::string& data) {
  Check check{.name = "free space", .detail = {}};
  std::error_code failed;
  const fs::space_info space = fs::space(existing(data), failed);
  if (failed) {
    check.verdict = Verdict::failed;
    check.detail = "It can't be asked for: " + failed.message() + ".";
    return check;
  }
  if (space.available < free_space_min) check.verdict = Verdict::warning;
  check.detail = with_commas(space.available / (1'024 * 1'024)) + " MiB are free.";
  if (check.verdict == Verdict::warning) check.detail += " Below 1,024 MiB the log may fill it.";
  return check;
}

/// Times 4 KiB writes with fdatasync, as the log does them, into a file beside the data.
Check check_sync(const std::string& data) {
  Check check{.name = "fdatasync", .verdict = Verdict::failed, .detail = {}};
  std::string path = (existing(data) / ".stele-probe-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  if (fd < 0) {
    check.detail = "A probe can't be made beside the data: " + reason() + ".";
    return check;
  }
  ::unlink(path.c_str());
  const std::array<char, probe_block> block{};
  const auto start = std::chrono::steady_clock::now();
  bool sound = true;
  for (std::size_t i = 0; i < probe_syncs && sound; ++i) {
    sound = ::pwrite(fd, block.data(), block.size(), static_cast<::off_t>(i * probe_block)) ==
                static_cast<::ssize_t>(probe_block) &&
            ::fdatasync(fd) == 0;
  }
  if (!sound) check.detail = "Writing durably fails: " + reason() + ".";
  ::close(fd);
  if (!sound) return check;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const double each = took.count() / static_cast<double>(probe_syncs);
  check.verdict = each > sync_ms_max ? Verdict::warning : Verdict::ok;
  check.detail = "A durable 4 KiB write takes " +
                 with_commas(static_cast<std::uint64_t>(each * 1'000)) + " us.";
  return check;
}

Check check_files() {
  Check check{.name = "open files", .detail = {}};
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < files_min) check.verdict = Verdict::warning;
  check.detail = "This process may open " + with_commas(limit.rlim_cur) +
                 " files; each connection and each segment of the log needs one.";
  return check;
}

Check check_server(const std::string& url_text) {
  Check check{.name = "server", .detail = {}};
  const auto url = Url::parse(url_text);
  if (!url) return {.name = "server", .verdict = Verdict::failed, .detail = url.error().message};
  HttpConnection connection{*url};
  const auto answer =
      connection.call({.target = "/health/ready"}, std::chrono::milliseconds{5'000});
  if (!answer) {
    check.detail = "None answers at " + url->text() + ".";
  } else if (answer->status == 200) {
    check.detail = url->text() + " is ready.";
  } else {
    check.verdict = Verdict::failed;
    check.detail = url->text() + " answers " + std::to_string(answer->status) + ": " + answer->body;
  }
  return check;
}

std::string as_json(const std::vector<service::Setting>& settings,
                    const std::vector<Check>& checks) {
  std::string text;
  JsonWriter writer{text};
  const auto member = [&](std::string_view name, std::string_view value) {
    writer.exact_key(name);
    writer.string(value);
  };
  writer.begin_object();
  member("version", STELE_VERSION);
  writer.exact_key("settings");
  writer.begin_array();
  for (const service::Setting& setting : settings) {
    writer.begin_object();
    member("name", setting.name);
    member("value", setting.value);
    member("source", setting.source);
    writer.end_object();
  }
  writer.end_array();
  writer.exact_key("checks");
  writer.begin_array();
  for (const Check& check : checks) {
    writer.begin_object();
    member("name", check.name);
    member("status", word(check.verdict));
    member("detail", check.detail);
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return text;
}

std::string padded(std::string_view text, std::size_t width) {
  return std::string{text} + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

}  // namespace

int run_verb(const DoctorOptions& options, const Output& output) {
  const auto config = service::Config::load({.flags = options.settings.flags,
                                             .variables = service::process_variables(),
                                             .file = options.settings.config});
  if (!config) return output.failure(config.error());
  const std::string& data = config->get("serve.data");
  const std::vector<Check> checks = {check_folder(data), check_holder(data),
                                     check_space(data),  check_sync(data),
                                     check_files(),      check_server(options.url)};
  bool failed = false;
  for (const Check& check : checks) failed = failed || check.verdict == Verdict::failed;
  if (output.json()) {
    output.line(as_json(config->in_force(), checks));
  } else {
    for (const service::Setting& setting : config->in_force()) {
      output.line(padded(setting.name, 26) + padded(setting.value, 22) + setting.source);
    }
    output.line("");
    for (const Check& check : checks) {
      output.line(padded(word(check.verdict), 9) + padded(check.name, 13) + check.detail);
    }
  }
  return failed ? service::exit_failed : service::exit_done;
}

}  // namespace stele::program
