// Staging: from a judged append to a frame in the open group.

#include "log/tail.h"

#include <algorithm>
#include <utility>

namespace stele::log {
namespace {

// A blocking append waits for room so many times, each at most `room_wait`.
constexpr std::size_t room_waits_max = 1'000;
constexpr auto room_wait = std::chrono::milliseconds{10};

Result<AppendOutcome> told(std::optional<Error> error, AppendOutcome outcome) {
  if (error) return std::unexpected{std::move(*error)};
  return outcome;
}

}  // namespace

Tail::Tail(Disk& disk, const Environment& environment, const Options& options, TailStart start,
           SpareSegment& spare)
    : disk_{disk},
      clock_{environment.clock},
      on_fatal_{environment.on_fatal},
      options_{options},
      spare_{spare},
      folder_{std::move(start.folder)},
      log_id_{start.log_id},
      salt_{start.salt},
      log_seed_{log_seed(start.salt)},
      epoch_{start.epoch},
      durable_position_{number(start.end)},
      durable_group_{start.next_group - 1},
      frames_written_{start.frames},
      chain_{std::move(start.chain)},
      segment_first_{start.layout->open.back()->first()},
      durable_recorded_at_{start.last_recorded_at},
      layout_{start.layout},
      open_{start.layout->open},
      full_{start.full.begin(), start.full.end()},
      has_sync_thread_{options.background},
      mark_due_{!start.ends_with_mark},
      next_position_{number(start.end) + 1},
      next_group_{start.next_group},
      next_offset_{start.next_offset},
      last_recorded_at_{start.last_recorded_at} {}

Result<AppendOutcome> Tail::append(Submission& submission) {
  Lock lock{mutex_};
  Judgement judged = submit(submission, lock, true);
  if (judged.verdict == Verdict::refused) return std::unexpected{std::move(*judged.error)};
  const std::shared_ptr<GroupEnd> end = join_last_group();
  if (end) {
    ++groups_.back()->waiting;
    if (role_taken_) {
      lock.unlock();
      end->wait();
    } else {
      role_taken_ = true;
      lead(lock, *end);
    }
    if (end->error()) return std::unexpected{*end->error()};
  }
  return told(std::move(judged.error), std::move(judged.outcome));
}

Result<void> Tail::append_async(Submission& submission, CompletionQueue& queue,
                                std::uint64_t token) {
  Lock lock{mutex_};
  Judgement judged = submit(submission, lock, false);
  if (judged.verdict == Verdict::refused) return std::unexpected{std::move(*judged.error)};
  Completion completion{.token = token,
                        .outcome = told(std::move(judged.error), std::move(judged.outcome))};
  if (groups_.empty()) {
    lock.unlock();
    queue.push(std::move(completion));
    return {};
  }
  groups_.back()->answers.push_back({.queue = &queue, .completion = std::move(completion)});
  if (!role_taken_ && has_sync_thread_) {
    role_taken_ = true;
    role_offered_ = true;
    work_.notify_one();
  }
  return {};
}

std::shared_ptr<GroupEnd> Tail::join_last_group() {
  return groups_.empty() ? nullptr : groups_.back()->end;
}

Tail::Judgement Tail::submit(Submission& submission, Lock& lock, bool may_wait) {
  // What needs reads is proven before the first judgement: a condition over what is durable, and
  // the id in sealed segments.
  bool prove_first = !submission.condition.empty() || submission.floor != layout_->floor();
  for (std::size_t waits = 0;;) {
    Judgement judged{.verdict = Verdict::unproven};
    if (!std::exchange(prove_first, false)) judged = judge(submission);
    if (judged.verdict == Verdict::unproven) {
      const LayoutPtr layout = layout_;
      lock.unlock();
      auto proven = prove(submission, *layout);
      lock.lock();
      if (proven) continue;
      return {.verdict = Verdict::refused, .error = std::move(proven.error())};
    }
    if (judged.verdict == Verdict::accepted) {
      const Verdict room = room_for(submission.encoded.size());
      if (room == Verdict::refused) {
        return {.verdict = Verdict::refused, .error = disk_full_};
      }
      if (room == Verdict::no_room && may_wait && waits++ < room_waits_max) {
        wait_for_room(lock);
        continue;
      }
      if (room == Verdict::no_room) {
        return {
            .verdict = Verdict::refused,
            .error = Error{Errc::overloaded, "The log has " + std::to_string(staged_size_) +
                                                 " bytes that wait for the disk, of " +
                                                 std::to_string(options_.staged_size_max) +
                                                 " allowed; take answers before you append more."}};
      }
      stage(submission, judged);
    }
    const Timestamp now = clock_.now();
    last_append_at_ = now;
    gather_policy_.arrived(now);
    if (gathering_ && gather_policy_.cohort_is_here()) work_.notify_one();
    return judged;
  }
}

void Tail::wait_for_room(Lock& lock) {
  if (!role_taken_ && !groups_.empty()) {
    role_taken_ = true;
    commit_front(lock);
    release_role(lock);
    return;
  }
  room_.wait_for(lock, room_wait);
}

Tail::Verdict Tail::room_for(std::size_t frame_size) const {
  if (!groups_.empty() && staged_size_ + frame_size > options_.staged_size_max) {
    return Verdict::no_room;
  }
  if (!needs_roll(frame_size)) return Verdict::accepted;
  if (disk_full_) return Verdict::refused;
  return Verdict::accepted;
}

Group* Tail::open_group_for(std::size_t frame_size) const {
  if (groups_.empty()) return nullptr;
  Group& last = *groups_.back();
  if (last.closed || last.size + frame_size > options_.group_size_max) return nullptr;
  // The last page of a segment is kept for a mark.
  const std::uint64_t end = last.offset + padded(last.size + frame_size) + group_alignment;
  return end <= last.segment->capacity() ? &last : nullptr;
}

bool Tail::needs_roll(std::size_t frame_size) const {
  if (open_group_for(frame_size) != nullptr) return false;
  const OpenSegment& segment = *open_.back();
  if (segment.index().size() == 0) return false;  // It grows instead: its name is taken.
  std::uint64_t at = next_offset_;
  if (!groups_.empty() && !groups_.back()->closed) at = groups_.back()->end_offset();
  return at + padded(group_header_size + frame_size) + group_alignment > segment.capacity();
}

Group& Tail::group_for(std::size_t frame_size) {
  if (Group* open = open_group_for(frame_size)) return *open;
  const bool rolls = needs_roll(frame_size);
  if (!groups_.empty() && !groups_.back()->closed) close(*groups_.back());
  if (rolls) roll();
  OpenSegment& segment = *open_.back();
  const std::uint64_t end = next_offset_ + padded(group_header_size + frame_size) + group_alignment;
  if (end > segment.capacity()) segment.set_capacity(end);
  return add_group();
}

Group& Tail::add_group() {
  auto group = std::make_unique<Group>();
  group->segment = open_.back();
  group->offset = next_offset_;
  group->number = next_group_++;
  group->first = next_position_;
  group->last = Position{number(next_position_) - 1};
  group->bytes = std::move(free_buffer_);
  group->bytes.resize(group_header_size);
  free_buffer_ = {};
  groups_.push_back(std::move(group));
  return *groups_.back();
}

void Tail::roll() {
  SegmentHeader header;
  header.salt = salt_;
  header.first = next_position_;
  open_.push_back(std::make_shared<OpenSegment>(
      header, folder_ + "/" + segment_name(next_position_), options_.segment_size));
  next_offset_ = segment_header_size;
}

void Tail::close(Group& group) {
  group.closed = true;
  group.bytes.resize(padded(group.size));
  next_offset_ = group.end_offset();
}

void Tail::stage(Submission& submission, Judgement& judged) {
  const std::size_t size = submission.encoded.size();
  Group& group = group_for(size);
  // By the time the frame is in its place, the index's memory is in the processor's cache.
  for (const IndexedEvent& event : submission.events) group.segment->index().prefetch(event);
  const Position first = next_position_;
  last_recorded_at_ = std::max(clock_.now(), last_recorded_at_);
  submission.encoded.patch(first, last_recorded_at_, judged.before, log_seed_);

  std::size_t next = 0;
  Appended answer;
  answer.id = submission.id;
  answer.digest = submission.digest;
  answer.first = first;
  answer.last = Position{number(first) + submission.events.size() - 1};
  answer.recorded_at = last_recorded_at_;
  answer.streams.reserve(submission.streams.size());
  for (std::size_t i = 0; i < submission.streams.size(); ++i) {
    const StreamDemand& demand = submission.streams[i];
    StreamState state = judged.before[i];
    for (std::uint32_t k = 0; k < demand.events; ++k) {
      IndexedEvent& event = submission.events[next++];
      event.version = Version{number(state.version) + k + 1};
    }
    if (demand.events != 0) {
      state = {.version = Version{number(state.version) + demand.events}, .tip = demand.last_tip};
    }
    answer.streams.push_back(state);
  }
  const auto frame_offset = static_cast<std::uint32_t>(group.offset + group.size);
  const auto bytes = submission.encoded.bytes();
  group.bytes.insert(group.bytes.end(), bytes.begin(), bytes.end());
  group.size += size;
  group.segment->add_frame(submission.id_hash, frame_offset, submission.events);
  group.last = answer.last;
  group.last_recorded_at = last_recorded_at_;
  ++group.frames;
  next_position_ = Position{number(answer.last) + 1};
  staged_size_ += size;
  judged.verdict = Verdict::answered;
  judged.outcome = std::move(answer);
}

Snapshot Tail::snapshot() const {
  const Lock lock{mutex_};
  return {.layout = layout_, .end = log_end()};
}

Position Tail::wait(Position after, std::chrono::microseconds timeout) const {
  if (number(log_end()) > number(after)) return log_end();
  Lock lock{mutex_};
  const std::uint64_t wakes = wakes_;
  ++enders_;
  ended_.wait_for(lock, timeout, [&] {
    return number(log_end()) > number(after) || wakes_ != wakes || stopping_;
  });
  --enders_;
  return log_end();
}

void Tail::wake() {
  const Lock lock{mutex_};
  ++wakes_;
  ended_.notify_all();
}

void Tail::stop() {
  const Lock lock{mutex_};
  stopping_ = true;
  work_.notify_all();
  room_.notify_all();
  ended_.notify_all();
}

std::optional<SealRequest> Tail::next_to_seal() const {
  const Lock lock{mutex_};
  if (full_.empty()) return std::nullopt;
  const FullSegment& full = full_.front();
  return SealRequest{.folder = folder_,
                     .first = full.first,
                     .last = full.last,
                     .next_group = full.next_group,
                     .chain_after = full.chain_after};
}

std::weak_ptr<const OpenSegment> Tail::replace(std::shared_ptr<const SealedSegment> sealed) {
  const Lock lock{mutex_};
  auto layout = std::make_shared<Layout>(*layout_);
  layout->open.erase(layout->open.begin());
  layout->sealed.push_back(std::move(sealed));
  layout_ = std::move(layout);
  std::weak_ptr<const OpenSegment> replaced = open_.front();
  open_.erase(open_.begin());
  full_.pop_front();
  room_.notify_all();
  return replaced;
}

Tail::SpareNeed Tail::spare_need() const {
  const Lock lock{mutex_};
  if (disk_full_) return SpareNeed::soon;
  if (!open_.back()->has_file()) return SpareNeed::none;
  const std::uint64_t capacity = open_.back()->capacity();
  if (next_offset_ > capacity / 2) return SpareNeed::at_once;
  return next_offset_ > capacity / 4 || !full_.empty() ? SpareNeed::soon : SpareNeed::none;
}

void Tail::set_disk_full(std::optional<Error> error) {
  const Lock lock{mutex_};
  disk_full_ = std::move(error);
  if (disk_full_) disk_full_->code = Errc::log_full;  // What an appender is told.
}

LogStats Tail::stats() const {
  const Lock lock{mutex_};
  LogStats out = stats_;
  out.staged_bytes = staged_size_;
  out.unsealed_segments = open_.size();
  out.sealed_segments = layout_->sealed.size();
  out.disk_full = disk_full_.has_value();
  out.failed = failed_.has_value();
  return out;
}

}  // namespace stele::log
