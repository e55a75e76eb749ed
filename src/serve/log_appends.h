// `POST /v1/append`: one append a request, or an NDJSON body of many.

#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "serve/append_json.h"
#include "serve/log_routes.h"
#include "serve/workers.h"

namespace stele::serve {

class LogRoutes::Appends {
 public:
  Appends(EventStore& store, const LogRoutesOptions& options, observe::Logger& logger);
  ~Appends();
  Appends(const Appends&) = delete;
  Appends& operator=(const Appends&) = delete;

  void handle(Request& request, Responder responder);

 private:
  struct Pending;

  void append_one(Responder responder);
  void append_lines(Responder responder);
  void submit(AppendText& text, Responder responder);
  void answer_completions();
  void log_failure(const Result<AppendOutcome>& outcome);

  EventStore& store_;
  const LogRoutesOptions& options_;
  observe::Logger& logger_;
  CompletionQueue completions_;
  std::atomic<std::size_t> pending_{0};
  std::atomic<bool> stopping_{false};
  Workers workers_;
  std::thread thread_;  // Answers what completed.
};

}  // namespace stele::serve
