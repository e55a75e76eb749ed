// A sink that fails when it is told to, in front of a real one.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "projection/generations.h"

namespace stele::projection::testing {

/// When the sink fails. Shared by the test and the sinks that it makes; thread-safe.
struct Faults {
  std::atomic<int> calls_left{-1};        ///< Calls that succeed before one fails; -1: never fails.
  std::atomic<int> lost_answers{0};       ///< Commits that are stored but said to have failed.
  std::atomic<bool> broken{false};        ///< Every call fails.
  std::atomic<std::uint64_t> commits{0};  ///< Calls of commit that were stored.

  std::function<void()> before_commit;  ///< Called first, if it is set; before the engine starts.

  std::atomic<std::uint64_t> strikes{0};  ///< Calls that failed by `calls_left`.

  bool strike() {
    if (broken) return true;
    int left = calls_left;
    while (left >= 0 && !calls_left.compare_exchange_weak(left, left - 1)) {
    }
    if (left == 0) ++strikes;
    return left == 0;
  }
};

/// Fails before the call reaches the real sink, or after a commit whose answer is lost.
class FlakySink final : public Sink {
 public:
  FlakySink(std::unique_ptr<Sink> sink, Faults& faults) : sink_{std::move(sink)}, faults_{faults} {}

  [[nodiscard]] Result<std::optional<Checkpoint>> open(const ProjectionSpec& spec) override {
    if (faults_.strike()) return struck();
    return sink_->open(spec);
  }
  [[nodiscard]] Result<void> begin() override {
    if (faults_.strike()) return struck();
    return sink_->begin();
  }
  [[nodiscard]] Result<void> load(std::span<const std::string_view> keys,
                                  const OnRow& on_row) override {
    if (faults_.strike()) return struck();
    return sink_->load(keys, on_row);
  }
  [[nodiscard]] Result<void> put(const RowWrite& row) override {
    if (faults_.strike()) return struck();
    return sink_->put(row);
  }
  [[nodiscard]] Result<std::vector<Parked>> parked() override {
    if (faults_.strike()) return struck();
    return sink_->parked();
  }
  [[nodiscard]] Result<void> park(const Parked& parked) override {
    if (faults_.strike()) return struck();
    return sink_->park(parked);
  }
  [[nodiscard]] Result<void> unpark(std::string_view key) override {
    if (faults_.strike()) return struck();
    return sink_->unpark(key);
  }
  [[nodiscard]] Result<void> clear(Position after, Position shown_from) override {
    if (faults_.strike()) return struck();
    return sink_->clear(after, shown_from);
  }
  [[nodiscard]] Result<void> commit(const Checkpoint& checkpoint) override {
    if (faults_.before_commit) faults_.before_commit();
    if (faults_.strike()) return struck();
    auto done = sink_->commit(checkpoint);
    if (!done) return done;
    ++faults_.commits;
    if (faults_.lost_answers > 0) {
      --faults_.lost_answers;
      return struck();
    }
    return done;
  }
  void abandon() noexcept override { sink_->abandon(); }
  [[nodiscard]] SqlClient* sql() noexcept override { return sink_->sql(); }
  [[nodiscard]] Position shown_from() const noexcept override { return sink_->shown_from(); }
  [[nodiscard]] bool atomic() const noexcept override { return sink_->atomic(); }
  [[nodiscard]] std::string place() const override { return sink_->place(); }

 private:
  static std::unexpected<Error> struck() {
    return fail(Errc::unavailable, "The sink was told to fail.");
  }

  std::unique_ptr<Sink> sink_;
  Faults& faults_;
};

/// Real generations whose sinks, and whose changes of the catalogue, fail when they are told to.
class FlakyGenerations final : public GenerationStore {
 public:
  FlakyGenerations(std::shared_ptr<GenerationStore> generations, Faults& faults)
      : generations_{std::move(generations)}, faults_{faults} {}

  [[nodiscard]] Result<Catalogue> load(std::string_view name) override {
    if (faults_.strike()) return struck();
    return generations_->load(name);
  }
  [[nodiscard]] Result<void> save(std::string_view name, const Catalogue& next) override {
    if (faults_.strike()) return struck();
    return generations_->save(name, next);
  }
  [[nodiscard]] std::unique_ptr<Sink> make_sink() override {
    return std::make_unique<FlakySink>(generations_->make_sink(), faults_);
  }
  [[nodiscard]] Result<std::vector<int>> list(std::string_view name) override {
    return generations_->list(name);
  }
  [[nodiscard]] Result<void> drop(std::string_view name, int generation) override {
    if (faults_.strike()) return struck();
    return generations_->drop(name, generation);
  }

 private:
  static std::unexpected<Error> struck() {
    return fail(Errc::unavailable, "The generations were told to fail.");
  }

  std::shared_ptr<GenerationStore> generations_;
  Faults& faults_;
};

}  // namespace stele::projection::testing
