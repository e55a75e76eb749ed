// Module: serve
// `/v1/consumers`: named consumers over HTTP (consumer/consumers.h has their rules).
//
// A reader is named by the header `Stele-Reader`. Without it the reader is the connection: its
// lease ends when the connection does. A read that finds the lease with another connection looks
// again for `busy_wait`, because a client that closed one connection and opened the next may be
// faster than the news of it.

#pragma once

#include <chrono>
#include <cstddef>

#include "consumer/consumers.h"
#include "observe/logger.h"
#include "observe/metrics.h"
#include "serve/fault_log.h"
#include "serve/openapi.h"
#include "serve/router.h"
#include "serve/tail.h"
#include "serve/workers.h"

namespace stele::serve {

struct ConsumerRoutesOptions {
  std::size_t workers = 2;                             ///< Threads for readers that are woken.
  std::size_t answer_size_max = 8U * 1'024U * 1'024U;  ///< Bytes of events in one answer.
  std::chrono::milliseconds scan_time_max{1'000};      ///< Without `wait`; then it says how far.
  std::chrono::milliseconds busy_wait{250};
};

/// Must outlive the server that serves its routes; what it is given must outlive it.
class ConsumerRoutes {
 public:
  ConsumerRoutes(consumer::Consumers& consumers, const EventStore& store, const Clock& clock,
                 observe::Logger& logger, ConsumerRoutesOptions options = {});
  ~ConsumerRoutes();
  ConsumerRoutes(const ConsumerRoutes&) = delete;
  ConsumerRoutes& operator=(const ConsumerRoutes&) = delete;

  void add_to(Router& router, OpenApi& openapi);

  /// `stele_consumer_lag_events`, `stele_consumer_position`, `stele_consumer_reading` for each
  /// consumer, `stele_consumers`. The registry must not be asked any more once this is gone.
  void add_to(observe::Metrics& metrics);

 private:
  struct Poll;

  [[nodiscard]] Response list(Request& request);
  [[nodiscard]] Response get(Request& request);
  [[nodiscard]] Response put(Request& request);
  [[nodiscard]] Response remove(Request& request);
  [[nodiscard]] Response ack(Request& request);
  [[nodiscard]] Response seek(Request& request);
  void events(Request& request, Responder responder);
  void read(const std::shared_ptr<Poll>& poll);
  void again_at(const std::shared_ptr<Poll>& poll, Position past, Tail::Clock::time_point until);
  [[nodiscard]] Response refused(const consumer::Refusal& refusal);

  consumer::Consumers& consumers_;
  const Clock& clock_;
  const ConsumerRoutesOptions options_;
  FaultLog faults_;
  Workers workers_;  // Stops after the tail, which posts to it.
  Tail tail_;
};

}  // namespace stele::serve
