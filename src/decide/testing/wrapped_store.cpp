#include "decide/testing/wrapped_store.h"

#include <utility>

namespace stele::testing {

void GatedStore::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
}

void GatedStore::open() {
  release(static_cast<std::size_t>(-1));
  const std::lock_guard lock{mutex_};
  closed_ = false;
  for (Held& each : held_) each.queue->push(std::move(each.completion));
  held_.clear();
}

void GatedStore::release(std::size_t count) {
  const std::lock_guard lock{mutex_};
  for (; count > 0 && !held_.empty(); --count) {
    held_.front().queue->push(std::move(held_.front().completion));
    held_.pop_front();
  }
}

void GatedStore::wait_for(std::size_t count) {
  std::unique_lock lock{mutex_};
  grown_.wait_for(lock, std::chrono::seconds{10}, [&] { return held_.size() >= count; });
}

std::size_t GatedStore::held() {
  const std::lock_guard lock{mutex_};
  return held_.size();
}

Result<void> GatedStore::append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                              std::uint64_t token) {
  Completion completion{.token = token, .outcome = inner_.append(request)};
  const std::lock_guard lock{mutex_};
  if (closed_) {
    held_.push_back({.queue = &queue, .completion = std::move(completion)});
    grown_.notify_all();
  } else {
    queue.push(std::move(completion));
  }
  return {};
}

SlowStore::SlowStore(EventStore& inner) : WrappedStore{inner}, thread_{[this] { let_out(); }} {}

SlowStore::~SlowStore() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  thread_.join();
}

void SlowStore::let_out() {
  while (true) {
    std::this_thread::sleep_for(std::chrono::microseconds{100});
    const std::lock_guard lock{mutex_};
    for (Held& each : held_) each.queue->push(std::move(each.completion));
    held_.clear();
    if (stopping_) return;
  }
}

Result<void> SlowStore::append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                             std::uint64_t token) {
  Completion completion{.token = token, .outcome = inner_.append(request)};
  const std::lock_guard lock{mutex_};
  held_.push_back({.queue = &queue, .completion = std::move(completion)});
  return {};
}

Result<void> FaultyStore::append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                               std::uint64_t token) {
  if (refused_ > 0) {
    --refused_;
    queue.push({.token = token, .outcome = fail(Errc::read_only, "Refused by the test.")});
    return {};
  }
  if (conflicts_ > 0) {
    --conflicts_;
    queue.push({.token = token, .outcome = Conflict{.streams = {{.index = 0, .found = {}}}}});
    return {};
  }
  if (lost_ > 0) {
    --lost_;
    static_cast<void>(inner_.append(request));
    queue.push({.token = token, .outcome = fail(Errc::outcome_unknown, "Lost by the test.")});
    return {};
  }
  return inner_.append_async(request, queue, token);
}

std::vector<StreamAppend> CarelessStore::careless(const AppendRequest& request) const {
  std::vector<StreamAppend> streams{request.streams.begin(), request.streams.end()};
  for (StreamAppend& stream : streams) {
    if (ignores_ == Ignores::everything) stream.expected = Expected::any();
    stream.expected.tip = std::nullopt;
  }
  return streams;
}

Result<AppendOutcome> CarelessStore::append_checked(const AppendRequest& request) {
  const auto streams = careless(request);
  AppendRequest changed = request;
  changed.streams = streams;
  return inner_.append(changed);
}

Result<void> CarelessStore::append_async_checked(const AppendRequest& request,
                                                 CompletionQueue& queue, std::uint64_t token) {
  const auto streams = careless(request);
  AppendRequest changed = request;
  changed.streams = streams;
  return inner_.append_async(changed, queue, token);
}

}  // namespace stele::testing
