#include "projection/engine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "projection/runner.h"

namespace stele::projection {
namespace {

Error unknown(std::string_view name) {
  return {.code = Errc::not_found,
          .message = "There is no projection \"" + std::string{name} + "\"."};
}

// What at least one of `filters` matches, or more: types and categories are united apart.
Filter unite(const std::vector<const Filter*>& filters) {
  std::set<std::string> categories;
  std::set<std::string> types;
  bool all_categories = false;
  bool all_types = false;
  for (const Filter* filter : filters) {
    all_categories |= filter->categories.empty();
    all_types |= filter->types.empty();
    categories.insert(filter->categories.begin(), filter->categories.end());
    types.insert(filter->types.begin(), filter->types.end());
  }
  Filter united;
  if (!all_categories && categories.size() <= limits::filter_names_max) {
    united.categories.assign(categories.begin(), categories.end());
  }
  if (!all_types && types.size() <= limits::filter_names_max) {
    united.types.assign(types.begin(), types.end());
  }
  return united;
}

}  // namespace

std::string_view to_string(State state) noexcept {
  switch (state) {
    case State::running:
      return "running";
    case State::paused:
      return "paused";
    case State::rebuilding:
      return "rebuilding";
    case State::failed:
      return "failed";
    case State::diverged:
      break;
  }
  return "diverged";
}

Engine::Engine(EventStore& store, const Clock& clock, observe::Logger& logger,
               EngineOptions options)
    : shared_{std::make_unique<Shared>(store, clock, logger, options)} {}

Engine::~Engine() { stop(); }

Result<void> Engine::add(std::unique_ptr<Projection> projection,
                         std::shared_ptr<GenerationStore> generations, ProjectionOptions options) {
  const auto checked = check_spec(projection->spec());
  if (!checked) return checked;
  if (find(projection->spec().name) != nullptr) {
    return fail(Errc::invalid, "Projection \"" + projection->spec().name +
                                   "\" was added twice. Give each its own name.");
  }
  if (runners_.size() == projections_max) {
    return fail(Errc::too_large, "An engine runs at most " + std::to_string(projections_max) +
                                     " projections. Use a second one.");
  }
  runners_.push_back(
      std::make_unique<Runner>(*shared_, std::move(projection), std::move(generations), options));
  return {};
}

void Engine::start() {
  if (started_) return;
  started_ = true;
  std::vector<const Filter*> filters;
  for (const auto& runner : runners_) filters.push_back(&runner->spec().filter);
  // An upcaster may rename a type: the stored name is then none of those listed.
  Filter united = unite(filters);
  const Upcasters* upcasters = shared_->options.upcasters;
  if (upcasters != nullptr && !upcasters->empty()) united.types.clear();
  shared_->reader.set_filter(std::move(united));
  for (const auto& runner : runners_) runner->start();
}

void Engine::stop() {
  started_ = false;
  for (const auto& runner : runners_) runner->ask_to_stop();
  if (!runners_.empty()) shared_->store.wake();
  for (const auto& runner : runners_) runner->stop();
}

Engine::Runner* Engine::find(std::string_view name) const {
  const auto found = std::ranges::find(
      runners_, name, [](const auto& runner) { return std::string_view{runner->spec().name}; });
  return found == runners_.end() ? nullptr : found->get();
}

Result<void> Engine::tell(std::string_view name,
                          const std::function<Result<void>(Runner&)>& verb) const {
  Runner* runner = find(name);
  if (runner == nullptr) return std::unexpected{unknown(name)};
  return verb(*runner);
}

Result<void> Engine::pause(std::string_view name) {
  return tell(name, [](Runner& runner) { return runner.pause(); });
}

Result<void> Engine::resume(std::string_view name) {
  return tell(name, [](Runner& runner) { return runner.resume(); });
}

Result<void> Engine::reset(std::string_view name) {
  return tell(name, [](Runner& runner) { return runner.reset(); });
}

Result<void> Engine::promote(std::string_view name) {
  return tell(name, [](Runner& runner) { return runner.promote(); });
}

Result<void> Engine::roll_back(std::string_view name) {
  return tell(name, [](Runner& runner) { return runner.roll_back(); });
}

Result<void> Engine::drop(std::string_view name, int generation) {
  return tell(name, [generation](Runner& runner) { return runner.drop(generation); });
}

Result<void> Engine::retry(std::string_view name, std::string_view key) {
  return tell(name, [key](Runner& runner) { return runner.retry(key); });
}

Result<void> Engine::rebuild(std::span<const std::string> names, RebuildOptions options) {
  std::vector<Runner*> chosen;
  for (const std::string& name : names) {
    Runner* runner = find(name);
    if (runner == nullptr) return std::unexpected{unknown(name)};
    if (std::ranges::count(chosen, runner) == 0) chosen.push_back(runner);
  }
  if (names.empty()) {
    for (const auto& runner : runners_) chosen.push_back(runner.get());
  }
  for (const Runner* runner : chosen) {
    auto may = runner->may_rebuild(options);
    if (!may) return may;
  }
  Result<void> done;
  for (Runner* runner : chosen) {
    if (done) done = runner->begin_rebuild(options);
  }
  for (Runner* runner : chosen) runner->release();
  return done;
}

Result<std::vector<Parked>> Engine::parked(std::string_view name, std::string_view after,
                                           std::size_t limit) const {
  const Runner* runner = find(name);
  if (runner == nullptr) return std::unexpected{unknown(name)};
  if (limit == 0 || limit > parked_list_max) {
    return fail(Errc::invalid, "A list of parked keys has 1 to " + std::to_string(parked_list_max) +
                                   " of them; " + std::to_string(limit) + " were asked for.");
  }
  return runner->parked(after, limit);
}

std::vector<Status> Engine::status() const {
  std::vector<Status> all;
  all.reserve(runners_.size());
  for (const auto& runner : runners_) all.push_back(runner->status());
  return all;
}

Result<Status> Engine::status(std::string_view name) const {
  const Runner* runner = find(name);
  if (runner == nullptr) return std::unexpected{unknown(name)};
  return runner->status();
}

const ProjectionSpec* Engine::spec(std::string_view name) const {
  const Runner* runner = find(name);
  return runner == nullptr ? nullptr : &runner->spec();
}

Result<Position> Engine::wait_until(std::string_view name, Position position,
                                    std::chrono::microseconds timeout) const {
  const Runner* runner = find(name);
  if (runner == nullptr) return std::unexpected{unknown(name)};
  return runner->wait_until(position, timeout);
}

}  // namespace stele::projection
