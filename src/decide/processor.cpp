// Threads: submitting, sleeping, stopping. What happens to a command is in processor_flow.cpp.

#include "decide/processor.h"

#include <future>
#include <utility>

#include "decide/processor_impl.h"

namespace stele::decide {
namespace {

constexpr std::chrono::microseconds sweep_interval = std::chrono::milliseconds{20};
constexpr std::chrono::microseconds idle_nap = std::chrono::seconds{1};

}  // namespace

CommandProcessor::Impl::Impl(const ProcessorParts& given)
    : parts_{given},
      random_{make_system_random()},
      pool_{std::max<std::size_t>(given.limits.loader_threads, 1)},
      cache_{given.limits.states_size_max},
      thread_{[this] { run(); }} {}

std::optional<Error> CommandProcessor::Impl::refusal_unlocked() const {
  if (stopping_) {
    return Error{.code = Errc::shutting_down,
                 .message = "The command processor is stopping; nothing was done."};
  }
  if (counts_.live >= parts_.limits.commands_max) {
    return Error{
        .code = Errc::overloaded,
        .message = std::to_string(parts_.limits.commands_max) +
                   " commands wait already (commands_max); nothing was done. Retry later."};
  }
  return std::nullopt;
}

void CommandProcessor::Impl::submit(CommandCall call, Answer answer) {
  auto job = std::make_unique<Job>();
  job->idempotent = call.options.id.has_value();
  job->id = call.options.id.value_or(AppendId{});
  // On the caller's thread: writing the body costs more than the decision.
  job->digest = call.options.digest ? *call.options.digest : digest_of(call);
  job->call = std::move(call);

  std::optional<Error> refusal;
  {
    const std::lock_guard lock{mutex_};
    refusal = refusal_unlocked();
    if (!refusal) {
      ++counts_.live;
      job->answer = std::move(answer);
      submitted_.push_back(std::move(job));
      if (std::exchange(asleep_, false)) completions_.interrupt();
    }
  }
  if (!refusal) return;
  ++counts_.failed;
  answer(std::move(*refusal));  // NOLINT(bugprone-use-after-move): moved only without a refusal.
}

void CommandProcessor::Impl::post(Result_ result) {
  const std::lock_guard lock{mutex_};
  results_.push_back(std::move(result));
  if (std::exchange(asleep_, false)) completions_.interrupt();
}

void CommandProcessor::Impl::run() {
  std::vector<Completion> done;
  std::vector<std::unique_ptr<Job>> submitted;
  std::vector<Result_> results;
  Timestamp give_up_at{};
  while (true) {
    std::chrono::microseconds nap{0};
    {
      const std::lock_guard lock{mutex_};
      nap = nap_unlocked();
      asleep_ = nap.count() > 0;
    }
    completions_.take(done, nap);
    bool stopping = false;
    {
      const std::lock_guard lock{mutex_};
      asleep_ = false;
      submitted.swap(submitted_);
      results.swap(results_);
      stopping = stopping_;
    }
    for (Completion& each : done) completed(each);
    for (Result_& each : results) each();
    results.clear();
    for (auto& each : submitted) accept(std::move(each));
    submitted.clear();
    if (!done.empty() || sent_ == 0) {
      for (auto waiting = std::exchange(backlog_, {}); const JobToken token : waiting) {
        if (Job* job = find(token)) advance(*job);
      }
    }
    sweep_deadlines();
    counts_.evictions += cache_.evict();
    counts_.states = cache_.count();
    counts_.states_size = cache_.size();
    if (!stopping) continue;
    if (micros(give_up_at) == 0) give_up_at = tick() + parts_.limits.drain_timeout;
    if (tick() >= give_up_at) give_up();
    if (jobs_.empty() && sent_ == 0) return;
  }
}

std::chrono::microseconds CommandProcessor::Impl::nap_unlocked() const {
  if (!submitted_.empty() || !results_.empty()) return std::chrono::microseconds{0};
  return jobs_.empty() && !stopping_ ? idle_nap : sweep_interval;
}

Timestamp CommandProcessor::Impl::tick() {
  last_now_ = std::max(last_now_, parts_.clock->now());
  return last_now_;
}

void CommandProcessor::Impl::sweep_deadlines() {
  const Timestamp now = tick();
  if (now < next_sweep_ || jobs_.empty()) return;
  next_sweep_ = now + sweep_interval;
  std::vector<JobToken> late;
  for (const auto& [token, job] : jobs_) {
    if (job->answer && job->deadline <= now) late.push_back(token);
  }
  for (const JobToken token : late) {
    Job* job = find(token);
    if (job == nullptr) continue;
    // What was sent is still in the store's hands: the job stays until its completion comes.
    const bool sent = job->stage == Job::Stage::sent;
    Error error{.code = Errc::outcome_unknown,
                .message = sent ? "The deadline passed while the answer was being made durable. "
                                  "Ask again with the same key."
                                : "The deadline passed while the command waited for its turn. Ask "
                                  "again with the same key."};
    if (sent) {
      reply(*job, std::move(error));
    } else {
      finish(*job, std::move(error));
    }
  }
}

void CommandProcessor::Impl::give_up() {
  std::vector<JobToken> all;
  for (const auto& [token, job] : jobs_) all.push_back(token);
  for (const JobToken token : all) {
    Job* job = find(token);
    if (job == nullptr) continue;
    if (job->stage == Job::Stage::sent) {
      reply(*job, Error{.code = Errc::outcome_unknown,
                        .message = "The service stopped before the answer was durable. Ask again "
                                   "with the same key."});
    } else {
      finish(*job, Error{.code = Errc::shutting_down,
                         .message = "The service stopped before the command had its turn; nothing "
                                    "was done."});
    }
  }
}

void CommandProcessor::Impl::stop() {
  std::call_once(stopped_, [this] {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    completions_.interrupt();
    thread_.join();
    pool_.stop();
  });
}

ProcessorStats CommandProcessor::Impl::stats() const {
  return {.accepted = counts_.accepted,
          .rejected = counts_.rejected,
          .replayed = counts_.replayed,
          .failed = counts_.failed,
          .conflicts = counts_.conflicts,
          .loads = counts_.loads,
          .snapshots_used = counts_.snapshots_used,
          .snapshots_written = counts_.snapshots_written,
          .evictions = counts_.evictions,
          .waiting = counts_.live,
          .states = counts_.states,
          .states_size = counts_.states_size};
}

CommandProcessor::CommandProcessor(const ProcessorParts& parts)
    : impl_{std::make_unique<Impl>(parts)} {}
CommandProcessor::~CommandProcessor() = default;
void CommandProcessor::submit(CommandCall call, Answer answer) {
  impl_->submit(std::move(call), std::move(answer));
}
void CommandProcessor::stop() { impl_->stop(); }
ProcessorStats CommandProcessor::stats() const { return impl_->stats(); }

CommandResult CommandProcessor::run(CommandCall call) {
  std::promise<CommandResult> promise;
  auto answer = promise.get_future();
  submit(std::move(call), [&](CommandResult result) { promise.set_value(std::move(result)); });
  return answer.get();
}

}  // namespace stele::decide
