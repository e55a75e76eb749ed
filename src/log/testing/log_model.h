// What a log must hold, as seen from outside: every append that was asked for, every answer that
// was given, every event that a reader saw. After a crash the log is held against it.
//
//   acknowledged   every accepted append is there whole, with the answer that was given
//   whole          an append without an answer is there whole or not at all; a refused one is not
//   order          positions have no gap, versions neither, time does not go back
//   seen           what was seen is what is there; what a conflict said was found is there
//   agreement      streams, tips, filters and ids say the same as the scan from the beginning

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/log.h"
#include "stele/append.h"

namespace stele::log::testing {

struct PlannedEvent {
  std::string type = "Happened";
  std::string data = {};
  std::vector<std::string> tags = {};
  std::string metadata = {};
};

struct PlannedStream {
  std::string name;
  Expected expected = {};
  std::vector<PlannedEvent> events = {};
};

/// An append that owns all of its parts.
struct Planned {
  AppendId id;
  Digest digest{};
  std::vector<PlannedStream> streams = {};
  std::optional<Condition> condition = std::nullopt;
};

/// `planned` in the form that the log takes. Views `planned`, which must stay where it is.
class Request {
 public:
  explicit Request(const Planned& planned);
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  [[nodiscard]] const AppendRequest& get() const { return request_; }

 private:
  std::vector<std::vector<std::vector<std::string_view>>> tags_;
  std::vector<std::vector<NewEvent>> events_;
  std::vector<StreamAppend> streams_;
  AppendRequest request_;
};

/// A state of a stream that an answer told.
struct Told {
  std::string stream;
  Version version{};
  Tip tip{};
  friend auto operator<=>(const Told&, const Told&) = default;
};

/// Everything that was known at one moment.
struct Facts {
  std::map<AppendId, std::shared_ptr<const Planned>> asked;
  std::map<AppendId, Appended> accepted;
  std::set<AppendId> refused;     ///< Must not be in the log.
  std::set<AppendId> doubtful;    ///< May be in the log or not.
  std::set<Told> told;            ///< States that somebody was told.
  std::vector<std::string> seen;  ///< Fingerprint of the event at position i + 1.
  Position end_told{};            ///< The largest log end that was told.
};

/// Thread-safe.
class LogModel {
 public:
  LogModel() = default;
  explicit LogModel(Facts facts) : facts_{std::move(facts)} {}

  void asked(std::shared_ptr<const Planned> planned);
  void answered(const AppendId& id, const Result<AppendOutcome>& outcome);
  /// Reads what is new and remembers it. Problems go to `problems`.
  void look(const Log& log);
  /// Asks for something else under the id of `accepted`, which must be refused for that.
  void expect_reused(Log& log, const Planned& accepted);
  [[nodiscard]] Facts facts() const;
  /// What was wrong with answers and reads at once, without any crash.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  [[nodiscard]] std::size_t facts_size() const;
  void complain_unlocked(std::string problem);

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  Facts facts_;
  std::vector<std::string> problems_;
};

/// Everything of an event in one string.
[[nodiscard]] std::string fingerprint(const EventView& event);

/// A problem begins with this when the log itself said that it is damaged.
inline constexpr std::string_view told_prefix = "(told) ";

/// Holds `log` against `facts`; each problem a sentence.
[[nodiscard]] std::vector<std::string> compare(const Log& log, const Facts& facts);

}  // namespace stele::log::testing
