// What happens when the store has answered: durable, conflict, error; and the end of a command.

#include <algorithm>
#include <utility>

#include "decide/processor_impl.h"

namespace stele::decide {

void CommandProcessor::Impl::completed(Completion& done) {
  --sent_;
  Job* job = find(done.token);
  if (job == nullptr) return;
  if (!done.outcome) {
    unstage(*job, nullptr);
    return finish(*job, std::move(done.outcome.error()));
  }
  if (auto* conflict = std::get_if<Conflict>(&*done.outcome)) return refused(*job, *conflict);
  durable(*job, std::get<Appended>(*done.outcome));
}

void CommandProcessor::Impl::durable(Job& job, Appended& appended) {
  if (appended.replayed) {
    // Another processor accepted it first: what was staged here did not happen.
    unstage(job, nullptr);
    ++counts_.conflicts;
    return look_up(job);
  }
  for (std::size_t i = 0; i < job.slots.size(); ++i) {
    Slot& slot = *job.slots[i];
    if (slot.generation != job.generations[i]) continue;
    --slot.in_flight;
    slot.settling = false;
  }
  for (const PendingSnapshot& snapshot : job.snapshots) keep(snapshot);
  job.snapshots.clear();
  if (job.rejection) return finish(job, std::move(*job.rejection));

  Accepted out;
  for (std::size_t i = 0; i < job.events.size(); ++i) {
    job.events[i].position = Position{number(appended.first) + i};
  }
  const auto states = std::exchange(appended.streams, {});
  // Under a query the versions were not known when it was sent: count back from the last.
  std::vector<std::uint64_t> versions;
  for (const StreamState& state : states) versions.push_back(number(state.version));
  for (std::size_t i = job.events.size(); i-- > 0;) {
    job.events[i].version = Version{versions[job.event_streams[i]]--};
  }
  for (std::size_t i = 0; i < job.streams.size(); ++i) {
    if (!job.events.empty() && !std::ranges::binary_search(job.event_streams, i)) continue;
    out.streams.push_back(job.streams[i]);
    appended.streams.push_back(states[i]);
  }
  out.events = std::move(job.events);
  out.appended = std::move(appended);
  finish(job, std::move(out));
}

void CommandProcessor::Impl::refused(Job& job, const Conflict& conflict) {
  unstage(job, &conflict);
  ++counts_.conflicts;
  job.stage = Job::Stage::waiting;
  if (job.attempts < parts_.limits.attempts_max) return advance(job);
  finish(job, Error{.code = Errc::overloaded,
                    .message = "Others wrote to \"" + job.streams.front() + "\" first, " +
                               std::to_string(job.attempts) +
                               " times in a row (attempts_max); nothing was done. Retry later."});
}

/// Drops the states that were built on what did not happen: those with events of this job, and
/// those that the store found elsewhere. Commands decided on them conflict in turn.
void CommandProcessor::Impl::unstage(Job& job, const Conflict* conflict) {
  job.snapshots.clear();
  std::vector<Slot*> dropped;
  for (std::size_t i = 0; i < job.slots.size(); ++i) {
    Slot& slot = *job.slots[i];
    if (slot.generation != job.generations[i]) continue;
    const bool wrote = std::ranges::binary_search(job.event_streams, i);
    const bool elsewhere =
        conflict != nullptr &&
        std::ranges::find(conflict->streams, i, &StreamConflict::index) != conflict->streams.end();
    if (wrote || elsewhere) {
      cache_.drop(slot);
    } else {
      --slot.in_flight;
    }
    dropped.push_back(&slot);
  }
  // Who waits here waits for a load (none runs after a drop) or for an append to end.
  for (Slot* slot : dropped) {
    if (slot->waiting.empty()) continue;
    if (!slot->state && !slot->loading) load(*slot);
    if (slot->ready()) wake(*slot);
  }
}

/// Answers, and ends the job.
void CommandProcessor::Impl::finish(Job& job, CommandResult result) {
  reply(job, std::move(result));
  retire(job);
}

void CommandProcessor::Impl::reply(Job& job, CommandResult result) {
  if (!job.answer) return;
  if (const auto* accepted = std::get_if<Accepted>(&result)) {
    ++(accepted->appended.replayed ? counts_.replayed : counts_.accepted);
  } else {
    ++(std::holds_alternative<Rejection>(result) ? counts_.rejected : counts_.failed);
  }
  Answer answer = std::exchange(job.answer, nullptr);
  --counts_.live;
  answer(std::move(result));
}

void CommandProcessor::Impl::retire(Job& job) {
  const auto node = jobs_.extract(job.token);  // Keeps it alive to the end of this function.
  for (Slot* slot : job.slots) {
    // Its append has ended: whoever waited for that may go on.
    if (slot->ready() && !slot->waiting.empty()) wake(*slot);
    --slot->pins;
  }
  leave_query_lane(job);
  if (!job.idempotent) return;
  const auto same = same_id_.find(job.id);
  if (same == same_id_.end()) return;
  const bool was_first = same->second.front() == job.token;
  std::erase(same->second, job.token);
  if (same->second.empty()) {
    same_id_.erase(same);
  } else if (was_first) {
    if (Job* next = find(same->second.front())) look_up(*next);
  }
}

void CommandProcessor::Impl::keep(const PendingSnapshot& snapshot) {
  pool_.post([this, snapshot] {
    Snapshot out{.category = std::string{snapshot.table->category},
                 .state_version = snapshot.table->state_version,
                 .stream = snapshot.stream,
                 .log = parts_.store->log_id(),
                 .epoch = parts_.store->epoch(),
                 .version = snapshot.at.version,
                 .tip = snapshot.at.tip,
                 .state = {}};
    if (!snapshot.table->write_state(out.state, snapshot.state.get())) return;
    parts_.snapshots->put(out);
    ++counts_.snapshots_written;
  });
}

}  // namespace stele::decide
