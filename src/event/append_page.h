// Module: event
// Appends read back whole, in the order of the log: what an export needs beyond the events, so that
// a restored log answers a repeated request as the first one was answered.

#pragma once

#include <string>
#include <vector>

#include "stele/append.h"

namespace stele {

struct AppendRecord {
  Appended answer;  ///< The first answer, with the digest of what was asked.
  /// The names of its streams, in the order of the request and of `answer.streams`. Empty if they
  /// are those of its events, in their order: then nothing was only checked.
  std::vector<std::string> streams = {};
};

struct AppendPage {
  EventBlock events = {};  ///< Oldest first.
  /// One for each append that has an event in `events`, in their order.
  std::vector<AppendRecord> appends = {};
  Position log_end{};  ///< Of the moment of the read.
};

}  // namespace stele
