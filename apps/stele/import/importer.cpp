#include "import/importer.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <unordered_map>
#include <utility>

#include "import/mapping.h"
#include "import/record.h"
#include "json_text.h"
#include "progress.h"
#include "signals.h"
#include "stele/ids.h"
#include "stele/json.h"

namespace stele::program {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t check_every = 4'096;  // Records between two looks at the clock and the flag.

std::string hex(const Digest& digest) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : digest) {
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

std::unexpected<Error> at_line(const std::string& input, const Record& record, const Error& error) {
  return fail(error.code, input + ":" + std::to_string(record.line) + ": " + error.message);
}

/// A command on its way.
struct Item {
  std::uint64_t line = 0;
  std::uint64_t bytes = 0;  // Of the file, up to its record's end.
  std::string key;          // Of its order.
  Call call;
  [[nodiscard]] std::size_t size() const { return call.body.size() + call.target.size() + 256; }
};

class Importer {
 public:
  Importer(const ImportOptions& options, const Url& server, FileDigest file)
      : options_{options},
        file_{file},
        id_prefix_{"import-" + hex(file.digest) + "-"},
        connection_{server},
        progress_{"commands", file.size} {}

  Result<ImportSummary> run() {
    auto mapping = Mapping::load(options_.mapping, options_.input);
    if (!mapping) return std::unexpected{mapping.error()};
    auto reader = RecordReader::open(options_.input, mapping->shape());
    if (!reader) return std::unexpected{reader.error()};
    if (auto done = connection_.connect(); !done) return std::unexpected{done.error()};
    last_answer_ = SteadyClock::now();

    bool more = true;
    while (more || window_ > 0) {
      if (interrupted()) {
        summary_.interrupted = true;
        break;
      }
      while (more && window_ < import_window_commands_max) {
        const auto read = read_record(*mapping, *reader);
        if (!read) return std::unexpected{read.error()};
        more = *read;
      }
      send_ready();
      if (auto done = receive(); !done) return std::unexpected{done.error()};
      progress_.show(bytes_done_, summary_.commands);
    }
    summary_.seconds = progress_.seconds();
    return std::move(summary_);
  }

 private:
  /// Puts the commands of the next record into the window; false at the file's end.
  Result<bool> read_record(Mapping& mapping, RecordReader& reader) {
    const auto got = reader.next(record_);
    if (!got || !*got) return got;
    ++summary_.records;
    const auto applied = mapping.apply(record_, calls_);
    if (!applied) return at_line(options_.input, record_, applied.error());
    if (calls_.empty()) ++summary_.skipped;
    const std::string key = mapping.order_key(record_);
    for (ImportCall& made : calls_) {
      Item item{.line = record_.line, .bytes = reader.bytes_read(), .key = key, .call = {}};
      item.call.method = std::move(made.method);
      item.call.target = std::move(made.path);
      item.call.body = std::move(made.body);
      item.call.headers = {{"Content-Type", "application/json"},
                           {"Idempotency-Key", id_prefix_ + std::to_string(record_.line) + "-" +
                                                   std::to_string(made.place)}};
      put(std::move(item));
    }
    return true;
  }

  void put(Item item) {
    ++window_;
    auto [queue, first] = waiting_.try_emplace(item.key);
    if (first) {
      ready_.push_back(std::move(item));  // Nothing of its key is before it.
    } else {
      queue->second.push_back(std::move(item));
    }
  }

  void send_ready() {
    if (SteadyClock::now() < resume_at_ || !connection_.connected()) return;
    while (!ready_.empty() && in_flight_.size() < import_in_flight_max &&
           in_flight_bytes_ < import_in_flight_bytes_max) {
      connection_.queue(ready_.front().call);
      in_flight_bytes_ += ready_.front().size();
      in_flight_.push_back(std::move(ready_.front()));
      ready_.pop_front();
    }
  }

  Result<void> receive() {
    if (window_ == 0) return {};
    if (!connection_.connected()) return reconnect();
    if (in_flight_.empty()) {
      std::this_thread::sleep_until(std::min(resume_at_, SteadyClock::now() + import_retry_pause));
      return {};
    }
    if (!connection_.pump(std::chrono::milliseconds{100})) return reconnect();
    for (;;) {
      auto answer = connection_.take();
      if (!answer) return reconnect();
      if (!*answer) break;
      if (in_flight_.empty())
        return fail(Errc::unavailable, "The server answered what nobody asked.");
      handle(**answer);
    }
    return check_patience();
  }

  /// What was under way goes back to the front, in its order, and is sent again under its key.
  Result<void> reconnect() {
    while (!in_flight_.empty()) {
      ready_.push_front(std::move(in_flight_.back()));
      in_flight_.pop_back();
    }
    in_flight_bytes_ = 0;
    std::this_thread::sleep_for(import_retry_pause);
    const auto done = connection_.connect();
    if (done) return {};
    last_error_ = done.error().message;
    return check_patience();
  }

  Result<void> check_patience() {
    if (SteadyClock::now() - last_answer_ < import_retry_max) return {};
    return fail(Errc::unavailable,
                "No command was answered for " + std::to_string(import_retry_max.count()) +
                    " s. Start the same import again: it goes on where it was. " + last_error_);
  }

  void handle(const Answer& answer) {
    Item item = std::move(in_flight_.front());
    in_flight_.pop_front();
    in_flight_bytes_ -= item.size();
    if (answer.status == 503 || answer.status == 408 || answer.status == 429) {
      last_error_ = "The server's last answer was " + std::to_string(answer.status) + ".";
      ready_.push_front(std::move(item));
      resume_at_ = SteadyClock::now() + import_retry_pause;
      return;
    }
    last_answer_ = SteadyClock::now();
    ++summary_.commands;
    if (answer.status >= 200 && answer.status < 300) {
      const bool replayed = answer.header("idempotent-replayed") == "true";
      ++(replayed ? summary_.replayed : summary_.accepted);
    } else {
      refuse(item, answer);
    }
    finish(item);
  }

  void refuse(const Item& item, const Answer& answer) {
    ++summary_.refused;
    if (summary_.refusals.size() >= import_refusals_kept_max) return;
    ImportRefusal refusal{.line = item.line,
                          .call = item.call.method + " " + item.call.target,
                          .status = answer.status,
                          .code = {},
                          .detail = {}};
    if (const auto problem = JsonDocument::parse(answer.body)) {
      refusal.code = member_text(problem->root(), "code");
      refusal.detail = member_text(problem->root(), "detail");
    }
    summary_.refusals.push_back(std::move(refusal));
  }

  /// The next of the same key may go.
  void finish(const Item& item) {
    --window_;
    bytes_done_ = std::max(bytes_done_, item.bytes);
    const auto found = waiting_.find(item.key);
    if (found->second.empty()) {
      waiting_.erase(found);
      return;
    }
    ready_.push_back(std::move(found->second.front()));
    found->second.pop_front();
  }

  const ImportOptions& options_;
  FileDigest file_;
  std::string id_prefix_;
  HttpConnection connection_;
  Progress progress_;

  // A command is in exactly one of the three; `waiting_` has an entry for each key with any.
  std::unordered_map<std::string, std::deque<Item>> waiting_;
  std::deque<Item> ready_;
  std::deque<Item> in_flight_;  // In the order sent.
  std::size_t window_ = 0;      // In all three.
  std::size_t in_flight_bytes_ = 0;

  Record record_;
  std::vector<ImportCall> calls_;
  std::uint64_t bytes_done_ = 0;
  SteadyClock::time_point last_answer_{};
  SteadyClock::time_point resume_at_{};
  std::string last_error_;
  ImportSummary summary_;
};

/// The first pass: everything but the sending.
Result<ImportSummary> check_input(const ImportOptions& options) {
  auto mapping = Mapping::load(options.mapping, options.input);
  if (!mapping) return std::unexpected{mapping.error()};
  auto reader = RecordReader::open(options.input, mapping->shape());
  if (!reader) return std::unexpected{reader.error()};
  ImportSummary summary;
  Record record;
  std::vector<ImportCall> calls;
  for (;;) {
    const auto got = reader->next(record);
    if (!got) return std::unexpected{got.error()};
    if (!*got) return summary;
    const auto applied = mapping->apply(record, calls);
    if (!applied) return at_line(options.input, record, applied.error());
    ++summary.records;
    summary.commands += calls.size();
    if (calls.empty()) ++summary.skipped;
    if (summary.records % check_every == 0 && interrupted()) {
      summary.interrupted = true;
      return summary;
    }
  }
}

}  // namespace

Result<ImportSummary> run_import(const ImportOptions& options, const Url& server) {
  const auto file = digest_file(options.input);
  if (!file) return std::unexpected{file.error()};
  auto checked = check_input(options);
  if (!checked || options.check_only || checked->interrupted) return checked;
  return Importer{options, server, *file}.run();
}

}  // namespace stele::program
