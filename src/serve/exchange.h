// One request and its answer, on their way between an I/O thread and whoever answers.
//
// Ownership: an I/O thread owns its connections and, of each exchange, `ready` and `connection`.
// Who answers claims the exchange first (one atomic, so that the deadline, the handler and a lost
// client never answer twice), fills in the answer, and puts the exchange into the thread's
// mailbox, whose mutex publishes it.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/chunk.h"
#include "serve/http.h"
#include "serve/router.h"

namespace stele::serve {

class Exchange;

/// What a mail is about.
enum class MailKind : std::uint8_t {
  answered,  ///< The exchange has its answer.
  pulled,    ///< A piece of its stream was made.
  woken,     ///< Its idle stream may have more.
};

/// A connection as its exchanges see it. Called on its I/O thread only.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void deliver(Exchange& exchange, MailKind kind) = 0;
};

/// Carries exchanges to an I/O thread. Wakes the thread only when the box was empty, so that a
/// batch of answers costs one wake-up. Thread-safe.
class Mailbox {
 public:
  struct Mail {
    std::shared_ptr<Exchange> exchange;
    MailKind kind;
  };

  /// `notify` makes the owner call `take` soon; it is called from any thread.
  explicit Mailbox(std::function<void()> notify) : notify_{std::move(notify)} {}

  /// Called by the owner's thread, once, before anything is pushed.
  void set_owner() { owner_ = std::this_thread::get_id(); }
  /// On the owner's thread: delivered at once. After `close`: dropped.
  void push(std::shared_ptr<Exchange> exchange, MailKind kind);
  void take(std::vector<Mail>& out);  ///< `out` is cleared first.
  void close();

 private:
  std::function<void()> notify_;
  std::thread::id owner_;
  std::mutex mutex_;
  std::vector<Mail> mails_;  // Guarded by mutex_.
  bool open_ = true;         // Guarded by mutex_.
};

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<Mailbox> mailbox) : mailbox_{std::move(mailbox)} {}

  Request request;
  std::string decoded;      // What the request's decoded views point into.
  std::string joined_body;  // The body, if it came in chunks.
  ChunkRef bytes;           // What the request's other views point into.
  const Route* route = nullptr;
  bool http_1_0 = false;
  bool keep_alive = true;

  Response response;                     // Written by the one who claimed.
  std::unique_ptr<StreamSource> source;  // Of a streamed answer.
  std::string piece;                     // Written by a worker between `pulled` mails.
  StreamSource::Next piece_next = StreamSource::Next::more;
  bool piece_failed = false;

  Connection* connection = nullptr;  // I/O thread only; null once the connection is gone.
  bool ready = false;                // I/O thread only: the answer is complete.

  /// True for the one who may answer.
  [[nodiscard]] bool claim() noexcept { return !claimed_.exchange(true); }
  [[nodiscard]] bool cancelled() const noexcept {
    return gone_.load(std::memory_order_relaxed) || claimed_.load(std::memory_order_relaxed);
  }
  void cancel() noexcept { gone_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool claimed() const noexcept { return claimed_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_relaxed); }

  void answer(Response with);
  void answer_stream(Response head, std::unique_ptr<StreamSource> from);
  void mail(MailKind kind) { mailbox_->push(shared_from_this(), kind); }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::atomic<bool> claimed_{false};
  std::atomic<bool> gone_{false};
};

}  // namespace stele::serve
