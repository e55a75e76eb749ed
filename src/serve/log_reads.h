// `GET /v1/events`, `GET /v1/events/{position}/data`, `GET /v1/streams/{stream}`.

#pragma once

#include "serve/fault_log.h"
#include "serve/log_routes.h"
#include "serve/query_params.h"
#include "serve/tail.h"
#include "serve/workers.h"

namespace stele::serve {

class LogRoutes::Reads {
 public:
  Reads(EventStore& store, const LogRoutesOptions& options, observe::Logger& logger);
  ~Reads();
  Reads(const Reads&) = delete;
  Reads& operator=(const Reads&) = delete;

  void events(Request& request, Responder responder);
  [[nodiscard]] Response data(Request& request);
  [[nodiscard]] Response stream(Request& request);

 private:
  struct Scan;

  void begin(const std::shared_ptr<Scan>& scan);
  void answer_page(Scan& scan);
  void answer_lines(Scan& scan);
  void answer_live(Scan& scan);
  void send_page(Scan& scan, std::string body, Position at, Position log_end);
  [[nodiscard]] Response refused(const Error& error);
  [[nodiscard]] std::string token_at(Position position) const;

  EventStore& store_;
  const LogRoutesOptions& options_;
  FaultLog faults_;
  Workers workers_;  // Stops after the tail, which posts to it.
  Tail tail_;
};

}  // namespace stele::serve
