// One connection on its I/O thread, and what an I/O thread's connections share. Asio's headers come
// in here: only session.cpp and server.cpp include this file.
//
// A session's life:
//
//   reading --bytes--> parse(): each request is queued and dispatched to its handler
//   deliver(answered) --> flush(): every answer at the front of the queue that is ready goes out in
//                         one write; on_written() goes on with what became ready meanwhile
//   a streamed answer stays at the front: pull (a worker makes a piece) -> write -> pull ...
//   last answer written --> linger(): what still comes is dropped, so that the answer is not lost
//                           to a reset --> close()

#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "observe/logger.h"
#include "observe/metrics.h"
#include "serve/exchange.h"
#include "serve/request_reader.h"
#include "serve/server.h"
#include "serve/workers.h"

namespace stele::serve {

class Session;

/// What every I/O thread of a server shares.
struct ServerContext {
  ServerContext(const ServerOptions& with, const Router& routes, observe::Metrics& numbers,
                observe::Logger& log);

  ServerOptions options;
  const Router& router;
  observe::Metrics& metrics;
  observe::Logger& logger;
  Workers workers;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::uint64_t> connections_named{0};
  std::atomic<std::size_t> buffered_size{0};  // Bytes of large bodies.
  observe::Counter& connections_total;
  observe::Counter& refused_total;
};

/// One I/O thread: its event loop, its connections, its clock.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Loop(ServerContext& context);

  void run();  ///< The thread's body; returns after `stop_running`.
  void stop_running();
  void adopt(std::shared_ptr<Session> session);  ///< On the loop's thread.
  void release(const std::shared_ptr<Session>& session);
  void stop_sessions();   ///< Ends streams; closes each connection when it is done. Any thread.
  void abort_sessions();  ///< Closes all. Any thread.
  void count_answer(const Exchange& exchange, std::size_t size, Clock::time_point now);
  const std::string& date();  ///< The Date header's value.

  ServerContext& context;
  boost::asio::io_context io{1};
  std::shared_ptr<Mailbox> mailbox;
  std::array<char, 64 * 1'024> scratch{};  // For bytes that are read and dropped.
  bool stopping = false;

 private:
  struct RouteNumbers {
    observe::Counter* requests;
    observe::Histogram* seconds;
  };
  void drain_mailbox();
  void arm_tick();
  void log_answer(const Exchange& exchange, std::size_t size, double seconds);

  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer tick_;
  bool ticking_ = false;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  std::vector<Mailbox::Mail> mails_;
  std::map<std::pair<const Route*, int>, RouteNumbers> numbers_;
  std::uint32_t sampled_ = 0;
  std::string date_;
  std::int64_t date_second_ = -1;
};

class Session final : public Connection, public std::enable_shared_from_this<Session> {
 public:
  using Clock = Loop::Clock;

  Session(Loop& loop, boost::asio::ip::tcp::socket socket);

  void start();
  void refuse_connection();  ///< Instead of `start`: 503 and closed.
  void tick(Clock::time_point now);
  void stop();
  void close();
  void deliver(Exchange& exchange, MailKind kind) override;

 private:
  // Reading.
  void read();
  void on_read(std::size_t size);
  void on_end();
  void abort();
  void parse();
  void take_request(Clock::time_point now);
  void dispatch(const std::shared_ptr<Exchange>& exchange);
  [[nodiscard]] bool reserve_body();
  void refuse(Response response);
  void linger();
  void drain();

  // Writing.
  void flush();
  void put_answer(Exchange& exchange);
  void put_stream_head(Exchange& exchange);
  void write();
  void on_written();

  // Streams.
  void pull();
  void put_piece();
  void end_stream();
  void go_on_streaming();

  Loop& loop_;
  ServerContext& context_;
  const std::shared_ptr<ConnectionLife> life_;
  boost::asio::ip::tcp::socket socket_;
  RequestReader reader_;
  std::shared_ptr<Exchange> spare_;              // To read the next request into.
  std::deque<std::shared_ptr<Exchange>> queue_;  // In flight, in the order of their requests.

  std::string out_;          // What is being written, then `big_`.
  std::string big_;          // A large body, not copied.
  std::size_t written_ = 0;  // Of both.

  Clock::time_point phase_since_;  // When the reader's phase began.
  Clock::time_point moved_at_;     // Of the last progress of a write, or a drain's begin.
  Clock::time_point sent_at_;      // When bytes were last handed to the socket.
  std::size_t drained_size_ = 0;
  std::size_t reserved_size_ = 0;
  RequestReader::Phase phase_ = RequestReader::Phase::idle;

  bool reading_ = false;
  bool parsing_ = false;
  bool writing_ = false;
  bool no_more_ = false;       // No request is read any more.
  bool last_written_ = false;  // The connection ends after the write under way.
  bool peer_ended_ = false;    // The client sends no more.
  bool draining_ = false;
  bool closed_ = false;
  bool continue_wanted_ = false;
  bool streaming_ = false;  // The front of the queue is a stream whose head was written.
  bool stream_idle_ = false;
  bool stream_pulling_ = false;
  bool piece_waits_ = false;  // A piece came while a write was under way.
};

}  // namespace stele::serve
