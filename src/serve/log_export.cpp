#include "serve/log_export.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/crc32c.h"
#include "serve/event_json.h"
#include "serve/problem.h"
#include "serve/query_params.h"
#include "stele/json.h"
#include "stele/limits.h"
#include "store/append_source.h"

namespace stele::serve {
namespace {

constexpr std::string_view ndjson_type = "application/x-ndjson";
constexpr std::size_t page_events = 512;  // Read at a time, and to the end of their append.

constexpr std::string_view digits = "0123456789abcdef";

void append_hex(std::string& out, const Digest& digest) {
  for (const std::uint8_t byte : digest) {
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
}

void append_hex(std::string& out, std::uint32_t number) {
  for (int shift = 28; shift >= 0; shift -= 4) out += digits[(number >> shift) & 15U];
}

void append_streams(std::string& out, const AppendRecord& record) {
  out += ",\"streams\":[";
  for (std::size_t i = 0; i < record.streams.size(); ++i) {
    out += i == 0 ? "{\"stream\":" : ",{\"stream\":";
    append_json_string(out, record.streams[i]);
    out += ",\"version\":" + std::to_string(number(record.answer.streams[i].version));
    out += ",\"tip\":\"" + to_hex(record.answer.streams[i].tip) + "\"}";
  }
  out += ']';
}

/// The lines, piece by piece: one page of the log in memory.
class ExportLines final : public StreamSource {
 public:
  ExportLines(const store::AppendSource& source, const EventStore& store, Position after)
      : source_{source}, at_{after}, until_{store.log_end()}, log_id_{store.log_id()} {}

  Next next(std::string& out) override {
    while (out.size() < stream_piece_size) {
      if (next_ == page_.events.size() && !read()) return Next::end;
      put(out, page_.events[next_++]);
    }
    return Next::more;
  }
  void when_ready(std::function<void()>) override {}

 private:
  /// False at the end.
  bool read() {
    if (at_ >= until_) return false;
    auto page = source_.read_appends(at_, page_events);
    if (!page || page->events.empty()) {
      throw std::runtime_error{"The log cannot be read."};  // The answer is cut short.
    }
    page_ = std::move(*page);
    next_ = append_ = 0;
    return true;
  }

  void put(std::string& out, const EventView& event) {
    while (page_.appends[append_].answer.id != event.append_id) ++append_;
    const AppendRecord& record = page_.appends[append_];
    const std::size_t begin = out.size();
    append_event_json(out, event, DataForm::exact);
    out.pop_back();
    out += ",\"digest\":\"";
    append_hex(out, record.answer.digest);
    out += '"';
    if (event.position == record.answer.first && !record.streams.empty()) {
      append_streams(out, record);
    }
    if (!std::exchange(begun_, true)) {
      out += ",\"log\":{\"id\":\"" + log_id_.text() +
             "\",\"end\":" + std::to_string(number(until_)) + '}';
    }
    const std::uint32_t crc = crc32c(std::string_view{out}.substr(begin));
    out += ",\"crc32c\":\"";
    append_hex(out, crc);
    out += "\"}\n";
    at_ = event.position;
  }

  const store::AppendSource& source_;
  Position at_;
  const Position until_;  // The log's end when the answer began: it must come to an end.
  const LogId log_id_;
  AppendPage page_;
  std::size_t next_ = 0;    // Of the page's events.
  std::size_t append_ = 0;  // Of the page's appends.
  bool begun_ = false;
};

}  // namespace

void answer_export(const EventStore& store, Request& request, Responder responder) {
  if (!request.accepts({ndjson_type})) return responder.send(not_acceptable({ndjson_type}));
  QueryParams query{request};
  const Position after{query.number("after", 0, 0, limits::number_max)};
  if (auto bad = query.finish()) return responder.send(*bad);
  const auto* source = dynamic_cast<const store::AppendSource*>(&store);
  if (source == nullptr) {
    return responder.send(problem_of(
        Error{Errc::unsupported, "This server's store cannot be exported; use its own tools."}));
  }
  responder.stream(Response{.content_type = std::string{ndjson_type}},
                   std::make_unique<ExportLines>(*source, store, after));
}

}  // namespace stele::serve
