// Drives the server over loopback sockets with raw bytes.

#include "serve/server.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "serve/testing/raw_client.h"

namespace stele::serve {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::RawClient;

/// Holds handlers until the test lets them go.
class Gate {
 public:
  void open() {
    const std::lock_guard lock{mutex_};
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock{mutex_};
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void wait_for(int count) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

/// Counts up to `last`, a line a piece; then ends, or stays idle.
class Numbers final : public StreamSource {
 public:
  Numbers(int last, bool endless) : last_{last}, endless_{endless} {}
  Next next(std::string& out) override {
    if (at_ == last_) return endless_ ? Next::idle : Next::end;
    out = std::to_string(++at_) + "\n";
    return Next::more;
  }
  void when_ready(std::function<void()>) override {}
  std::string_view keep_alive() const override { return ":\n"; }

 private:
  int at_ = 0;
  int last_;
  bool endless_;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    router_.add("GET /hello/{name}", [](Request& request, Responder responder) {
      responder.send(Response::text("Hello, " + std::string{request.param("name")}));
    });
    router_.add("GET /hello/world", [](Request&, Responder responder) {
      responder.send(Response::text("The world."));
    });
    router_.add("POST /echo", [](Request& request, Responder responder) {
      responder.send(Response::text(std::string{request.body}));
    });
    router_.add("POST /echo-on-a-worker", blocking([](Request& request) {
                  return Response::text(std::string{request.body});
                }));
    router_.add("GET /gate", blocking([this](Request&) {
                  gate_.pass();
                  return Response::text("Passed.");
                }));
    router_.add("GET /never", [this](Request&, Responder responder) {
      const std::lock_guard lock{kept_mutex_};
      kept_.push_back(std::move(responder));
    });
    router_.add("POST /never", [this](Request&, Responder responder) {
      const std::lock_guard lock{kept_mutex_};
      kept_.push_back(std::move(responder));
    });
    router_.add("GET /dropped", [](Request&, Responder) {});
    router_.add("GET /throws", [](Request&, Responder) { throw std::runtime_error{"No."}; });
    router_.add("GET /large", [](Request&, Responder responder) {
      responder.send(Response::text(std::string(3'000'000, 'x')));
    });
    router_.add("GET /numbers", [](Request&, Responder responder) {
      responder.stream(Response::text(""), std::make_unique<Numbers>(1'000, false));
    });
    router_.add("GET /endless", [](Request&, Responder responder) {
      responder.stream(Response::text(""), std::make_unique<Numbers>(2, true));
    });
    options_.workers = 2;
  }

  void TearDown() override {
    gate_.open();
    if (server_) server_->stop();
  }

  RawClient connect() {
    if (!server_) {
      server_ = std::make_unique<Server>(options_, router_, metrics_);
      EXPECT_TRUE(server_->start());
    }
    return RawClient{server_->port()};
  }

  /// The status of the answer to `bytes`, and whether the connection ends after it.
  std::pair<int, bool> status_and_end(std::string_view bytes) {
    RawClient client = connect();
    client.send(bytes);
    const auto answer = client.answer();
    if (!answer) return {0, true};
    return {answer->status,
            answer->headers.contains("connection") && answer->headers.at("connection") == "close"};
  }

  ServerOptions options_;
  observe::Metrics metrics_;
  Router router_;
  Gate gate_;
  std::mutex kept_mutex_;
  std::vector<Responder> kept_;  // Guarded by kept_mutex_.
  std::unique_ptr<Server> server_;
};

constexpr std::pair refused{400, true};

TEST_F(ServerTest, AnswersARequestAndKeepsTheConnection) {
  RawClient client = connect();

  const Answer first = client.ask("GET", "/hello/you%20there?x=1");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, "Hello, you there");
  EXPECT_TRUE(first.headers.contains("date"));
  EXPECT_FALSE(first.headers.contains("connection"));

  EXPECT_EQ(client.ask("GET", "/hello/world").body, "The world.");
}

TEST_F(ServerTest, ShowsProblemsForUnknownPathsAndMethods) {
  RawClient client = connect();

  const Answer unknown = client.ask("GET", "/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.headers.at("content-type"), "application/problem+json");
  EXPECT_NE(unknown.body.find("\"code\":\"route_unknown\""), std::string::npos);
  EXPECT_NE(unknown.body.find("\"type\":\"/problems/route_unknown\""), std::string::npos);

  const Answer method = client.ask("DELETE", "/hello/you");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.at("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.ask("OPTIONS", "/echo").headers.at("allow"), "POST, OPTIONS");
  EXPECT_EQ(client.ask("GET", "/hello/").status, 404);
  EXPECT_EQ(client.ask("GET", "/hello/%zz").status, 400);
  EXPECT_EQ(client.ask("GET", "/hello/%ff").status, 400);
  EXPECT_EQ(client.ask("GET", "/hello/a?b=%zz").status, 400);
  EXPECT_EQ(client.ask("GET", "/hello/still-here").status, 200);
}

TEST_F(ServerTest, AnswersHeadAsGetWithoutTheBody) {
  RawClient client = connect();

  const Answer head = client.ask("HEAD", "/hello/world");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), "10");
  EXPECT_EQ(client.ask("HEAD", "/numbers").status, 200);
  EXPECT_EQ(client.ask("GET", "/hello/world").body, "The world.");
}

TEST_F(ServerTest, ReadsBodiesWithALengthAndInChunks) {
  RawClient client = connect();
  const std::string large(1'000'000, 'y');

  EXPECT_EQ(client.ask("POST", "/echo", "abc").body, "abc");
  EXPECT_EQ(client.ask("POST", "/echo", large).body, large);
  EXPECT_EQ(client.ask("POST", "/echo-on-a-worker", large).body, large);
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;x=\"y\"\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n"
      "GET /hello/next HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.answer()->body, "abcdefg");
  EXPECT_EQ(client.answer()->body, "Hello, next");
}

TEST_F(ServerTest, ReadsARequestThatComesByteByByte) {
  RawClient client = connect();
  const std::string_view bytes =
      "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz";
  for (const char c : bytes) {
    client.send({&c, 1});
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(client.answer()->body, "abcd");
  EXPECT_EQ(client.answer()->body, "xyz");
}

TEST_F(ServerTest, AnswersPipelinedRequestsInTheirOrder) {
  RawClient client = connect();
  std::string bytes = "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 300; ++i) {
    bytes += "GET /hello/" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  client.send(bytes);
  gate_.wait_for(1);
  EXPECT_FALSE(client.answer(false, 50ms));
  gate_.open();

  EXPECT_EQ(client.answer()->body, "Passed.");
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(client.answer()->body, "Hello, " + std::to_string(i));
  }
}

TEST_F(ServerTest, RefusesEveryShapeThatTwoReadersCouldReadDifferently) {
  const std::string start = "POST /echo HTTP/1.1\r\nHost: a\r\n";
  const auto with = [&](std::string_view rest) {
    return status_and_end(start + std::string{rest});
  };

  EXPECT_EQ(with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), refused);
  EXPECT_EQ(with("Content-Length: 3, 3\r\n\r\nabc"), refused);
  EXPECT_EQ(with("Content-Length: +3\r\n\r\nabc"), refused);
  EXPECT_EQ(with("Content-Length: 0x3\r\n\r\nabc"), refused);
  EXPECT_EQ(with("Content-Length: -1\r\n\r\n"), refused);
  EXPECT_EQ(with("Content-Length: 99999999999999999999\r\n\r\n"), refused);
  EXPECT_EQ(with("Content-Length:\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: identity\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"), refused);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"),
            refused);
  EXPECT_EQ(with("X: a\r\n folded\r\n\r\n"), refused);
  EXPECT_EQ(with("X: a\n\r\n"), refused);
  EXPECT_EQ(with("X: a\rb\r\n\r\n"), refused);
  EXPECT_EQ(with("X : a\r\n\r\n"), refused);
  EXPECT_EQ(with(std::string_view{"X: a\0b\r\n\r\n", 10}), refused);
  EXPECT_EQ(with("Host: b\r\n\r\n"), refused);
  EXPECT_EQ(with(": x\r\n\r\n"), refused);
}

TEST_F(ServerTest, RefusesBadRequestLinesAndTargets) {
  EXPECT_EQ(status_and_end("GET /\n\n"), refused);
  EXPECT_EQ(status_and_end("GET / HTTP/1.1\r\n\r\n"), refused);  // No Host.
  EXPECT_EQ(status_and_end("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), refused);
  EXPECT_EQ(status_and_end("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), refused);
  EXPECT_EQ(status_and_end("GET hello HTTP/1.1\r\nHost: a\r\n\r\n"), refused);
  EXPECT_EQ(status_and_end("GET http://b/hello/x HTTP/1.1\r\nHost: a\r\n\r\n"), refused);
  EXPECT_EQ(status_and_end("GET http://a/hello/x HTTP/1.1\r\nHost: a\r\n\r\n").first, 200);
  EXPECT_EQ(status_and_end("GET /hello/x#y HTTP/1.1\r\nHost: a\r\n\r\n"), refused);
  EXPECT_EQ(status_and_end("\x16\x03\x01\x02 TLS\r\n\r\n"), refused);
  EXPECT_EQ(status_and_end("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"), refused);
}

TEST_F(ServerTest, RefusesHeadersOverTheLimit) {
  const std::string big(20'000, 'h');
  EXPECT_EQ(status_and_end("GET /hello/x HTTP/1.1\r\nHost: a\r\nX: " + big + "\r\n\r\n"),
            std::pair(431, true));
  EXPECT_EQ(status_and_end("GET /" + big), std::pair(431, true));
  const std::string most(16'000, 'h');
  EXPECT_EQ(status_and_end("GET /hello/x HTTP/1.1\r\nHost: a\r\nX: " + most + "\r\n\r\n").first,
            200);
}

TEST_F(ServerTest, RefusesABodyOverTheLimitWhileTheClientStillSends) {
  options_.body_size_max = 1'000'000;
  RawClient client = connect();
  const std::string body(5'000'000, 'b');

  const Answer answer = client.ask("POST", "/echo", body);
  EXPECT_EQ(answer.status, 413);
  EXPECT_NE(answer.body.find("\"limit\":1000000"), std::string::npos);
  EXPECT_TRUE(client.is_closed_within());

  RawClient chunked = connect();
  chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) chunked.send("186a0\r\n" + std::string(100'000, 'c') + "\r\n");
  EXPECT_EQ(chunked.answer()->status, 413);
}

TEST_F(ServerTest, StopsReadingWhatIsDroppedAtALimit) {
  options_.body_size_max = 1'000;
  options_.drain_size_max = 100'000;
  RawClient client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000\r\n\r\n");
  EXPECT_EQ(client.answer()->status, 413);
  for (int i = 0; i < 100; ++i) client.send(std::string(100'000, 'b'));
  EXPECT_TRUE(client.is_closed_within());
}

TEST_F(ServerTest, AsksForABodyThatWaitsForContinue) {
  RawClient client = connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.answer()->status, 100);
  client.send("abc");
  EXPECT_EQ(client.answer()->body, "abc");

  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.answer()->status, 413);
}

TEST_F(ServerTest, ServesHttp10) {
  RawClient client = connect();
  client.send("GET /hello/old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto kept = client.answer();
  EXPECT_EQ(kept->body, "Hello, old");
  EXPECT_EQ(kept->headers.at("connection"), "keep-alive");
  client.send("GET /numbers HTTP/1.0\r\n\r\n");
  const auto stream = client.answer();
  EXPECT_FALSE(stream->headers.contains("transfer-encoding"));
  EXPECT_EQ(stream->body.substr(0, 4), "1\n2\n");
  EXPECT_TRUE(stream->body.ends_with("\n1000\n"));
  EXPECT_TRUE(client.is_closed_within());
}

TEST_F(ServerTest, ClosesWhenAsked) {
  RawClient client = connect();
  const Answer answer = client.ask("GET", "/hello/you", "", "Connection: close\r\n");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_TRUE(client.is_closed_within());
}

TEST_F(ServerTest, AnswersAClientThatHalfClosed) {
  RawClient client = connect();
  client.send("POST /echo-on-a-worker HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  client.end_sending();
  EXPECT_EQ(client.answer()->body, "abc");
  EXPECT_TRUE(client.is_closed_within());
}

TEST_F(ServerTest, GivesUpOnSlowHeadsBodiesAndIdleConnections) {
  options_.header_timeout = 100ms;
  options_.body_timeout = 100ms;
  options_.idle_timeout = 300ms;
  RawClient head = connect();
  RawClient body = connect();
  RawClient idle = connect();
  head.send("GET /hello/x HTT");
  body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");

  EXPECT_EQ(head.answer()->status, 408);
  const auto late = body.answer();
  EXPECT_EQ(late->status, 408);
  EXPECT_NE(late->body.find("\"code\":\"timeout\""), std::string::npos);
  EXPECT_TRUE(idle.is_closed_within());
}

TEST_F(ServerTest, AnswersForAHandlerThatMissesTheDeadline) {
  RawClient client = connect();

  const Answer read = client.ask("GET", "/never", "", "Stele-Timeout: 0.1\r\n");
  EXPECT_EQ(read.status, 503);
  EXPECT_NE(read.body.find("\"code\":\"not_yet\""), std::string::npos);
  EXPECT_TRUE(read.headers.contains("retry-after"));
  const Answer command = client.ask("POST", "/never", "x", "Stele-Timeout: 0.1\r\n");
  EXPECT_EQ(command.status, 503);
  EXPECT_NE(command.body.find("\"code\":\"outcome_unknown\""), std::string::npos);
  {
    const std::lock_guard lock{kept_mutex_};
    ASSERT_EQ(kept_.size(), 2U);
    EXPECT_TRUE(kept_[0].cancelled());
    kept_[0].send(Response::text("Too late."));
  }
  for (const char* const wrong : {"61", "-1", "x", "", "1e1"}) {
    const std::string header = "Stele-Timeout: " + std::string{wrong} + "\r\n";
    EXPECT_EQ(client.ask("GET", "/hello/x", "", header).status, 400) << wrong;
  }
  EXPECT_EQ(client.ask("GET", "/hello/x").body, "Hello, x");
}

TEST_F(ServerTest, AnswersForAHandlerThatDropsOrThrows) {
  RawClient client = connect();
  EXPECT_EQ(client.ask("GET", "/dropped").status, 500);
  EXPECT_EQ(client.ask("GET", "/throws").status, 500);
  EXPECT_EQ(client.ask("GET", "/hello/x").status, 200);
}

TEST_F(ServerTest, TellsAHandlerThatTheClientLeft) {
  {
    RawClient client = connect();
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    while (true) {
      const std::lock_guard lock{kept_mutex_};
      if (!kept_.empty()) break;
    }
  }
  for (int i = 0; i < 500; ++i) {
    const std::lock_guard lock{kept_mutex_};
    if (kept_[0].cancelled()) break;
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(kept_[0].cancelled());
  kept_[0].send(Response::text("To nobody."));
}

TEST_F(ServerTest, RefusesWhatTheWorkersCannotTake) {
  options_.worker_queue_max = 1;
  RawClient busy = connect();
  busy.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
  gate_.wait_for(1);
  busy.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
  gate_.wait_for(2);
  RawClient waits = connect();
  waits.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\nGET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
  RawClient client = connect();
  EXPECT_EQ(client.ask("GET", "/hello/x").status, 200);
  Answer answer;
  for (int i = 0; i < 100 && answer.status != 503; ++i) {
    RawClient more = connect();
    more.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    if (const auto refusal = more.answer(false, 100ms)) answer = *refusal;
  }
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers["retry-after"], "1");
  EXPECT_NE(answer.body.find("overloaded"), std::string::npos);
}

TEST_F(ServerTest, RefusesMoreConnectionsThanItMayHold) {
  options_.connections_max = 2;
  RawClient first = connect();
  RawClient second = connect();
  EXPECT_EQ(first.ask("GET", "/hello/x").status, 200);
  EXPECT_EQ(second.ask("GET", "/hello/x").status, 200);
  RawClient third = connect();
  EXPECT_EQ(third.answer()->status, 503);
  EXPECT_TRUE(third.is_closed_within());
  EXPECT_EQ(first.ask("GET", "/hello/x").status, 200);
}

TEST_F(ServerTest, RefusesLargeBodiesOverTheirBudget) {
  options_.buffered_size_max = 1'500'000;
  RawClient first = connect();
  first.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_FALSE(first.answer(false, 100ms));
  RawClient second = connect();
  second.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(second.answer()->status, 503);
  first.send(std::string(1'000'000, 'x'));
  EXPECT_EQ(first.answer()->status, 200);
  RawClient third = connect();
  EXPECT_EQ(third.ask("POST", "/echo", std::string(1'000'000, 'y')).status, 200);
}

TEST_F(ServerTest, WritesALargeAnswerToASlowClient) {
  RawClient client = connect();
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /hello/x HTTP/1.1\r\nHost: a\r\n\r\n");
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(client.answer()->body.size(), 3'000'000U);
  EXPECT_EQ(client.answer()->body, "Hello, x");
}

TEST_F(ServerTest, GivesUpOnAClientThatDoesNotRead) {
  options_.write_timeout = 100ms;
  RawClient client = connect();
  for (int i = 0; i < 50; ++i) client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  for (int i = 0; i < 500; ++i) {
    if (metrics_.text().find("stele_http_connections 0\n") != std::string::npos) return;
    std::this_thread::sleep_for(10ms);
  }
  FAIL() << metrics_.text();
}

TEST_F(ServerTest, StreamsAnAnswerAndGoesOn) {
  RawClient client = connect();
  const Answer answer = client.ask("GET", "/numbers");
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(answer.body.ends_with("\n1000\n"));
  EXPECT_EQ(client.ask("GET", "/hello/x").body, "Hello, x");
}

TEST_F(ServerTest, KeepsAnIdleStreamAliveAndEndsItWhenStopped) {
  options_.keep_alive_interval = 100ms;
  RawClient client = connect();
  client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(client.read_until("2\n\r\n").find("1\n"), std::string::npos);
  EXPECT_EQ(client.read_until(":\n\r\n"), "2\r\n:\n\r\n");
  EXPECT_EQ(client.read_until(":\n\r\n"), "2\r\n:\n\r\n");
  std::thread stopping{[&] { server_->stop(); }};
  EXPECT_TRUE(client.read_until("0\r\n\r\n").ends_with("0\r\n\r\n"));
  EXPECT_TRUE(client.is_closed_within());
  client.close();
  stopping.join();
}

TEST_F(ServerTest, FinishesWhatIsInFlightWhenStopped) {
  RawClient client = connect();
  RawClient idle = connect();
  EXPECT_EQ(idle.ask("GET", "/hello/x").status, 200);
  client.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
  gate_.wait_for(1);
  std::thread stopping{[&] { server_->stop(); }};
  EXPECT_TRUE(idle.is_closed_within());
  gate_.open();
  const auto answer = client.answer();
  EXPECT_EQ(answer->body, "Passed.");
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_TRUE(client.is_closed_within());
  client.close();
  stopping.join();
  EXPECT_THROW(RawClient{server_->port()}, std::runtime_error);
}

TEST_F(ServerTest, StopsInTimeThoughAHandlerNeverAnswers) {
  options_.stop_timeout = 200ms;
  RawClient client = connect();
  client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(client.answer(false, 100ms));
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  RawClient client = connect();
  ServerOptions same = options_;
  same.port = server_->port();
  Server second{same, router_, metrics_};
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::unavailable);
  EXPECT_NE(started.error().message.find(std::to_string(same.port)), std::string::npos);
}

TEST_F(ServerTest, CountsWhatItAnswers) {
  RawClient client = connect();
  client.ask("GET", "/hello/x");
  client.ask("GET", "/nothing");
  const std::string text = metrics_.text();
  EXPECT_NE(text.find("stele_http_requests_total{method=\"GET\",route=\"/hello/{name}\","
                      "status=\"200\"} 1"),
            std::string::npos);
  EXPECT_NE(text.find("route=\"none\",status=\"404\"} 1"), std::string::npos);
}

TEST_F(ServerTest, ServesManyClientsAtOnce) {
  connect();
  std::vector<std::jthread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([this] {
      RawClient client{server_->port()};
      for (int i = 0; i < 200; ++i) {
        const std::string text = std::to_string(i);
        ASSERT_EQ(client.ask("POST", i % 2 == 0 ? "/echo" : "/echo-on-a-worker", text).body, text);
      }
    });
  }
}

}  // namespace
}  // namespace stele::serve
