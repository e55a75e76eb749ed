#include "store/embedded/embedded_store.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "store/validate.h"

namespace stele {
namespace store {
namespace {

constexpr int exit_sync_failed = 9;

/// No destructors and no flushing: nothing may be written after a failed sync.
[[noreturn]] void end_program(const Error& error) {
  std::fprintf(stderr, "stele: the log stopped after a failed write: %s\n", error.message.c_str());
  std::_Exit(exit_sync_failed);
}

}  // namespace

EmbeddedStore::EmbeddedStore(std::unique_ptr<log::Disk> disk, std::unique_ptr<RandomSource> random)
    : disk_{std::move(disk)}, random_{std::move(random)} {}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(Setup setup) {
  if (!setup.disk) setup.disk = log::make_real_disk();
  if (!setup.random) setup.random = make_system_random();
  if (!setup.on_fatal) setup.on_fatal = end_program;
  std::unique_ptr<EmbeddedStore> store{
      new EmbeddedStore{std::move(setup.disk), std::move(setup.random)}};
  const log::Environment environment{
      .clock = setup.clock, .random = *store->random_, .on_fatal = std::move(setup.on_fatal)};
  auto opened = log::Log::open(*store->disk_, setup.data, environment, setup.options);
  if (!opened) return std::unexpected{opened.error()};
  store->log_ = std::move(*opened);
  return store;
}

Result<StreamPage> EmbeddedStore::read_stream(std::string_view stream, Version after,
                                              std::size_t limit, Direction direction) const {
  if (auto good = check_read_stream(stream, limit); !good) return std::unexpected{good.error()};
  return log_->read_stream(stream, after, limit, direction);
}

Result<ReadPage> EmbeddedStore::read_all(Position after, const Filter& filter,
                                         std::size_t limit) const {
  if (auto good = check_read_all(filter, limit); !good) return std::unexpected{good.error()};
  return log_->read_all(after, filter, limit);
}

Position EmbeddedStore::wait(Position after, std::chrono::microseconds timeout) const {
  return log_->wait(after, timeout);
}

void EmbeddedStore::wake() { log_->wake(); }

Position EmbeddedStore::log_end() const { return log_->log_end(); }

Result<StreamState> EmbeddedStore::stream_tip(std::string_view stream) const {
  if (auto good = check_stream_name(stream); !good) return std::unexpected{good.error()};
  return log_->stream_tip(stream);
}

Result<std::optional<Appended>> EmbeddedStore::find_append(const AppendId& id) const {
  return log_->find_append(id);
}

Result<AppendPage> EmbeddedStore::read_appends(Position after, std::size_t limit) const {
  if (auto good = check_read_all({}, limit); !good) return std::unexpected{good.error()};
  return log_->read_appends(after, limit);
}

LogId EmbeddedStore::log_id() const { return log_->log_id(); }

Epoch EmbeddedStore::epoch() const { return log_->epoch(); }

Result<AppendOutcome> EmbeddedStore::append_checked(const AppendRequest& request) {
  return log_->append(request);
}

Result<void> EmbeddedStore::append_async_checked(const AppendRequest& request,
                                                 CompletionQueue& queue, std::uint64_t token) {
  return log_->append_async(request, queue, token);
}

}  // namespace store

Result<std::unique_ptr<EventStore>> open_embedded_store(const EmbeddedOptions& options) {
  store::EmbeddedStore::Setup setup;
  setup.data = options.data;
  setup.options.read_only = options.read_only;
  auto opened = store::EmbeddedStore::open(std::move(setup));
  if (!opened) return std::unexpected{opened.error()};
  return std::unique_ptr<EventStore>{std::move(*opened)};
}

}  // namespace stele
