// Random programs of appends and reads, run against a store and against a model so simple that it
// is plainly right: one list of events. A failing program is shrunk before it is shown.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>  // Needs what stands above.

#include <algorithm>
#include <map>

#include "store/testing/store_contract.h"

namespace stele::testing {

bool link_store_model() { return true; }

namespace {

struct ModelEvent {
  std::string stream, type, data;
  std::vector<std::string> tags;
  std::uint64_t version = 0;
  EventId id;
};

struct ModelAppend {
  std::size_t request = 0;  // Which: stands for the digest.
  Appended answer;
};

class Model {
 public:
  std::vector<ModelEvent> log;
  std::map<AppendId, ModelAppend> appends;

  [[nodiscard]] StreamState state(std::string_view stream) const {
    StreamState out;
    for (const ModelEvent& each : log) {
      if (each.stream == stream) out = {Version{each.version}, tip_of(each.id)};
    }
    return out;
  }
  [[nodiscard]] static bool holds(const Expected& expected, const StreamState& found) {
    switch (expected.kind) {
      case Expected::Kind::any:
        return true;
      case Expected::Kind::none:
        return found.version == Version{0};
      case Expected::Kind::some:
        return found.version != Version{0};
      case Expected::Kind::exactly:
        return found.version == expected.version && expected.tip.value_or(found.tip) == found.tip;
    }
    return false;
  }
  [[nodiscard]] static bool matches(const ModelEvent& event, const QueryItem& item) {
    const auto has = [](const std::vector<std::string>& in, const std::string& what) {
      return std::ranges::find(in, what) != in.end();
    };
    return (item.types.empty() || has(item.types, event.type)) &&
           std::ranges::all_of(item.tags, [&](const auto& tag) { return has(event.tags, tag); });
  }
  [[nodiscard]] bool condition_fails(const Condition& condition) const {
    for (std::size_t i = number(condition.after); i < log.size(); ++i) {
      for (const QueryItem& item : condition.fail_if) {
        if (matches(log[i], item)) return true;
      }
    }
    return false;
  }
};

/// A stream of small numbers out of the program; zeros when it has ended.
class Dice {
 public:
  explicit Dice(const std::vector<std::uint8_t>& program) : program_{program} {}
  std::size_t below(std::size_t limit) {
    const std::size_t value = at_ < program_.size() ? program_[at_] : 0;
    ++at_;
    return value % limit;
  }
  [[nodiscard]] bool ended() const { return at_ >= program_.size(); }

 private:
  const std::vector<std::uint8_t>& program_;
  std::size_t at_ = 0;
};

const std::vector<std::string> stream_names{"a-1", "a-2", "A-1", "b-1"};
const std::vector<std::string> type_names{"X", "Y", "x"};
const std::vector<std::string> tag_names{"red", "blue", "Red"};

/// One request, and all that its views point into.
struct Asked {
  std::vector<std::string> names, types, datas;
  std::vector<std::vector<std::string_view>> tags;
  std::vector<std::vector<NewEvent>> events;
  std::vector<StreamAppend> streams;
  std::optional<Condition> condition;
  std::optional<AppendId> id;
  std::optional<Digest> digest;
  std::size_t request = 0;
};

class Player {
 public:
  Player(StoreUnderTest& under_test, const std::vector<std::uint8_t>& program)
      : under_test_{under_test}, dice_{program} {}

  void play() {
    while (!dice_.ended()) {
      const std::size_t what = dice_.below(12);
      if (what < 7) {
        append();
      } else if (what == 7) {
        compare_stream(stream_names[dice_.below(stream_names.size())]);
      } else if (what == 8) {
        compare_filter();
      } else if (what == 9 && under_test_.durable()) {
        under_test_.reopen();
      } else {
        compare_all({});
      }
    }
    compare_all({});
    for (const std::string& name : stream_names) compare_stream(name);
    for (const auto& [id, kept] : model_.appends) {
      const auto found = store().find_append(id);
      RC_ASSERT(found && found->has_value());
      RC_ASSERT((*found)->first == kept.answer.first);
      RC_ASSERT((*found)->last == kept.answer.last);
      RC_ASSERT((*found)->streams == kept.answer.streams);
    }
  }

 private:
  EventStore& store() { return under_test_.store(); }

  Expected expected(const StreamState& at) {
    switch (dice_.below(8)) {
      case 0:
        return Expected::none();
      case 1:
        return Expected::some();
      case 2:
        return Expected::exactly(Version{number(at.version) + 1});
      case 3:
        return Expected::exactly(at.version, Tip{number(at.tip) + dice_.below(2)});
      case 4:
      case 5:
        return Expected::exactly(at.version, at.tip);
      default:
        return Expected::any();
    }
  }

  void ask(Asked& out) {
    const std::size_t count = 1 + dice_.below(3);
    out.names = stream_names;
    std::rotate(out.names.begin(),
                out.names.begin() + static_cast<std::ptrdiff_t>(dice_.below(out.names.size())),
                out.names.end());
    out.events.resize(count);
    out.tags.reserve(count * 3);
    for (std::size_t s = 0; s < count; ++s) {
      for (std::size_t e = dice_.below(4); e > 0; --e) {
        out.tags.emplace_back();
        for (const std::string& tag : tag_names) {
          if (dice_.below(3) == 0) out.tags.back().push_back(tag);
        }
        out.events[s].push_back(event(type_names[dice_.below(3)],
                                      dice_.below(2) == 0 ? "{\"n\":1}" : "\xFF\x01",
                                      out.tags.back()));
      }
      out.streams.push_back({.stream = out.names[s],
                             .expected = expected(model_.state(out.names[s])),
                             .events = out.events[s]});
    }
    if (dice_.below(4) == 0) ask_condition(out);
    if (dice_.below(3) == 0) {
      out.id.emplace();
      out.id->bytes[3] = static_cast<std::uint8_t>(dice_.below(5));
      out.id->bytes[9] = 0x80;
      out.request = dice_.below(2);  // Two different requests may use one id.
      out.digest.emplace();
      (*out.digest)[0] = static_cast<std::uint8_t>(out.request);
    }
  }

  void ask_condition(Asked& out) {
    Condition condition;
    condition.after = Position{model_.log.size() - dice_.below(model_.log.size() + 1)};
    for (std::size_t i = 1 + dice_.below(2); i > 0; --i) {
      QueryItem item;
      if (dice_.below(2) == 0) item.types.push_back(type_names[dice_.below(3)]);
      if (dice_.below(2) == 0) item.tags.push_back(tag_names[dice_.below(3)]);
      if (dice_.below(4) == 0) item.tags.push_back(tag_names[dice_.below(3)]);
      if (item.types.empty() && item.tags.empty()) item.types.push_back("X");
      condition.fail_if.push_back(item);
    }
    out.condition = condition;
  }

  void append() {
    Asked asked;
    ask(asked);
    const auto outcome = store().append({.id = asked.id,
                                         .streams = asked.streams,
                                         .condition = asked.condition,
                                         .digest = asked.digest});
    if (asked.id && model_.appends.contains(*asked.id)) {
      const ModelAppend& kept = model_.appends[*asked.id];
      if (kept.request != asked.request) {
        RC_ASSERT(error_of(outcome) == Errc::id_reused);
        return;
      }
      RC_ASSERT(is_replayed(outcome));
      RC_ASSERT(std::get<Appended>(*outcome).first == kept.answer.first);
      RC_ASSERT(std::get<Appended>(*outcome).streams == kept.answer.streams);
      return;
    }
    Conflict expected;
    for (std::size_t i = 0; i < asked.streams.size(); ++i) {
      const StreamState at = model_.state(asked.streams[i].stream);
      if (!Model::holds(asked.streams[i].expected, at)) expected.streams.push_back({i, at});
    }
    const bool condition_fails = asked.condition && model_.condition_fails(*asked.condition);
    if (expected.streams.empty() && !condition_fails) return accept(asked, outcome);
    const Conflict* conflict = conflict_of(outcome);
    RC_ASSERT(conflict != nullptr);
    RC_ASSERT(conflict->streams.size() == expected.streams.size());
    for (std::size_t i = 0; i < expected.streams.size(); ++i) {
      RC_ASSERT(conflict->streams[i].index == expected.streams[i].index);
      RC_ASSERT(conflict->streams[i].found == expected.streams[i].found);
    }
    if (expected.streams.empty()) {
      RC_ASSERT(conflict->condition_position.has_value());
      const std::size_t at = number(*conflict->condition_position);
      RC_ASSERT(at > number(asked.condition->after) && at <= model_.log.size());
      RC_ASSERT(std::ranges::any_of(asked.condition->fail_if, [&](const QueryItem& item) {
        return Model::matches(model_.log[at - 1], item);
      }));
    }
  }

  void accept(const Asked& asked, const Result<AppendOutcome>& outcome) {
    RC_ASSERT(is_accepted(outcome));
    const auto& appended = std::get<Appended>(*outcome);
    const std::size_t before = model_.log.size();
    for (const StreamAppend& stream : asked.streams) {
      std::uint64_t version = number(model_.state(stream.stream).version);
      for (const NewEvent& each : stream.events) {
        model_.log.push_back({.stream = std::string{stream.stream},
                              .type = std::string{each.type},
                              .data = std::string{each.data},
                              .tags = {each.tags.begin(), each.tags.end()},
                              .version = ++version,
                              .id = {}});
      }
    }
    const std::size_t count = model_.log.size() - before;
    RC_ASSERT(appended.last == Position{model_.log.size()});
    RC_ASSERT(appended.first == Position{count == 0 ? 0 : before + 1});
    if (count > 0) {  // The ids are the store's: learn them.
      const auto page = store().read_all(Position{before}, {}, count);
      RC_ASSERT(page && page->events.size() == count);
      for (std::size_t i = 0; i < count; ++i) model_.log[before + i].id = page->events[i].id;
      model_.appends[appended.id] = {.request = asked.request, .answer = appended};
    }
    RC_ASSERT(appended.streams.size() == asked.streams.size());
    for (std::size_t i = 0; i < asked.streams.size(); ++i) {
      RC_ASSERT(appended.streams[i] == model_.state(asked.streams[i].stream));
    }
  }

  static void compare(const EventView& found, const ModelEvent& wanted) {
    RC_ASSERT(found.stream == wanted.stream);
    RC_ASSERT(found.type == wanted.type);
    RC_ASSERT(found.data == wanted.data);
    RC_ASSERT(number(found.version) == wanted.version);
    RC_ASSERT(found.id == wanted.id);
    RC_ASSERT(std::ranges::equal(found.tags, wanted.tags));
  }

  void compare_filter() {
    Filter filter;
    if (dice_.below(2) == 0) filter.categories.emplace_back(dice_.below(2) == 0 ? "a" : "b");
    if (dice_.below(2) == 0) filter.types.push_back(type_names[dice_.below(3)]);
    if (dice_.below(2) == 0) filter.tags.push_back(tag_names[dice_.below(3)]);
    compare_all(filter);
  }

  void compare_all(const Filter& filter) {
    RC_ASSERT(store().log_end() == Position{model_.log.size()});
    Position after{model_.log.size() - dice_.below(model_.log.size() + 1)};
    if (dice_.below(2) == 0) after = Position{0};
    const std::size_t limit = 1 + dice_.below(20);
    std::size_t next = number(after);
    const QueryItem item{.types = filter.types, .tags = filter.tags};
    const auto wanted = [&](const ModelEvent& each) {
      return Model::matches(each, item) &&
             (filter.categories.empty() || filter.categories[0] == category_of(each.stream));
    };
    while (number(after) < model_.log.size()) {
      const auto page = store().read_all(after, filter, limit);
      RC_ASSERT(page && page->events.size() <= limit && page->looked_to > after);
      for (const EventView& each : page->events) {
        while (next < model_.log.size() && !wanted(model_.log[next])) ++next;
        RC_ASSERT(number(each.position) == next + 1);
        compare(each, model_.log[next++]);
      }
      while (next < number(page->looked_to)) RC_ASSERT(!wanted(model_.log[next++]));
      after = page->looked_to;
    }
  }

  void compare_stream(const std::string& name) {
    std::vector<const ModelEvent*> wanted;
    for (const ModelEvent& each : model_.log) {
      if (each.stream == name) wanted.push_back(&each);
    }
    const bool back = dice_.below(2) == 0;
    const std::size_t after = dice_.below(wanted.size() + 3);
    const std::size_t limit = dice_.below(20);
    const auto page = store().read_stream(name, Version{after}, limit,
                                          back ? Direction::backward : Direction::forward);
    RC_ASSERT(page && page->state == model_.state(name));
    std::vector<const ModelEvent*> part;
    if (back) {
      const std::size_t end = after == 0 ? wanted.size() : std::min(wanted.size(), after - 1);
      for (std::size_t i = end; i > 0 && part.size() < limit;) part.push_back(wanted[--i]);
    } else {
      for (std::size_t i = after; i < wanted.size() && part.size() < limit; ++i) {
        part.push_back(wanted[i]);
      }
    }
    RC_ASSERT(page->events.size() == part.size());
    for (std::size_t i = 0; i < part.size(); ++i) compare(page->events[i], *part[i]);
    RC_ASSERT(store().stream_tip(name).value() == model_.state(name));
  }

  StoreUnderTest& under_test_;
  Dice dice_;
  Model model_;
};

}  // namespace

TEST_P(StoreModel, AgreesWithANaiveModelOnRandomPrograms) {
  const MakeStore make = GetParam();
  const int size_max = make()->durable() ? 300 : 1'000;
  rc::detail::checkGTest([&] {
    const auto program =
        *rc::gen::resize(size_max, rc::gen::arbitrary<std::vector<std::uint8_t>>());
    const auto under_test = make();
    Player{*under_test, program}.play();
  });
}

}  // namespace stele::testing
