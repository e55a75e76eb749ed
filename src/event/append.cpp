#include "stele/append.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <utility>

namespace stele {

struct CompletionQueue::State {
  std::mutex mutex;
  std::condition_variable ready;
  std::vector<Completion> done;  // Guarded by mutex.
  bool interrupted = false;      // Guarded by mutex.
  std::size_t waiting = 0;       // Guarded by mutex. Nobody waits: nobody need be woken.
};

CompletionQueue::CompletionQueue() : state_{std::make_unique<State>()} {}

CompletionQueue::~CompletionQueue() {
  // A pusher that made the last completion visible may still be inside `push`.
  const std::lock_guard lock{state_->mutex};
}

std::size_t CompletionQueue::take(std::vector<Completion>& out, std::chrono::microseconds timeout) {
  out.clear();
  State& s = *state_;
  std::unique_lock lock{s.mutex};
  if (s.done.empty() && !s.interrupted && timeout.count() > 0) {
    ++s.waiting;
    s.ready.wait_for(lock, timeout, [&] { return !s.done.empty() || s.interrupted; });
    --s.waiting;
  }
  s.interrupted = false;
  out.swap(s.done);
  return out.size();
}

void CompletionQueue::interrupt() {
  const std::lock_guard lock{state_->mutex};
  state_->interrupted = true;
  state_->ready.notify_one();
}

void CompletionQueue::push(std::vector<Completion>& batch) {
  if (batch.empty()) return;
  State& s = *state_;
  // Notified under the lock: once it is released, the owner may take all and destroy the queue.
  const std::lock_guard lock{s.mutex};
  if (s.done.empty()) {
    s.done.swap(batch);
  } else {
    s.done.insert(s.done.end(), std::make_move_iterator(batch.begin()),
                  std::make_move_iterator(batch.end()));
  }
  batch.clear();
  if (s.waiting > 0) s.ready.notify_one();
}

void CompletionQueue::push(Completion completion) {
  State& s = *state_;
  const std::lock_guard lock{s.mutex};
  s.done.push_back(std::move(completion));
  if (s.waiting > 0) s.ready.notify_one();
}

bool TagList::contains(std::string_view tag) const {
  return std::find(begin(), end(), tag) != end();
}

bool Filter::matches(const EventView& event) const {
  const auto is = [](std::string_view name) {
    return [name](const std::string& wanted) { return wanted == name; };
  };
  if (!types.empty() && std::ranges::none_of(types, is(event.type))) return false;
  if (!categories.empty() && std::ranges::none_of(categories, is(category_of(event.stream)))) {
    return false;
  }
  return std::ranges::all_of(tags,
                             [&](const std::string& tag) { return event.tags.contains(tag); });
}

}  // namespace stele
