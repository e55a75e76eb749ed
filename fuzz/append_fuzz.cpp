// Bodies of `POST /v1/append`: what is taken as a request is appended to a store in memory, which
// gives back what was in it; the answer is JSON, whatever the outcome.

#include <string>

#include "serve/append_json.h"
#include "stele/event_store.h"
#include "stele/json.h"
#include "target.h"

namespace stele::fuzz {
namespace {

void check_answer(const serve::Response& answer) {
  require(answer.status >= 200 && answer.status < 600, "an answer has a status");
  require(check_json(answer.body).has_value(), "an answer is JSON");
}

std::size_t event_count(const AppendRequest& request) {
  std::size_t count = 0;
  for (const StreamAppend& stream : request.streams) count += stream.events.size();
  return count;
}

const Registered registered{"append", [](std::string_view input) {
                              const std::string body{input};
                              serve::AppendText text{body};
                              if (text.failed()) {
                                require(check_json(text.problem().to_json()).has_value(),
                                        "a problem is JSON");
                                return;
                              }
                              require(check_json(body).has_value(), "what is taken is JSON");
                              const auto store = make_memory_store(system_clock());
                              const serve::AppendSubject subject{text.request()};
                              const std::size_t count = event_count(text.request());
                              for (int round = 0; round < 2; ++round) {
                                const auto outcome = store->append(text.request());
                                if (!outcome) {
                                  check_answer(serve::refusal_of(text.request(), outcome.error()));
                                  return;
                                }
                                check_answer(serve::append_answer(*store, subject, outcome));
                                const auto* done = std::get_if<Appended>(&*outcome);
                                if (done == nullptr) continue;
                                const auto page = store->read_all(Position{}, {}, 10'000);
                                require(page.has_value(), "a store can be read");
                                require(done->replayed || round > 0 || page->events.size() == count,
                                        "every event is there once");
                              }
                            }};

}  // namespace
}  // namespace stele::fuzz
