// Module: log
// The growing end of the log: judges appends, numbers them, collects them in groups, and makes the
// groups durable one after the other. The one lock of the write path is here; no I/O happens under
// it.
//
//   submit ----> judge --(something is missing)--> prove, outside the lock ----> judge again
//                  |
//                  +--(answered)--> the answer joins the last group that waits, or is given at once
//                  +--(accepted)--> the frame joins the open group
//
//   the role:  free ---(a blocking append finds nothing under way)---> its thread
//              free ---(an asynchronous append, a mark)--------------> the sync thread
//              its thread ---(its own group is done, others wait)----> the sync thread
//
// All members are thread-safe unless said.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/gather.h"
#include "log/group.h"
#include "log/layout.h"
#include "log/log.h"
#include "log/seal_segment.h"
#include "log/spare_segment.h"
#include "log/submission.h"

namespace stele::log {

/// An open segment that nothing is added to any more.
struct FullSegment {
  Position first{};
  Position last{};
  std::uint64_t next_group = 0;
  ChainHash chain_after{};
};

/// Where a log stands after it was opened (recovery.h).
struct TailStart {
  std::string folder;  ///< Of the segments.
  LogId log_id;
  std::uint64_t salt = 0;
  Epoch epoch{1};
  LayoutPtr layout = nullptr;
  std::vector<FullSegment> full = {};  ///< All open segments but the last.
  Position end{};                      ///< The last durable position.
  std::uint64_t next_group = 1;
  std::uint64_t next_offset = segment_header_size;  ///< In the last open segment.
  std::uint64_t frames = 0;                         ///< In the whole log.
  FrameChain chain{ChainHash{}};                    ///< After all frames of the last open segment.
  Timestamp last_recorded_at{};
  bool ends_with_mark = false;
};

class Tail {
 public:
  Tail(Disk& disk, const Environment& environment, const Options& options, TailStart start,
       SpareSegment& spare);
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  /// Judges, stages, and waits until the answer is durable.
  [[nodiscard]] Result<AppendOutcome> append(Submission& submission);
  /// Judges and stages; the answer goes to `queue`.
  [[nodiscard]] Result<void> append_async(Submission& submission, CompletionQueue& queue,
                                          std::uint64_t token);

  [[nodiscard]] Snapshot snapshot() const;
  [[nodiscard]] Position log_end() const { return Position{durable_position_.load()}; }
  [[nodiscard]] Position wait(Position after, std::chrono::microseconds timeout) const;
  void wake();

  /// The body of the sync thread; returns after `stop`, when nothing is left to write.
  void run_sync_thread();
  /// Refuses new appends and lets the sync thread end.
  void stop();
  /// Takes the role if it is free and writes all that waits. False if there was nothing to write.
  bool flush();
  /// Writes an idle mark if frames were written since the last. Errors: of the write.
  [[nodiscard]] Result<void> mark();

  /// The oldest full segment that is durable and unsealed, if any.
  [[nodiscard]] std::optional<SealRequest> next_to_seal() const;
  /// Puts a sealed segment in the place of the open one with the same first position.
  /// The open one is gone once no reader holds it.
  std::weak_ptr<const OpenSegment> replace(std::shared_ptr<const SealedSegment> sealed);
  /// How soon the next segment's file will be needed: `soon` once a quarter of the last segment is
  /// used or another one waits to be sealed, `at_once` once half of it is used.
  enum class SpareNeed : std::uint8_t { none, soon, at_once };
  [[nodiscard]] SpareNeed spare_need() const;
  /// Tells whether the disk had room for what was tried last. Appends that need a new segment are
  /// refused while it has not.
  void set_disk_full(std::optional<Error> error);

  [[nodiscard]] LogStats stats() const;

 private:
  enum class Verdict : std::uint8_t {
    accepted,  // Stage it.
    answered,  // `outcome` is the answer.
    unproven,  // Call `prove`.
    no_room,   // Too much is staged.
    refused,   // `error`; nothing was judged.
  };
  struct Judgement {
    Verdict verdict = Verdict::accepted;
    AppendOutcome outcome = Conflict{};
    std::optional<Error> error = std::nullopt;  // Also of an answer (id_reused).
    std::vector<StreamState> before = {};       // By stream, if accepted.
  };
  using Lock = std::unique_lock<std::mutex>;
  struct Found {
    StreamEntry entry;
    const OpenSegment* segment = nullptr;
  };

  // Judging (tail_judge.cpp). The lock is held.
  [[nodiscard]] Judgement judge(Submission& submission) const;
  [[nodiscard]] std::optional<Error> refusal() const;
  [[nodiscard]] bool look_for_id(Submission& submission) const;
  [[nodiscard]] bool find_streams(Submission& submission, std::vector<StreamState>& states,
                                  std::vector<std::optional<Found>>& found) const;
  [[nodiscard]] bool check_condition(Submission& submission) const;
  [[nodiscard]] bool check_condition_in(Submission& submission, const OpenSegment& segment) const;
  [[nodiscard]] bool confirm_conflict(Submission& submission, std::size_t index,
                                      const Found& found) const;
  [[nodiscard]] std::optional<FrameView> staged_frame(const OpenSegment& segment,
                                                      Ordinal ordinal) const;
  [[nodiscard]] Judgement answer_known(const Submission& submission) const;
  [[nodiscard]] Appended answer_pure_check(const Submission& submission,
                                           const std::vector<StreamState>& states) const;

  // Staging (tail.cpp). The lock is held.
  [[nodiscard]] Judgement submit(Submission& submission, Lock& lock, bool may_wait);
  void wait_for_room(Lock& lock);
  [[nodiscard]] Verdict room_for(std::size_t frame_size) const;
  [[nodiscard]] Group* open_group_for(std::size_t frame_size) const;
  [[nodiscard]] bool needs_roll(std::size_t frame_size) const;
  Group& group_for(std::size_t frame_size);
  void stage(Submission& submission, Judgement& judgement);
  void close(Group& group);
  void roll();
  Group& add_group();
  [[nodiscard]] std::shared_ptr<GroupEnd> join_last_group();

  // The role (tail_commit.cpp). The lock is held on entry and on return; the caller has the role.
  void commit_front(Lock& lock);
  void lead(Lock& lock, const GroupEnd& until);
  void release_role(Lock& lock);
  void fail_all(Lock& lock, const Error& error);
  void drop_staged(Lock& lock, const Error& error);
  void finish(Lock& lock, std::chrono::microseconds took);
  void answer(Lock& lock, std::vector<std::unique_ptr<Group>> groups,
              const std::optional<Error>& error);
  void gather(Lock& lock);
  void add_mark();
  [[nodiscard]] bool mark_is_due() const;
  void wait_for_work(Lock& lock);

  // Without the lock; the caller has the role.
  [[nodiscard]] Result<void> write(Group& group);
  [[nodiscard]] Result<void> make_file(Group& group);
  [[nodiscard]] Result<void> wait_for_sealing();
  [[nodiscard]] Result<void> take_name_back(const OpenSegment& segment, const Error& error);
  [[nodiscard]] SegmentHeader header_for(const Group& group) const;

  Disk& disk_;
  const Clock& clock_;
  const std::function<void(const Error&)> on_fatal_;
  const Options options_;
  SpareSegment& spare_;
  const std::string folder_;
  const LogId log_id_;
  const std::uint64_t salt_;
  const std::uint32_t log_seed_;
  const Epoch epoch_;

  std::atomic<std::uint64_t> durable_position_;

  // Owned by who has the role:
  std::uint64_t durable_group_;
  std::uint64_t frames_written_;
  FrameChain chain_;
  Position segment_first_;  // Of the segment that was written last.
  Timestamp durable_recorded_at_;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  mutable std::condition_variable work_;   // For the sync thread.
  mutable std::condition_variable room_;   // For those who wait until less is staged or unsealed.
  mutable std::condition_variable ended_;  // For `wait`: the log's end moved.
  LayoutPtr layout_;
  std::vector<std::shared_ptr<OpenSegment>> open_;  // The layout's, and those without a file.
  std::deque<FullSegment> full_;
  std::vector<std::byte> free_buffer_;         // Of a group that is done, for the next.
  std::deque<std::unique_ptr<Group>> groups_;  // The front one may be on its way to the disk.
  bool role_taken_ = false;
  bool role_offered_ = false;  // To the sync thread.
  bool gathering_ = false;
  bool stopping_ = false;
  bool has_sync_thread_ = false;
  bool mark_due_;
  Position next_position_;
  std::uint64_t next_group_;
  std::uint64_t next_offset_;  // Where the next group of the last open segment begins.
  Timestamp last_recorded_at_;
  Timestamp last_append_at_{};
  std::uint64_t staged_size_ = 0;
  GatherPolicy gather_policy_;
  std::optional<Error> failed_;     // After a failed write or sync (I4).
  std::optional<Error> disk_full_;  // No next segment could be made.
  mutable std::size_t enders_ = 0;  // Threads in `wait`.
  std::uint64_t wakes_ = 0;
  LogStats stats_;
};

}  // namespace stele::log
