// Module: store
// The event store over the embedded log (log/log.h): the log knows nothing of the contract's
// checks, the contract knows nothing of segments.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "log/disk.h"
#include "log/log.h"
#include "stele/event_store.h"
#include "store/append_source.h"

namespace stele::store {

class EmbeddedStore final : public EventStore, public AppendSource {
 public:
  /// As open_embedded_store, for those who bring their own disk, clock, random source or options;
  /// what is missing is the machine's. `clock` must outlive the store. Without `on_fatal` the
  /// program ends with code 9 after a failed sync.
  struct Setup {
    std::string data;
    log::Options options = {};
    std::unique_ptr<log::Disk> disk = nullptr;
    const Clock& clock = system_clock();
    std::unique_ptr<RandomSource> random = nullptr;
    std::function<void(const Error&)> on_fatal = {};
  };
  [[nodiscard]] static Result<std::unique_ptr<EmbeddedStore>> open(Setup setup);

  [[nodiscard]] log::LogStats stats() const { return log_->stats(); }
  [[nodiscard]] log::Log& log() { return *log_; }

  [[nodiscard]] Result<StreamPage> read_stream(std::string_view stream, Version after,
                                               std::size_t limit,
                                               Direction direction) const override;
  [[nodiscard]] Result<ReadPage> read_all(Position after, const Filter& filter,
                                          std::size_t limit) const override;
  [[nodiscard]] Position wait(Position after, std::chrono::microseconds timeout) const override;
  void wake() override;
  [[nodiscard]] Position log_end() const override;
  [[nodiscard]] Result<StreamState> stream_tip(std::string_view stream) const override;
  [[nodiscard]] Result<std::optional<Appended>> find_append(const AppendId& id) const override;
  [[nodiscard]] Result<AppendPage> read_appends(Position after, std::size_t limit) const override;
  [[nodiscard]] LogId log_id() const override;
  [[nodiscard]] Epoch epoch() const override;

 private:
  EmbeddedStore(std::unique_ptr<log::Disk> disk, std::unique_ptr<RandomSource> random);
  Result<AppendOutcome> append_checked(const AppendRequest& request) override;
  Result<void> append_async_checked(const AppendRequest& request, CompletionQueue& queue,
                                    std::uint64_t token) override;

  const std::unique_ptr<log::Disk> disk_;
  const std::unique_ptr<RandomSource> random_;
  std::unique_ptr<log::Log> log_;
};

}  // namespace stele::store
