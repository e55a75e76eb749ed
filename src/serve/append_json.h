// The JSON of `POST /v1/append`: reading the request, and the answer to each outcome.

#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http.h"
#include "serve/json_cursor.h"
#include "serve/problem.h"
#include "stele/append.h"
#include "stele/event_store.h"

namespace stele::serve {

/// An append as it was asked for in JSON. Its views point into the text that was parsed and into
/// itself; both must live until the store has taken the request. Not movable.
class AppendText {
 public:
  /// Reads one JSON object. `failed()` tells whether it is one.
  explicit AppendText(std::string_view json);
  AppendText(const AppendText&) = delete;
  AppendText& operator=(const AppendText&) = delete;

  [[nodiscard]] bool failed() const noexcept { return in_.failed(); }
  [[nodiscard]] Problem problem() const;  ///< If it failed: `malformed`, with the pointer.
  [[nodiscard]] AppendRequest& request() noexcept { return request_; }

 private:
  void read_stream(StreamAppend& stream);
  void read_expected(Expected& expected);
  void read_event(NewEvent& event);
  void read_base64(NewEvent& event);
  void read_metadata(NewEvent& event);
  void read_condition(Condition& condition);
  void read_names(std::vector<std::string>& out);
  void need(bool given, const char* member);

  JsonCursor in_;
  AppendRequest request_;
  std::vector<StreamAppend> streams_;
  std::deque<std::vector<NewEvent>> events_;        // Of each stream.
  std::deque<std::vector<std::string_view>> tags_;  // Of each event that has some.
  std::deque<std::string> bytes_;                   // Decoded data, and compact metadata.
};

/// What an answer needs of the request after the store took it.
struct AppendSubject {
  explicit AppendSubject(const AppendRequest& request);
  std::vector<std::string> streams;
  std::vector<Expected> expected;
};

/// The answer to a request that the store did not take; a size over its limit is told with it.
[[nodiscard]] Response refusal_of(const AppendRequest& request, const Error& error);

/// The answer: 200, 409, or what the error asks for. With `Stele-Token`, and with
/// `Idempotent-Replayed: true` if it is a replay.
[[nodiscard]] Response append_answer(const EventStore& store, const AppendSubject& subject,
                                     const Result<AppendOutcome>& outcome);

}  // namespace stele::serve
