// Module: serve
// The log over HTTP: `POST /v1/append`, `GET /v1/events`, `GET /v1/events/{position}/data`,
// `GET /v1/streams/{stream}`, `GET /v1/export`.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "observe/logger.h"
#include "serve/openapi.h"
#include "serve/router.h"
#include "stele/event_store.h"

namespace stele::serve {

struct LogRoutesOptions {
  std::size_t workers = 4;             ///< Threads for batches of appends and for woken readers.
  std::size_t worker_queue_max = 256;  ///< Batches that wait for one; more: 503.
  std::size_t batch_inflight_max = 1'024;  ///< Appends of one NDJSON body under way.
  std::size_t answer_size_max =
      std::size_t{8} * 1'024 * 1'024;              ///< Bytes of events in one JSON answer.
  std::chrono::milliseconds scan_time_max{1'000};  ///< Of one JSON answer; then it says how far.
  std::chrono::seconds live_wait{15};  ///< After so long a live feed looks again by itself.
};

/// Must outlive the server that serves its routes; `store` must outlive it. The destructor waits
/// for appends that the store has not answered.
class LogRoutes {
 public:
  explicit LogRoutes(EventStore& store, LogRoutesOptions options = {},
                     observe::Logger& logger = observe::null_logger());
  ~LogRoutes();
  LogRoutes(const LogRoutes&) = delete;
  LogRoutes& operator=(const LogRoutes&) = delete;

  void add_to(Router& router, OpenApi& openapi);

 private:
  class Appends;
  class Reads;
  LogRoutesOptions options_;
  std::unique_ptr<Appends> appends_;
  std::unique_ptr<Reads> reads_;
  EventStore& store_;
};

}  // namespace stele::serve
