// The sync role: writing groups, publishing them, answering; and what happens when that fails.

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "log/tail.h"

namespace stele::log {
namespace {

constexpr std::size_t kept_buffer_size_max = 4 * 1'024 * 1'024;  // Bytes; larger ones are freed.

// No file was made: nothing of what is staged has reached the disk, and the disk is as it was.
bool may_be_dropped(const Error& error) {
  return error.code == Errc::read_only || error.code == Errc::overloaded;
}

Error outcome_unknown(const Error& why) {
  return {Errc::outcome_unknown,
          "The disk failed while the append was being written; it may or may not be stored. Ask "
          "again with the same id once the log is open again. The reason: " +
              why.message};
}

}  // namespace

void Tail::run_sync_thread() {
  (void)::pthread_setname_np(::pthread_self(), "stele-sync");
  Lock lock{mutex_};
  for (;;) {
    wait_for_work(lock);
    if (!role_offered_) {
      if (role_taken_) continue;
      if (groups_.empty()) return;  // Stopping, and nothing is left.
      role_taken_ = true;
    }
    role_offered_ = false;
    while (!groups_.empty()) {
      commit_front(lock);
      gather(lock);
    }
    role_taken_ = false;
  }
}

void Tail::wait_for_work(Lock& lock) {
  for (;;) {
    if (role_offered_ || (!role_taken_ && !groups_.empty())) return;
    if (stopping_ && !role_taken_) {
      if (mark_is_due()) add_mark();
      return;
    }
    if (!mark_is_due()) {
      work_.wait(lock);
      continue;
    }
    work_.wait_for(lock, options_.idle_mark_after);
    const bool idle = clock_.now() - last_append_at_ >= options_.idle_mark_after;
    if (idle && mark_is_due() && !role_taken_ && groups_.empty()) add_mark();
  }
}

bool Tail::mark_is_due() const { return mark_due_ && !failed_ && groups_.empty(); }

void Tail::add_mark() { add_group(); }

Result<void> Tail::mark() {
  Lock lock{mutex_};
  if (!mark_is_due() || role_taken_) return {};
  role_taken_ = true;
  add_mark();
  const std::shared_ptr<GroupEnd> end = groups_.back()->end;
  lead(lock, *end);
  if (end->error()) return std::unexpected{*end->error()};
  return {};
}

bool Tail::flush() {
  Lock lock{mutex_};
  if (role_taken_ || groups_.empty()) return false;
  role_taken_ = true;
  const std::shared_ptr<GroupEnd> end = groups_.back()->end;
  lead(lock, *end);
  return true;
}

void Tail::lead(Lock& lock, const GroupEnd& until) {
  while (!until.done()) commit_front(lock);
  release_role(lock);
  lock.unlock();
}

void Tail::release_role(Lock& lock) {
  if (has_sync_thread_ && !groups_.empty()) {
    role_offered_ = true;
    work_.notify_one();
    return;
  }
  while (!groups_.empty()) commit_front(lock);
  role_taken_ = false;
  if (stopping_) work_.notify_all();
}

void Tail::gather(Lock& lock) {
  if (stopping_) return;
  const auto patience = gather_policy_.patience(clock_.now());
  if (patience.count() == 0) return;
  gathering_ = true;
  work_.wait_for(lock, patience, [&] { return gather_policy_.cohort_is_here() || stopping_; });
  gathering_ = false;
}

void Tail::commit_front(Lock& lock) {
  Group& group = *groups_.front();
  if (!group.closed) close(group);
  lock.unlock();
  const Timestamp begin = clock_.now();
  const Result<void> done = write(group);
  const auto took = clock_.now() - begin;
  lock.lock();
  if (done) {
    finish(lock, took);
  } else if (!group.segment->has_file() && may_be_dropped(done.error())) {
    drop_staged(lock, done.error());
  } else {
    fail_all(lock, done.error());
  }
}

void Tail::finish(Lock& lock, std::chrono::microseconds took) {
  std::unique_ptr<Group> group = std::move(groups_.front());
  groups_.pop_front();
  OpenSegment& segment = *group->segment;
  const std::uint64_t events = number(group->last) + 1 - number(segment.first());
  segment.publish(static_cast<Ordinal>(events), group->end_offset());
  durable_position_.store(number(group->last));
  stats_.appends += group->frames;
  stats_.bytes += group->bytes.size();
  ++stats_.syncs;
  staged_size_ -= group->size - group_header_size;
  const bool due = group->frames != 0;
  if (due && !mark_due_ && has_sync_thread_) work_.notify_one();  // It watches for idleness.
  mark_due_ = due;
  if (due || group->waiting != 0 || !group->answers.empty()) {
    gather_policy_.completed(clock_.now(), took, group->answers.size() + group->waiting);
  }
  if (group->bytes.capacity() <= kept_buffer_size_max) {
    free_buffer_ = std::move(group->bytes);
    free_buffer_.clear();
  }
  if (enders_ != 0 && due) ended_.notify_all();
  room_.notify_all();
  std::vector<std::unique_ptr<Group>> done;
  done.push_back(std::move(group));
  answer(lock, std::move(done), std::nullopt);
}

void Tail::answer(Lock& lock, std::vector<std::unique_ptr<Group>> groups,
                  const std::optional<Error>& error) {
  lock.unlock();
  std::vector<Completion> batch;
  for (const auto& group : groups) {
    group->end->finish(error);
    std::vector<Answer>& answers = group->answers;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      Completion& completion = answers[i].completion;
      if (error) completion.outcome = std::unexpected{*error};
      batch.push_back(std::move(completion));
      if (i + 1 == answers.size() || answers[i + 1].queue != answers[i].queue) {
        answers[i].queue->push(batch);
        batch.clear();
      }
    }
  }
  lock.lock();
}

void Tail::fail_all(Lock& lock, const Error& error) {
  failed_ = error;
  std::vector<std::unique_ptr<Group>> lost{std::make_move_iterator(groups_.begin()),
                                           std::make_move_iterator(groups_.end())};
  groups_.clear();
  staged_size_ = 0;
  room_.notify_all();
  answer(lock, std::move(lost), outcome_unknown(error));
  if (!on_fatal_) return;
  lock.unlock();
  on_fatal_(error);
  lock.lock();
}

void Tail::drop_staged(Lock& lock, const Error& error) {
  // I5: all that is staged lies in segments without a file.
  const Group& front = *groups_.front();
  next_position_ = front.first;
  next_group_ = front.number;
  while (!open_.back()->has_file()) open_.pop_back();
  next_offset_ = open_.back()->durable_end();
  std::vector<std::unique_ptr<Group>> dropped{std::make_move_iterator(groups_.begin()),
                                              std::make_move_iterator(groups_.end())};
  groups_.clear();
  staged_size_ = 0;
  Error told = error;
  if (error.code == Errc::read_only) {
    told.code = Errc::log_full;  // What an appender is told.
    disk_full_ = told;
  }
  room_.notify_all();
  answer(lock, std::move(dropped), told);
}

Result<void> Tail::write(Group& group) {
  if (!group.segment->has_file()) {
    if (auto done = make_file(group); !done) return done;
  }
  const GroupHeader header{.number = group.number,
                           .size = static_cast<std::uint32_t>(group.size),
                           .frames = group.frames,
                           .durable_group = durable_group_,
                           .durable_position = log_end(),
                           .first = group.first};
  encode(header, salt_, group.segment->segment_seed(), group.bytes);
  File& file = group.segment->file();
  if (auto done = file.write_at(group.offset, group.bytes); !done) return done;
  if (auto done = file.sync(); !done) return done;
  chain_.add(std::span{group.bytes}.first(group.size).subspan(group_header_size));
  frames_written_ += group.frames;
  durable_group_ = group.number;
  if (group.frames != 0) durable_recorded_at_ = group.last_recorded_at;
  return {};
}

SegmentHeader Tail::header_for(const Group& group) const {
  return {.log_id = log_id_,
          .salt = salt_,
          .epoch = epoch_,
          .first = group.first,
          .first_group = group.number,
          .frames_before = frames_written_,
          .chain = chain_.value(),
          .previous_first = segment_first_,
          .last_recorded_at = durable_recorded_at_,
          .made_at = clock_.now()};
}

Result<void> Tail::take_name_back(const OpenSegment& segment, const Error& error) {
  // The name may be there, in the cache or on the platter. Going on in the segment before would
  // contradict it, unless it is gone for sure.
  auto gone = disk_.remove(segment.path());
  if (gone || gone.error().code == Errc::not_found) gone = disk_.sync_folder(folder_);
  if (gone) return std::unexpected{error};
  return fail(Errc::unavailable, error.message);
}

Result<void> Tail::wait_for_sealing() {
  // Without a background nobody would seal while we wait.
  if (!options_.background) return {};
  Lock lock{mutex_};
  const bool room = room_.wait_for(lock, options_.sealing_wait_max, [&] {
    return stopping_ || layout_->open.size() < options_.unsealed_segments_max;
  });
  if (room) return {};
  return fail(Errc::overloaded,
              std::to_string(layout_->open.size()) +
                  " segments wait to be sealed, and none was for " +
                  std::to_string(options_.sealing_wait_max.count()) +
                  " ms: is there space on the disk? Nothing of this append is stored; retry "
                  "it later.");
}

Result<void> Tail::make_file(Group& group) {
  if (auto room = wait_for_sealing(); !room) return room;
  const SegmentHeader header = header_for(group);
  auto taken = spare_.take(group.segment->capacity());
  if (!taken) return std::unexpected{taken.error()};
  auto done = taken->file->write_at(0, encode(header));
  if (done) done = taken->file->sync();
  if (!done) return done;
  done = disk_.rename(spare_.taken_path(), group.segment->path());
  if (done) done = disk_.sync_folder(folder_);
  if (!done) return take_name_back(*group.segment, done.error());
  const Lock lock{mutex_};
  group.segment->attach(std::move(taken->file));
  full_.push_back({.first = segment_first_,
                   .last = Position{number(group.first) - 1},
                   .next_group = group.number,
                   .chain_after = header.chain});
  auto layout = std::make_shared<Layout>(*layout_);
  layout->open.push_back(group.segment);
  layout_ = std::move(layout);
  chain_ = FrameChain{header.chain};
  segment_first_ = header.first;
  return {};
}

}  // namespace stele::log
