// Stores around a store: one that holds answers back, one that fails, one that forgets to check.

#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "stele/event_store.h"

namespace stele::testing {

/// Passes everything on.
class WrappedStore : public EventStore {
 public:
  explicit WrappedStore(EventStore& inner) : inner_{inner} {}

  Result<StreamPage> read_stream(std::string_view stream, Version after, std::size_t limit,
                                 Direction direction) const override {
    return inner_.read_stream(stream, after, limit, direction);
  }
  Result<ReadPage> read_all(Position after, const Filter& filter,
                            std::size_t limit) const override {
    return inner_.read_all(after, filter, limit);
  }
  Position wait(Position after, std::chrono::microseconds timeout) const override {
    return inner_.wait(after, timeout);
  }
  void wake() override { inner_.wake(); }
  Position log_end() const override { return inner_.log_end(); }
  Result<StreamState> stream_tip(std::string_view stream) const override {
    return inner_.stream_tip(stream);
  }
  Result<std::optional<Appended>> find_append(const AppendId& id) const override {
    return inner_.find_append(id);
  }
  LogId log_id() const override { return inner_.log_id(); }
  Epoch epoch() const override { return inner_.epoch(); }

 protected:
  Result<AppendOutcome> append_checked(const AppendRequest& request) override {
    return inner_.append(request);
  }
  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override {
    return inner_.append_async(request, queue, token);
  }

  EventStore& inner_;
};

/// Appends at once, and holds the answers back while it is closed.
class GatedStore final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;

  void close();
  void open();                       // Lets out what it held, and all that comes.
  void release(std::size_t count);   // Lets out the first `count`; stays closed.
  void wait_for(std::size_t count);  // Until it holds that many.
  [[nodiscard]] std::size_t held();

 private:
  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override;

  struct Held {
    CompletionQueue* queue;
    Completion completion;
  };
  std::mutex mutex_;
  std::condition_variable grown_;
  bool closed_ = false;    // Guarded by mutex_.
  std::deque<Held> held_;  // Guarded by mutex_.
};

/// Answers some 100 us after it appended, as a disk would: commands pile up on what is under way.
class SlowStore final : public WrappedStore {
 public:
  explicit SlowStore(EventStore& inner);
  ~SlowStore() override;

 private:
  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override;
  void let_out();

  struct Held {
    CompletionQueue* queue;
    Completion completion;
  };
  std::mutex mutex_;
  std::deque<Held> held_;  // Guarded by mutex_.
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

/// Fails the next appends, in one of three ways.
class FaultyStore final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;

  void lose_answers(int count) { lost_ = count; }   // Stored; answered with outcome_unknown.
  void refuse(int count) { refused_ = count; }      // Not stored; completes with read_only.
  void conflict(int count) { conflicts_ = count; }  // Not stored; answered with a conflict.
  void hide(int count) { hidden_ = count; }         // Look-ups find nothing.

  Result<std::optional<Appended>> find_append(const AppendId& id) const override {
    if (hidden_ > 0 && hidden_.fetch_sub(1) > 0) return std::nullopt;
    return inner_.find_append(id);
  }

 private:
  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override;

  std::atomic<int> lost_{0}, refused_{0}, conflicts_{0};
  mutable std::atomic<int> hidden_{0};
};

/// Ignores what appends expect: the mutant that the linearizability checker must find.
class CarelessStore final : public WrappedStore {
 public:
  enum class Ignores : std::uint8_t { tip, everything };
  CarelessStore(EventStore& inner, Ignores ignores) : WrappedStore{inner}, ignores_{ignores} {}

 private:
  Result<AppendOutcome> append_checked(const AppendRequest& request) override;
  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override;
  [[nodiscard]] std::vector<StreamAppend> careless(const AppendRequest& request) const;

  Ignores ignores_;
};

}  // namespace stele::testing
