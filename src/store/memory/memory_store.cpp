// Everything under one mutex: an append is judged and written in one step, and is as durable as the
// process. Each append keeps its bytes in one shared batch, so that reads hand out views.

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "base/random.h"
#include "stele/event_store.h"
#include "store/append_source.h"
#include "store/validate.h"

namespace stele {
namespace {

/// The bytes of one append and the events that view them.
struct Batch {
  std::string bytes;
  std::vector<EventView> events;
};

struct Entry {
  std::shared_ptr<const Batch> batch;
  std::size_t index = 0;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

/// For each name, the positions (or for streams, the events by version) that carry it, ascending.
using Postings = std::unordered_map<std::string, std::vector<Position>, TextHash, std::equal_to<>>;

/// Collects entries into a block that shares their memory.
class BlockBuilder {
 public:
  void add(const Entry& entry) {
    events_.push_back(entry.batch->events[entry.index]);
    if (seen_.insert(entry.batch.get()).second) owners_.push_back(entry.batch);
  }
  [[nodiscard]] std::size_t size() const { return events_.size(); }
  [[nodiscard]] EventBlock finish() { return {std::move(events_), std::move(owners_)}; }

 private:
  std::vector<EventView> events_;
  std::vector<std::shared_ptr<const void>> owners_;
  std::unordered_set<const Batch*> seen_;
};

class MemoryStore final : public EventStore, public store::AppendSource {
 public:
  explicit MemoryStore(const Clock& clock)
      : clock_{clock},
        random_{make_system_random()},
        log_id_{make_uuid_v7(clock.now(), *random_)} {}

  Result<StreamPage> read_stream(std::string_view stream, Version after, std::size_t limit,
                                 Direction direction) const override {
    if (auto good = store::check_read_stream(stream, limit); !good) {
      return std::unexpected{good.error()};
    }
    const std::lock_guard lock{mutex_};
    StreamPage page;
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return page;
    const std::vector<Position>& positions = found->second;
    page.state = state_unlocked(stream);
    BlockBuilder block;
    const std::size_t from = std::min<std::size_t>(number(after), positions.size());
    if (direction == Direction::forward) {
      for (std::size_t i = from; i < positions.size() && block.size() < limit; ++i) {
        block.add(entry_unlocked(positions[i]));
      }
    } else {
      const bool whole = number(after) == 0 || number(after) > positions.size();
      for (std::size_t i = whole ? positions.size() : from - 1; i > 0 && block.size() < limit;) {
        block.add(entry_unlocked(positions[--i]));
      }
    }
    page.events = block.finish();
    return page;
  }

  Result<ReadPage> read_all(Position after, const Filter& filter,
                            std::size_t limit) const override {
    if (auto good = store::check_read_all(filter, limit); !good) {
      return std::unexpected{good.error()};
    }
    const std::lock_guard lock{mutex_};
    BlockBuilder block;
    std::uint64_t at = number(after);
    for (; at < entries_.size() && block.size() < limit; ++at) {
      const Entry& entry = entries_[at];
      if (filter.matches(entry.batch->events[entry.index])) block.add(entry);
    }
    return ReadPage{.events = block.finish(), .looked_to = Position{at}, .log_end = end_unlocked()};
  }

  Position wait(Position after, std::chrono::microseconds timeout) const override {
    std::unique_lock lock{mutex_};
    const std::uint64_t wakes = wakes_;
    grown_.wait_for(lock, timeout, [&] { return end_unlocked() > after || wakes_ != wakes; });
    return end_unlocked();
  }

  void wake() override {
    const std::lock_guard lock{mutex_};
    ++wakes_;
    grown_.notify_all();
  }

  Position log_end() const override {
    const std::lock_guard lock{mutex_};
    return end_unlocked();
  }

  Result<StreamState> stream_tip(std::string_view stream) const override {
    if (auto good = check_stream_name(stream); !good) return std::unexpected{good.error()};
    const std::lock_guard lock{mutex_};
    return state_unlocked(stream);
  }

  Result<std::optional<Appended>> find_append(const AppendId& id) const override {
    const std::lock_guard lock{mutex_};
    const auto found = appends_.find(id);
    if (found == appends_.end()) return std::nullopt;
    Appended out = found->second;
    out.replayed = true;
    return out;
  }

  Result<AppendPage> read_appends(Position after, std::size_t limit) const override {
    if (auto good = store::check_read_all({}, limit); !good) return std::unexpected{good.error()};
    const std::lock_guard lock{mutex_};
    AppendPage page;
    page.log_end = end_unlocked();
    BlockBuilder block;
    for (std::uint64_t at = number(after); at < entries_.size(); ++at) {
      const AppendId& id = entries_[at].batch->events[entries_[at].index].append_id;
      if (page.appends.empty() || page.appends.back().answer.id != id) {
        if (block.size() >= limit) break;
        page.appends.push_back(record_unlocked(id));
      }
      block.add(entries_[at]);
    }
    page.events = block.finish();
    return page;
  }

  LogId log_id() const override { return log_id_; }
  Epoch epoch() const override { return Epoch{1}; }

 private:
  Result<AppendOutcome> append_checked(const AppendRequest& request) override {
    const std::lock_guard lock{mutex_};
    return append_unlocked(request);
  }

  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override {
    const std::lock_guard lock{mutex_};
    queue.push({.token = token, .outcome = append_unlocked(request)});
    return {};
  }

  Result<AppendOutcome> append_unlocked(const AppendRequest& request) {
    if (const auto found = appends_.find(*request.id); found != appends_.end()) {
      if (found->second.digest != *request.digest) {
        return fail(Errc::id_reused, "The append id " + request.id->text() +
                                         " was used for another request. Choose another id.");
      }
      Appended again = found->second;
      again.replayed = true;
      return again;
    }
    Conflict conflict = judge_unlocked(request);
    if (!conflict.streams.empty() || conflict.condition_position) return conflict;
    return write_unlocked(request);
  }

  Conflict judge_unlocked(const AppendRequest& request) const {
    Conflict conflict;
    for (std::size_t i = 0; i < request.streams.size(); ++i) {
      const StreamState found = state_unlocked(request.streams[i].stream);
      if (!holds(request.streams[i].expected, found)) conflict.streams.push_back({i, found});
    }
    if (!request.condition) return conflict;
    for (const QueryItem& item : request.condition->fail_if) {
      conflict.condition_position = match_unlocked(item, request.condition->after);
      if (conflict.condition_position) break;
    }
    return conflict;
  }

  static bool holds(const Expected& expected, const StreamState& found) {
    switch (expected.kind) {
      case Expected::Kind::any:
        return true;
      case Expected::Kind::none:
        return number(found.version) == 0;
      case Expected::Kind::some:
        return number(found.version) > 0;
      case Expected::Kind::exactly:
        return found.version == expected.version && (!expected.tip || found.tip == *expected.tip);
    }
    return false;
  }

  /// The first event after `after` that matches `item`: walks the shortest list that must hold it.
  std::optional<Position> match_unlocked(const QueryItem& item, Position after) const {
    const Filter filter{.categories = {}, .types = item.types, .tags = item.tags};
    std::optional<Position> first;
    const auto walk = [&](const Postings& postings, const std::string& name) {
      const auto found = postings.find(name);
      if (found == postings.end()) return;
      auto at = std::ranges::upper_bound(found->second, after);
      for (; at != found->second.end() && (!first || *at < *first); ++at) {
        const Entry& entry = entry_unlocked(*at);
        if (filter.matches(entry.batch->events[entry.index])) first = *at;
      }
    };
    if (item.tags.empty()) {
      for (const std::string& type : item.types) walk(types_, type);
      return first;
    }
    const auto count = [&](const std::string& tag) {
      const auto found = tags_.find(tag);
      return found == tags_.end() ? 0 : found->second.size();
    };
    walk(tags_, *std::ranges::min_element(item.tags, {}, count));
    return first;
  }

  Appended write_unlocked(const AppendRequest& request) {
    Appended out;
    out.id = *request.id;
    out.digest = *request.digest;
    std::size_t events = 0;
    for (const StreamAppend& stream : request.streams) events += stream.events.size();
    out.last = Position{number(end_unlocked()) + events};
    if (events > 0) {
      out.first = Position{number(end_unlocked()) + 1};
      recorded_at_ = std::max(recorded_at_, clock_.now());
      index_unlocked(build_unlocked(request));
    }
    out.recorded_at = recorded_at_;
    for (const StreamAppend& stream : request.streams) {
      out.streams.push_back(state_unlocked(stream.stream));
    }
    if (events == 0) return out;
    appends_.emplace(out.id, out);
    if (std::ranges::any_of(request.streams, [](const auto& one) { return one.events.empty(); })) {
      std::vector<std::string>& names = names_[out.id];
      for (const StreamAppend& stream : request.streams) names.emplace_back(stream.stream);
    }
    grown_.notify_all();
    return out;
  }

  /// The views point into `bytes`, which must not grow once the first was made.
  std::shared_ptr<const Batch> build_unlocked(const AppendRequest& request) {
    auto batch = std::make_shared<Batch>();
    batch->bytes.reserve(store::append_size(request));
    const auto keep = [&](std::string_view text) {
      const std::size_t at = batch->bytes.size();
      batch->bytes += text;
      return std::string_view{batch->bytes}.substr(at);
    };
    std::uint64_t position = entries_.size();
    for (const StreamAppend& stream : request.streams) {
      std::uint64_t version = number(state_unlocked(stream.stream).version);
      const std::string_view name = stream.events.empty() ? "" : keep(stream.stream);
      for (const NewEvent& event : stream.events) {
        EventView& view = batch->events.emplace_back();
        view.position = Position{++position};
        view.version = Version{++version};
        view.recorded_at = recorded_at_;
        view.id = event.id.is_nil() ? make_uuid_v7(recorded_at_, *random_) : event.id;
        view.append_id = *request.id;
        view.stream = name;
        view.type = keep(event.type);
        view.content_type = keep(event.content_type);
        view.metadata = keep(event.metadata);
        view.data = keep(event.data);
        view.key_id = keep(event.key_id);
        view.schema_version = event.schema_version;
        const std::size_t tags_at = batch->bytes.size();
        for (const std::string_view tag : event.tags) {
          batch->bytes += static_cast<char>(tag.size());
          batch->bytes += tag;
        }
        view.tags = TagList{std::string_view{batch->bytes}.substr(tags_at)};
      }
    }
    return batch;
  }

  void index_unlocked(const std::shared_ptr<const Batch>& batch) {
    for (std::size_t i = 0; i < batch->events.size(); ++i) {
      const EventView& event = batch->events[i];
      entries_.push_back({batch, i});
      post(streams_, event.stream, event.position);
      post(types_, event.type, event.position);
      for (const std::string_view tag : event.tags) post(tags_, tag, event.position);
    }
  }

  static void post(Postings& postings, std::string_view name, Position position) {
    auto found = postings.find(name);
    if (found == postings.end()) found = postings.emplace(std::string{name}, 0).first;
    found->second.push_back(position);
  }

  AppendRecord record_unlocked(const AppendId& id) const {
    const auto names = names_.find(id);
    return {.answer = appends_.at(id),
            .streams = names == names_.end() ? std::vector<std::string>{} : names->second};
  }

  Position end_unlocked() const { return Position{entries_.size()}; }
  const Entry& entry_unlocked(Position position) const { return entries_[number(position) - 1]; }

  StreamState state_unlocked(std::string_view stream) const {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return {};
    const Entry& last = entry_unlocked(found->second.back());
    return {.version = Version{found->second.size()},
            .tip = tip_of(last.batch->events[last.index].id)};
  }

  const Clock& clock_;

  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  // All below: guarded by mutex_.
  std::unique_ptr<RandomSource> random_;
  const LogId log_id_;  // Set once; read without the lock.
  std::deque<Entry> entries_;
  Postings streams_, types_, tags_;
  std::unordered_map<AppendId, Appended> appends_;
  // The streams of appends that also checked some, in the order of the request.
  std::unordered_map<AppendId, std::vector<std::string>> names_;
  Timestamp recorded_at_{};
  std::uint64_t wakes_ = 0;
};

}  // namespace

std::unique_ptr<EventStore> make_memory_store(const Clock& clock) {
  return std::make_unique<MemoryStore>(clock);
}

}  // namespace stele
