// The inside of the command processor; see processor.h for what it does and why it is right.

#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "decide/job.h"
#include "decide/worker_pool.h"

namespace stele::decide {

struct CommandProcessor::Impl {
 public:
  explicit Impl(const ProcessorParts& given);
  ~Impl() { stop(); }

  void submit(CommandCall call, Answer answer);
  void stop();
  [[nodiscard]] ProcessorStats stats() const;

 private:
  using Result_ = std::move_only_function<void()>;  // Runs on the decision thread.

  // Any thread.
  void post(Result_ result);
  [[nodiscard]] std::optional<Error> refusal_unlocked() const;

  // The decision thread only, from here on.
  void run();
  std::chrono::microseconds nap_unlocked() const;
  void sweep_deadlines();
  void give_up();
  Timestamp tick();

  void accept(std::unique_ptr<Job> job);
  void look_up(Job& job);
  void looked_up(JobToken token, Result<std::optional<Accepted>> found);
  void advance(Job& job);
  bool resolve(Job& job);
  bool states_ready(Job& job);
  void load(Slot& slot);
  void loaded(Slot& slot, std::uint64_t generation, Result<LoadedState> result);
  void wake(Slot& slot);
  void enter_query_lane(Job& job);
  void query_loaded(JobToken token, Result<LoadedState> result);
  void leave_query_lane(Job& job);

  void decide(Job& job);
  Result<void> note_events(Job& job, const Decision& decision, Timestamp now);
  Result<void> send(Job& job, const Decision& decision);
  void stage(Job& job, const Decision& decision);

  void completed(Completion& done);
  void durable(Job& job, Appended& appended);
  void refused(Job& job, const Conflict& conflict);
  void unstage(Job& job, const Conflict* conflict);
  void finish(Job& job, CommandResult result);
  void reply(Job& job, CommandResult result);
  void retire(Job& job);
  void keep(const PendingSnapshot& snapshot);

  Job* find(JobToken token);

  const ProcessorParts parts_;
  const std::unique_ptr<RandomSource> random_;
  CompletionQueue completions_;
  WorkerPool pool_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::unique_ptr<Job>> submitted_;
  std::vector<Result_> results_;
  bool asleep_ = false;
  bool stopping_ = false;

  // The decision thread's own.
  std::unordered_map<JobToken, std::unique_ptr<Job>> jobs_;
  StateCache cache_;
  std::unordered_map<AppendId, std::deque<JobToken>> same_id_;  // The first is being worked on.
  struct Lane {
    JobToken busy = 0;  // 0: nobody.
    std::deque<JobToken> waiting;
  };
  std::map<const detail::DeciderTable*, Lane> lanes_;
  std::deque<JobToken> backlog_;  // The store was full.
  std::size_t sent_ = 0;          // Completions to come.
  JobToken next_token_ = 1;
  Timestamp last_now_{};
  Timestamp next_sweep_{};

  struct Counts {
    std::atomic<std::uint64_t> accepted{0}, rejected{0}, replayed{0}, failed{0}, conflicts{0},
        loads{0}, snapshots_used{0}, snapshots_written{0}, evictions{0}, live{0}, states{0},
        states_size{0};
  };
  mutable Counts counts_;

  std::once_flag stopped_;
  std::thread thread_;  // Last: started when all else is there.
};

}  // namespace stele::decide
