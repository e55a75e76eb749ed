#include "log/testing/log_script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>
#include <variant>

namespace stele::log::testing {
namespace {

constexpr std::size_t streams = 5;
constexpr std::size_t retries_max = 6;  // Appends that a recovery asks for again.

}  // namespace

Options OpenedLog::small_options() {
  Options options;
  options.segment_size = small_segment_size;
  options.block_cache_size = 256 * 1'024;
  options.background = false;
  return options;
}

Result<std::unique_ptr<OpenedLog>> OpenedLog::open(SimulatedDisk& disk, std::uint64_t seed,
                                                   Options options) {
  std::unique_ptr<OpenedLog> opened{new OpenedLog{seed}};
  const Environment environment{
      .clock = opened->clock_,
      .random = *opened->random_,
      .on_fatal = [&fatal = opened->fatal_](const Error&) { fatal = true; }};
  auto log = Log::open(disk, log_folder, environment, options);
  if (!log) return std::unexpected{log.error()};
  opened->log_ = std::move(*log);
  return opened;
}

bool LogScript::run(const LogChanged& changed) {
  changed_ = changed;
  constexpr std::array<Step, 18> steps{
      &LogScript::open,     &LogScript::small_appends,   &LogScript::several_streams,
      &LogScript::refusals, &LogScript::replays,         &LogScript::idle,
      &LogScript::groups,   &LogScript::large_appends,   &LogScript::seal,
      &LogScript::refusals, &LogScript::replays,         &LogScript::open,
      &LogScript::refusals, &LogScript::small_appends,   &LogScript::large_appends,
      &LogScript::seal,     &LogScript::several_streams, &LogScript::replays};
  bool done = true;
  for (const Step step : steps) done = done && (this->*step)();
  if (done) close();
  return done;
}

bool LogScript::run_briefly() {
  const bool done = open() && small_appends() && several_streams() && refusals() && idle();
  close();
  return done;
}

bool LogScript::append_one() {
  return ask(plan({{.name = "account-0", .expected = {}, .events = events(1, 100)}}));
}

bool LogScript::open() {
  close();
  auto opened = OpenedLog::open(disk_, random_->next());
  if (!opened) return false;
  opened_ = std::move(*opened);
  changed_(&opened_->log());
  model_.look(opened_->log());
  return true;
}

void LogScript::close() {
  changed_(nullptr);
  opened_.reset();
}

std::string LogScript::data(std::size_t size) {
  std::string bytes(size, '\0');
  const std::uint64_t kind = random_->next() % 4;  // Some compress well, some not at all.
  for (char& c : bytes) {
    const std::uint64_t bits = random_->next();
    c = kind == 0 ? '\0' : static_cast<char>(kind == 1 ? 'a' + bits % 3 : bits & 0xFF);
  }
  return bytes;
}

std::vector<PlannedEvent> LogScript::events(std::size_t count, std::size_t size) {
  std::vector<PlannedEvent> list;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random_->next();
    PlannedEvent event{.type = bits % 3 == 0 ? "Opened" : "Changed",
                       .data = data(size),
                       .tags = {"colour:" + std::to_string(bits / 3 % 3)},
                       .metadata = {}};
    if (bits / 9 % 2 == 0) event.tags.push_back("even");
    if (bits / 18 % 2 == 0) event.metadata = "{\"n\":1}";
    list.push_back(std::move(event));
  }
  return list;
}

std::string LogScript::stream() {
  const std::uint64_t n = random_->next() % streams;
  return (n % 2 == 0 ? "account-" : "order-") + std::to_string(n);
}

Expected LogScript::at(const std::string& stream) {
  const StreamState& state = states_[stream];
  return Expected::exactly(state.version, state.tip);
}

std::shared_ptr<Planned> LogScript::plan(std::vector<PlannedStream> list) {
  auto planned = std::make_shared<Planned>();
  for (std::uint8_t& byte : planned->id.bytes) byte = static_cast<std::uint8_t>(random_->next());
  for (std::uint8_t& byte : planned->digest) byte = static_cast<std::uint8_t>(random_->next());
  planned->streams = std::move(list);
  return planned;
}

void LogScript::learn(const Planned& planned, const AppendOutcome& outcome) {
  if (const auto* conflict = std::get_if<Conflict>(&outcome)) {
    for (const StreamConflict& one : conflict->streams) {
      states_[planned.streams[one.index].name] = one.found;
    }
    return;
  }
  const Appended& done = std::get<Appended>(outcome);
  if (done.replayed) return;
  for (std::size_t s = 0; s < planned.streams.size(); ++s) {
    states_[planned.streams[s].name] = done.streams[s];
  }
}

// True if there was an answer, be it a refusal.
bool LogScript::ask(const std::shared_ptr<Planned>& planned) {
  model_.asked(planned);
  const Request request{*planned};
  const auto outcome = opened_->log().append(request.get());
  model_.answered(planned->id, outcome);
  if (!outcome) return false;
  learn(*planned, *outcome);
  if (const auto* done = std::get_if<Appended>(&*outcome); done && number(done->first) > 0) {
    accepted_.push_back(planned);
  }
  model_.look(opened_->log());
  return true;
}

bool LogScript::small_appends() {
  for (const std::size_t size : {0U, 1U, 20U, 300U, 300U, 2'000U}) {
    const std::string name = stream();
    if (!ask(plan({{.name = name, .expected = at(name), .events = events(1, size)}}))) return false;
  }
  const std::string name = stream();
  return ask(plan({{.name = name, .expected = {}, .events = events(7, 900)}}));
}

bool LogScript::several_streams() {
  for (int i = 0; i < 2; ++i) {
    if (!ask(plan({{.name = "account-0", .expected = at("account-0"), .events = events(2, 50)},
                   {.name = "order-1", .expected = at("order-1"), .events = {}},
                   {.name = "order-3", .expected = at("order-3"), .events = events(1, 5'000)}}))) {
      return false;
    }
  }
  return ask(plan({{.name = "account-0", .expected = at("account-0"), .events = {}}}));
}

bool LogScript::refusals() {
  const std::string name = "account-0";
  const StreamState state = states_[name];
  const Tip other{number(state.tip) ^ 1};
  for (const Expected& wrong : {Expected::exactly(Version{number(state.version) + 1}),
                                Expected::exactly(state.version, other),
                                number(state.version) > 0 ? Expected::none() : Expected::some()}) {
    if (!ask(plan({{.name = name, .expected = wrong, .events = events(1, 10)},
                   {.name = "order-1", .expected = {}, .events = events(1, 10)}}))) {
      return false;
    }
  }
  auto conditional = plan({{.name = name, .expected = {}, .events = events(1, 10)}});
  conditional->condition =
      Condition{.fail_if = {{.types = {"Opened"}, .tags = {"even"}}}, .after = Position{}};
  if (!ask(conditional)) return false;
  auto passing = plan({{.name = name, .expected = {}, .events = events(1, 10)}});
  passing->condition = Condition{.fail_if = {{.types = {}, .tags = {"colour:0"}}},
                                 .after = opened_->log().log_end()};
  return ask(passing);
}

bool LogScript::replays() {
  if (accepted_.empty()) return true;
  for (const std::size_t i : {std::size_t{0}, accepted_.size() / 2, accepted_.size() - 1}) {
    const auto again = accepted_[i];
    if (!ask(again)) return false;
    model_.expect_reused(opened_->log(), *again);
  }
  return true;
}

// Appends that are staged together and so share one group, with a refusal among them.
bool LogScript::groups() {
  CompletionQueue queue;
  std::vector<std::shared_ptr<Planned>> list;
  for (std::size_t i = 0; i < 6; ++i) {
    const std::string name = "account-" + std::to_string(10 + i % 2);
    const Expected expected = i == 3 ? Expected::exactly(Version{77}) : Expected::any();
    list.push_back(plan({{.name = name, .expected = expected, .events = events(1 + i, 700)}}));
    model_.asked(list.back());
    const Request request{*list.back()};
    const auto taken = opened_->log().append_async(request.get(), queue, i);
    if (!taken) {
      model_.answered(list.back()->id, std::unexpected{taken.error()});
      list.pop_back();
      break;
    }
  }
  bool done = list.size() == 6;
  // Refused on a state that is only staged: the answer must wait for it.
  done = done && ask(plan({{.name = "account-10",
                            .expected = Expected::exactly(Version{78}),
                            .events = events(1, 10)}}));
  (void)opened_->log().tick();
  std::vector<Completion> completions;
  std::size_t answers = 0;
  while (answers < list.size() && queue.take(completions, std::chrono::seconds{5}) > 0) {
    answers += completions.size();
    for (const Completion& completion : completions) {
      const auto& planned = list[completion.token];
      model_.answered(planned->id, completion.outcome);
      done = done && completion.outcome.has_value();
      if (!completion.outcome) continue;
      learn(*planned, *completion.outcome);
      if (std::holds_alternative<Appended>(*completion.outcome)) accepted_.push_back(planned);
    }
  }
  model_.look(opened_->log());
  return done && answers == list.size();
}

bool LogScript::idle() {
  for (int i = 0; i < 2; ++i) {
    opened_->clock().advance(std::chrono::milliseconds{500});
    (void)opened_->log().tick();
    if (opened_->fatal()) return false;
  }
  return true;
}

bool LogScript::large_appends() {
  for (const std::size_t size : {20'000U, 30'000U, 9'000U, 40'000U, 25'000U}) {
    const std::string name = stream();
    if (!ask(plan({{.name = name, .expected = at(name), .events = events(1, size)},
                   {.name = "order-99", .expected = {}, .events = events(3, 100)}}))) {
      return false;
    }
    (void)opened_->log().tick();
    if (opened_->fatal()) return false;
  }
  return true;
}

bool LogScript::seal() {
  for (int i = 0; i < 6; ++i) {
    (void)opened_->log().tick();
    if (opened_->fatal()) return false;
    model_.look(opened_->log());
  }
  return true;
}

std::uint64_t crash_scale() {
  const char* text = std::getenv("STELE_CRASH_SCALE");
  return text == nullptr ? 1 : std::max<std::uint64_t>(1, std::strtoull(text, nullptr, 10));
}

void count_outcome() {
  static const ::testing::TestInfo* of = nullptr;
  static std::uint64_t count = 0;
  const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
  if (test == nullptr) return;
  if (of != test) count = 0;
  of = test;
  ::testing::Test::RecordProperty("outcomes", std::to_string(++count));
}

std::vector<std::string> recover_and_compare(SimulatedDisk& disk, Facts& facts,
                                             std::uint64_t seed) {
  count_outcome();
  std::vector<std::string> problems;
  LogModel model{facts};
  {
    auto opened = OpenedLog::open(disk, seed ^ 0x5EED);
    if (!opened) return {"It does not open: " + opened.error().message};
    Log& log = (*opened)->log();
    problems = compare(log, facts);
    if (!problems.empty() || (crash_scale() == 1 && seed % 3 != 0)) return problems;
    model.look(log);
    std::vector<std::shared_ptr<const Planned>> again;
    for (const AppendId& id : facts.doubtful) again.push_back(facts.asked.at(id));
    for (const auto& [id, answer] : facts.accepted) again.push_back(facts.asked.at(id));
    std::uint64_t state = seed;
    for (std::size_t i = 0; i < retries_max && !again.empty(); ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const auto& planned = again[(state >> 33) % again.size()];
      model.asked(planned);
      const Request request{*planned};
      model.answered(planned->id, log.append(request.get()));
      model.look(log);
    }
  }
  LogScript script{disk, model, seed ^ 0xC0FFEE00C0FFEE00ULL};  // Ids of its own.
  if (!script.run_briefly()) problems.push_back("The log does not go on after the recovery.");
  facts = model.facts();
  for (std::string& problem : model.problems()) problems.push_back(std::move(problem));
  if (seed % 2 == 0) disk.cut_power();  // What was found after a kill may have been in the cache.
  auto opened = OpenedLog::open(disk, seed ^ 0xA6A1);
  if (!opened) {
    problems.push_back("It does not open after going on: " + opened.error().message);
    return problems;
  }
  for (std::string& problem : compare((*opened)->log(), facts)) {
    problems.push_back("After going on: " + problem);
  }
  return problems;
}

}  // namespace stele::log::testing
