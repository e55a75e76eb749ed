// A command's way on the decision thread: accept -> look up -> states -> decide -> send.

#include <algorithm>
#include <array>
#include <utility>

#include "decide/metadata.h"
#include "decide/processor_impl.h"

namespace stele::decide {
namespace {

std::string stream_name(const detail::DeciderTable& table, std::string_view key) {
  std::string name{table.category};
  name += '-';
  name += key;
  return name;
}

Expected exactly(const StreamState& at) {
  return number(at.version) == 0 ? Expected::none() : Expected::exactly(at.version, at.tip);
}

}  // namespace

Job* CommandProcessor::Impl::find(JobToken token) {
  const auto found = jobs_.find(token);
  return found == jobs_.end() ? nullptr : found->second.get();
}

void CommandProcessor::Impl::accept(std::unique_ptr<Job> given) {
  Job& job = *given;
  job.token = next_token_++;
  job.deadline = tick() + job.call.options.timeout;  // By the clock that never goes back.
  jobs_.emplace(job.token, std::move(given));
  if (!job.idempotent) {
    job.id = make_uuid_v7(tick(), *random_);
    advance(job);
    return;
  }
  auto& same = same_id_[job.id];
  same.push_back(job.token);
  if (same.size() == 1) look_up(job);
}

void CommandProcessor::Impl::look_up(Job& job) {
  pool_.post([this, token = job.token, id = job.id, digest = job.digest] {
    Result<std::optional<Accepted>> out = std::nullopt;
    auto found = parts_.store->find_append(id);
    if (!found) {
      out = std::unexpected{std::move(found.error())};
    } else if (*found && (*found)->digest != digest) {
      out = fail(Errc::id_reused,
                 "The idempotency key was used for another command. Choose another key.");
    } else if (*found) {
      auto accepted = load_accepted(parts_, std::move(**found));
      if (accepted) {
        out = std::move(*accepted);
      } else {
        out = std::unexpected{std::move(accepted.error())};
      }
    }
    post([this, token, out = std::move(out)]() mutable { looked_up(token, std::move(out)); });
  });
}

void CommandProcessor::Impl::looked_up(JobToken token, Result<std::optional<Accepted>> found) {
  Job* job = find(token);
  if (job == nullptr) return;
  if (!found) return finish(*job, std::move(found.error()));
  if (*found) return finish(*job, std::move(**found));
  if (job->stage == Job::Stage::sent) {
    return finish(*job, Error{.code = Errc::corrupt,
                              .message = "The store remembers append " + job->id.text() +
                                         " and does not find it. Run `stele verify`."});
  }
  advance(*job);
}

void CommandProcessor::Impl::advance(Job& job) {
  if (!job.answer) return retire(job);  // Its deadline has passed.
  if (!job.resolved && !resolve(job)) return;
  if (!job.query.empty()) return enter_query_lane(job);
  if (states_ready(job)) decide(job);
}

/// Finds the command's streams. False if it was answered instead.
bool CommandProcessor::Impl::resolve(Job& job) {
  const auto& [decider, command, key, body, options] = job.call;
  job.resolved = true;
  Keys keys;
  try {
    keys = command->keys != nullptr ? command->keys(key, body.get()) : Keys{key};
    if (command->scope != nullptr) job.query = command->scope(body.get());
  } catch (...) {
    keys.clear();  // Refused below.
  }
  if (keys.empty() || (job.query.empty() && keys.size() < command->states) ||
      (command->scope != nullptr && job.query.empty())) {
    finish(job,
           Error{.code = Errc::internal,
                 .message = "The decider of \"" + std::string{decider->category} +
                            "\" names too few keys, an empty scope, or throws, for the command " +
                            std::string{command->name} + "."});
    return false;
  }
  for (const std::string& each : keys) {
    std::string name = stream_name(*decider, each);
    if (auto good = check_stream_name(name); !good) {
      finish(job, std::move(good.error()));
      return false;
    }
    const auto found = std::ranges::find(job.streams, name);
    job.state_streams.push_back(static_cast<std::size_t>(found - job.streams.begin()));
    if (found == job.streams.end()) job.streams.push_back(std::move(name));
  }
  if (!job.query.empty()) return true;
  for (const std::string& name : job.streams) {
    job.slots.push_back(&cache_.touch(*decider, name));
    ++job.slots.back()->pins;
  }
  return true;
}

/// True if every state is there and may be built upon; else the job waits at the first that is not.
bool CommandProcessor::Impl::states_ready(Job& job) {
  for (Slot* slot : job.slots) {
    if (slot->ready()) continue;
    if (!slot->state && !slot->loading) load(*slot);
    slot->waiting.push_back(job.token);
    return false;
  }
  return true;
}

void CommandProcessor::Impl::load(Slot& slot) {
  slot.loading = true;
  ++counts_.loads;
  pool_.post([this, &slot, stream = slot.stream, table = slot.table, generation = slot.generation] {
    auto result = load_stream(parts_, *table, stream);
    post([this, &slot, generation, result = std::move(result)]() mutable {
      loaded(slot, generation, std::move(result));
    });
  });
}

void CommandProcessor::Impl::loaded(Slot& slot, std::uint64_t generation,
                                    Result<LoadedState> result) {
  slot.loading = false;  // Until here it could not be evicted.
  if (!result) {
    for (auto waiting = std::exchange(slot.waiting, {}); const JobToken token : waiting) {
      if (Job* job = find(token)) finish(*job, result.error());
    }
    return;
  }
  if (slot.generation != generation) return wake(slot);  // Overtaken by a drop: loads again.
  if (number(result->snapshot_version) > 0) ++counts_.snapshots_used;
  cache_.fill(slot, std::move(*result));
  wake(slot);
}

void CommandProcessor::Impl::wake(Slot& slot) {
  ++slot.pins;  // The last job that finishes must not take it along.
  for (auto waiting = std::exchange(slot.waiting, {}); const JobToken token : waiting) {
    if (Job* job = find(token)) advance(*job);
  }
  --slot.pins;
}

void CommandProcessor::Impl::enter_query_lane(Job& job) {
  Lane& lane = lanes_[job.call.decider];
  if (lane.busy != 0 && lane.busy != job.token) {
    lane.waiting.push_back(job.token);
    return;
  }
  lane.busy = job.token;
  ++counts_.loads;
  pool_.post([this, token = job.token, table = job.call.decider, query = job.query] {
    auto result = load_query(parts_, *table, query);
    post([this, token, result = std::move(result)]() mutable {
      query_loaded(token, std::move(result));
    });
  });
}

void CommandProcessor::Impl::query_loaded(JobToken token, Result<LoadedState> result) {
  Job* job = find(token);
  if (job == nullptr) return;
  if (!result) return finish(*job, std::move(result.error()));
  job->loaded = std::move(*result);
  decide(*job);
}

void CommandProcessor::Impl::leave_query_lane(Job& job) {
  if (job.query.empty()) return;
  Lane& lane = lanes_[job.call.decider];
  if (lane.busy != job.token) return;
  lane.busy = 0;
  while (lane.busy == 0 && !lane.waiting.empty()) {
    Job* next = find(lane.waiting.front());
    lane.waiting.pop_front();
    if (next != nullptr) advance(*next);
  }
}

void CommandProcessor::Impl::decide(Job& job) {
  const Timestamp now = tick();
  const Timestamp occurred_at = job.call.options.occurred_at.value_or(now);
  if (occurred_at > now + occurred_ahead_max) {
    return finish(job,
                  Error{.code = Errc::invalid,
                        .message = "The command's occurredAt, " + to_rfc3339(occurred_at) +
                                   ", is more than 5 minutes ahead of " + to_rfc3339(now) + "."});
  }
  std::array<const void*, decide_states_max> states{};
  const std::size_t count = job.call.command->states;
  for (std::size_t i = 0; i < count; ++i) {
    states[i] =
        job.query.empty() ? job.slots[job.state_streams[i]]->state.get() : job.loaded.state.get();
  }
  const Context context{.now = now, .occurred_at = occurred_at, .key = job.call.key};
  ++job.attempts;
  Decision decision;
  try {
    decision =
        job.call.command->decide(std::span{states}.first(count), job.call.body.get(), context);
  } catch (...) {  // The rules are the user's; one that throws must not take the others along.
    return finish(job,
                  Error{.code = Errc::internal,
                        .message = "The decider of \"" + std::string{job.call.decider->category} +
                                   "\" threw an exception at the command " +
                                   std::string{job.call.command->name} + "."});
  }
  job.rejection.reset();
  if (decision.rejection() != nullptr) job.rejection = *decision.rejection();
  if (auto noted = note_events(job, decision, now); !noted) {
    return finish(job, std::move(noted.error()));
  }
  const auto sent = send(job, decision);
  if (!sent && sent.error().code == Errc::overloaded && sent_ > 0) {
    --job.attempts;
    backlog_.push_back(job.token);  // Decided again when the store has room.
    return;
  }
  if (!sent) return finish(job, sent.error());
  stage(job, decision);
}

/// Gives the decision's events their streams, versions and ids, grouped by stream. An amount that
/// has no value turns the decision into a rejection.
Result<void> CommandProcessor::Impl::note_events(Job& job, const Decision& decision,
                                                 Timestamp now) {
  job.events.clear();
  job.event_streams.clear();
  job.judged.clear();
  for (const Slot* slot : job.slots) job.judged.push_back(slot->at);
  job.judged.resize(job.streams.size());
  for (const Emitted& emitted : decision.events()) {
    const detail::MadeEvent& made = emitted.made();
    if (made.error && made.error->code == MappingCode::malformed) {
      return fail(Errc::invalid, "The event " + std::string{made.type} +
                                     " cannot be written: " + made.error->message);
    }
    if (made.error) {
      job.rejection = reject(to_string(made.error->code)).because(made.error->message);
      return {};
    }
    if (emitted.stream() >= job.state_streams.size() ||
        job.call.decider->event_of(made.identity) == nullptr) {
      return fail(Errc::internal, "The decider of \"" + std::string{job.call.decider->category} +
                                      "\" emitted " + std::string{made.type} +
                                      ", which is not in its Events, or to a stream beyond its "
                                      "keys.");
    }
  }
  if (decision.events().empty() || job.rejection) return {};
  auto metadata = metadata_of(job.call.options, job.call.options.occurred_at.value_or(now));
  if (!metadata) return std::unexpected{std::move(metadata.error())};
  for (std::size_t stream = 0; stream < job.streams.size(); ++stream) {
    Version version = job.judged[stream].version;
    for (const Emitted& emitted : decision.events()) {
      if (job.state_streams[emitted.stream()] != stream) continue;
      version = Version{number(version) + 1};
      job.event_streams.push_back(stream);
      job.events.push_back({.stream = job.streams[stream],
                            .type = std::string{emitted.made().type},
                            .version = version,
                            .position = {},
                            .id = make_uuid_v7(now, *random_),
                            .schema_version = emitted.made().schema_version,
                            .data = emitted.made().data,
                            .metadata = *metadata});
    }
  }
  return {};
}

Result<void> CommandProcessor::Impl::send(Job& job, const Decision& decision) {
  // Tags in the order of job.events: stream by stream.
  std::vector<std::vector<std::string_view>> tags;
  for (std::size_t stream = 0; stream < job.streams.size() && !job.events.empty(); ++stream) {
    for (const Emitted& emitted : decision.events()) {
      if (job.state_streams[emitted.stream()] != stream) continue;
      tags.emplace_back(emitted.tags().begin(), emitted.tags().end());
    }
  }
  std::vector<NewEvent> events;
  events.reserve(job.events.size());
  for (std::size_t i = 0; i < job.events.size(); ++i) {
    const CommandEvent& event = job.events[i];
    events.push_back({.type = event.type,
                      .data = event.data,
                      .metadata = event.metadata,
                      .tags = tags[i],
                      .schema_version = event.schema_version,
                      .id = event.id});
  }
  std::vector<StreamAppend> streams;
  for (std::size_t i = 0; i < job.streams.size(); ++i) {
    const auto first = std::ranges::lower_bound(job.event_streams, i) - job.event_streams.begin();
    const auto last = std::ranges::upper_bound(job.event_streams, i) - job.event_streams.begin();
    streams.push_back(
        {.stream = job.streams[i],
         .expected = job.query.empty() ? exactly(job.judged[i]) : Expected::any(),
         .events = std::span{events}.subspan(static_cast<std::size_t>(first),
                                             static_cast<std::size_t>(last - first))});
  }
  AppendRequest request{.id = job.id, .streams = streams, .digest = job.digest};
  if (!job.query.empty()) {
    request.condition = Condition{.fail_if = job.query, .after = job.loaded.read_to};
  }
  auto taken = parts_.store->append_async(request, completions_, job.token);
  if (!taken) return taken;
  ++sent_;
  job.stage = Job::Stage::sent;
  return {};
}

/// Builds what was sent into the staged states, so that the next command is judged on it.
void CommandProcessor::Impl::stage(Job& job, const Decision& decision) {
  job.generations.clear();
  job.snapshots.clear();
  for (Slot* slot : job.slots) {
    ++slot->in_flight;
    job.generations.push_back(slot->generation);
  }
  if (job.events.empty() || job.slots.empty()) return;
  try {
    for (const Emitted& emitted : decision.events()) {
      Slot& slot = *job.slots[job.state_streams[emitted.stream()]];
      const detail::MadeEvent& made = emitted.made();
      job.call.decider->event_of(made.identity)->evolve(slot.state.get(), made.object);
    }
  } catch (...) {  // The rules are the user's. What was sent stands; the states must be loaded.
    for (Slot* slot : job.slots) cache_.drop(*slot);
    return;
  }
  for (std::size_t i = 0; i < job.events.size(); ++i) {
    job.slots[job.event_streams[i]]->at = {.version = job.events[i].version,
                                           .tip = tip_of(job.events[i].id)};
  }
  for (Slot* slot : job.slots) {
    cache_.resize(*slot);
    if (parts_.snapshots == nullptr || slot->table->write_state == nullptr) continue;
    if (number(slot->at.version) - number(slot->snapshot_version) < parts_.limits.snapshot_events) {
      continue;
    }
    slot->snapshot_version = slot->at.version;
    job.snapshots.push_back({.state = slot->table->copy_state(slot->state.get()),
                             .table = slot->table,
                             .stream = slot->stream,
                             .at = slot->at});
  }
}

}  // namespace stele::decide
