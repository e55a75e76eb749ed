#include "stele/event_store.h"

#include <string>

#include "base/random.h"
#include "store/digest.h"
#include "store/validate.h"

namespace stele {
namespace {

/// An id for an append whose caller gave none. Nothing but uniqueness hangs on it, so each thread
/// has a source of its own.
AppendId fresh_append_id() {
  thread_local const std::unique_ptr<RandomSource> random = make_system_random();
  return make_uuid_v7(system_clock().now(), *random);
}

/// Copies `request` and fills in what is missing.
AppendRequest completed(const AppendRequest& request) {
  AppendRequest out = request;
  if (!out.id) out.id = fresh_append_id();
  if (!out.digest) out.digest = store::digest_of(request);
  return out;
}

bool complete(const AppendRequest& request) {
  return request.id.has_value() && request.digest.has_value();
}

std::unexpected<Error> diverged(std::string why) {
  return fail(Errc::diverged, "The checkpoint does not belong to this log: " + std::move(why) +
                                  ". Rebuild the reader from the beginning.");
}

}  // namespace

Result<AppendOutcome> EventStore::append(const AppendRequest& request) {
  if (auto good = store::check_request(request); !good) return std::unexpected{good.error()};
  return complete(request) ? append_checked(request) : append_checked(completed(request));
}

Result<void> EventStore::append_async(const AppendRequest& request, CompletionQueue& queue,
                                      std::uint64_t token) {
  if (auto good = store::check_request(request); !good) return good;
  if (complete(request)) return append_async_checked(request, queue, token);
  return append_async_checked(completed(request), queue, token);
}

Result<Checkpoint> EventStore::checkpoint_at(Position position) const {
  Checkpoint out{.log = log_id(), .epoch = epoch(), .position = position, .fingerprint = {}};
  if (number(position) == 0) return out;
  const Position end = log_end();
  if (position > end) {
    return diverged("position " + std::to_string(number(position)) +
                    " lies beyond the log's end, " + std::to_string(number(end)));
  }
  const auto page = read_all(Position{number(position) - 1}, {}, 1);
  if (!page) return std::unexpected{page.error()};
  if (page->events.empty() || page->events[0].position != position) {
    return fail(Errc::corrupt, "The event at position " + std::to_string(number(position)) +
                                   " cannot be read, though the log's end is " +
                                   std::to_string(number(end)) + ". Run `stele verify`.");
  }
  out.fingerprint = page->events[0].id;
  return out;
}

Result<void> EventStore::check(const Checkpoint& checkpoint) const {
  if (checkpoint.log != log_id()) {
    return diverged("it is of log " + checkpoint.log.text() + ", this is " + log_id().text());
  }
  if (checkpoint.epoch != epoch()) {
    return diverged("it is of epoch " + std::to_string(number(checkpoint.epoch)) + ", the log is " +
                    "in " + std::to_string(number(epoch())));
  }
  const auto found = checkpoint_at(checkpoint.position);
  if (!found) return std::unexpected{found.error()};
  if (found->fingerprint != checkpoint.fingerprint) {
    return diverged("the event at position " + std::to_string(number(checkpoint.position)) +
                    " is " + found->fingerprint.text() + ", not " + checkpoint.fingerprint.text());
  }
  return {};
}

}  // namespace stele
