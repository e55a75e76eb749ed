// Appends to an embedded log under load until it is killed, and says on stdout what it asks for,
// what was acknowledged, and what its reader saw; and, with `dump`, prints what a log holds. The
// script kill_ledger.py keeps those lines outside the process, kills it, and compares.
//
//   log_writer write --data DIR --seed N --threads T [--retry FILE]
//   log_writer dump --data DIR
//
// A line is written with one write(2) of less than PIPE_BUF bytes, so a kill never cuts one.
//   O end epoch                        the log is open; its end
//   S id thread stream=version:tip,... an append is about to be asked for
//   A id first last replayed           it was acknowledged
//   C id                               it was refused: a conflict
//   U id code                          it failed
//   R first last sum                   a reader saw these events; the sum of their digests
//   E position id stream version size digest      (dump) one event
//
// What an append contains follows from its id alone, so the same append can be asked for again.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "stele/event_store.h"

namespace stele {
namespace {

constexpr std::size_t thread_streams = 8;        // Streams that one thread writes to.
constexpr std::size_t read_limit = 2'000;        // Events in one read.
constexpr std::size_t text_size_max = 64 << 10;  // Bytes of the longest payload.

// Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{seed} {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

 private:
  std::uint64_t state_;
};

std::uint64_t mix(std::uint64_t sum, std::string_view bytes) {
  sum ^= bytes.size() * 0x9E3779B97F4A7C15ULL;
  while (!bytes.empty()) {
    std::array<char, 8> word{};
    const std::size_t size = std::min(bytes.size(), word.size());
    std::memcpy(word.data(), bytes.data(), size);
    std::uint64_t value = 0;
    std::memcpy(&value, word.data(), word.size());
    sum = (sum ^ value) * 0xFF51AFD7ED558CCDULL;
    sum ^= sum >> 32;
    bytes.remove_prefix(size);
  }
  return sum;
}

std::uint64_t digest_of(std::string_view stream, std::string_view type, std::string_view tag,
                        std::string_view metadata, std::string_view data) {
  std::uint64_t sum = 1;
  for (const std::string_view part : {stream, type, tag, metadata, data}) sum = mix(sum, part);
  return sum;
}

std::mutex output_mutex;

void say(const std::string& line) {
  const std::lock_guard lock{output_mutex};
  const char* at = line.data();
  std::size_t left = line.size();
  while (left > 0) {
    const ssize_t written = ::write(STDOUT_FILENO, at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) std::_Exit(1);
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

// One append: everything but what is expected of its streams follows from `id` and `thread`.
struct Plan {
  AppendId id;
  std::size_t thread = 0;
  std::vector<std::string> streams;
  std::vector<StreamState> expected;
  std::vector<std::vector<std::uint64_t>> digests;  // Of each stream's events.
  std::vector<std::vector<std::string>> data;
};

std::uint64_t seed_of(const AppendId& id) {
  return mix(7, {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
}

std::size_t payload_size(Random& random) {
  switch (random.below(64)) {
    case 0:
      return random.below(text_size_max);
    case 1:
    case 2:
      return random.below(4'096);
    default:
      return random.below(300);
  }
}

Plan make_plan(const AppendId& id, std::size_t thread) {
  Random random{seed_of(id)};
  Plan plan{.id = id, .thread = thread, .streams = {}, .expected = {}, .digests = {}, .data = {}};
  const std::size_t streams = random.below(5) == 0 ? 2 + random.below(2) : 1;
  const std::size_t first = random.below(thread_streams);
  for (std::size_t s = 0; s < streams; ++s) {
    const std::size_t number = (first + s) % thread_streams;
    plan.streams.push_back("kill-" + std::to_string(thread) + "-" + std::to_string(number));
    const std::size_t events = random.below(40) == 0 ? 64 : 1 + random.below(3);
    std::vector<std::string> data;
    for (std::size_t e = 0; e < events; ++e) {
      std::string text(payload_size(random), '\0');
      for (char& c : text) c = static_cast<char>(random.next() & 0xFF);
      data.push_back(std::move(text));
    }
    plan.data.push_back(std::move(data));
  }
  return plan;
}

std::string describe(const Plan& plan) {
  std::string line = "S " + plan.id.text() + " " + std::to_string(plan.thread) + " ";
  for (std::size_t s = 0; s < plan.streams.size(); ++s) {
    if (s > 0) line += ",";
    line += plan.streams[s] + "=" + std::to_string(number(plan.expected[s].version)) + ":" +
            to_hex(plan.expected[s].tip);
  }
  for (std::size_t s = 0; s < plan.streams.size(); ++s) {
    for (const std::string& data : plan.data[s]) {
      const std::uint64_t digest =
          digest_of(plan.streams[s], "Written", plan.id.text(), "{\"by\":1}", data);
      line += " " + std::to_string(digest);
    }
  }
  return line + "\n";
}

Result<AppendOutcome> ask(EventStore& store, const Plan& plan) {
  const std::string tag = plan.id.text();
  const std::array<std::string_view, 1> tags{tag};
  std::vector<std::vector<NewEvent>> events;
  std::vector<StreamAppend> streams;
  for (const std::vector<std::string>& data : plan.data) {
    std::vector<NewEvent> list;
    for (const std::string& text : data) {
      NewEvent event{.type = "Written", .data = text};
      event.content_type = "application/octet-stream";
      event.metadata = "{\"by\":1}";
      event.tags = tags;
      list.push_back(event);
    }
    events.push_back(std::move(list));
  }
  for (std::size_t s = 0; s < plan.streams.size(); ++s) {
    streams.push_back(
        {.stream = plan.streams[s],
         .expected = Expected::exactly(plan.expected[s].version, plan.expected[s].tip),
         .events = events[s]});
  }
  AppendRequest request{.id = plan.id, .streams = streams};
  return store.append(request);
}

// Asks, says the answer, and returns the streams' new states; the found ones after a conflict.
bool perform(EventStore& store, Plan& plan, std::map<std::string, StreamState>& states) {
  say(describe(plan));
  const Result<AppendOutcome> outcome = ask(store, plan);
  if (!outcome) {
    say("U " + plan.id.text() + " " + std::string{to_string(outcome.error().code)} + "\n");
    return false;
  }
  if (const auto* conflict = std::get_if<Conflict>(&*outcome)) {
    for (const StreamConflict& one : conflict->streams) {
      states[plan.streams[one.index]] = one.found;
    }
    say("C " + plan.id.text() + "\n");
    return true;
  }
  const Appended& done = std::get<Appended>(*outcome);
  if (!done.replayed) {
    for (std::size_t s = 0; s < plan.streams.size(); ++s) {
      states[plan.streams[s]] = done.streams[s];
    }
  }
  say("A " + plan.id.text() + " " + std::to_string(number(done.first)) + " " +
      std::to_string(number(done.last)) + (done.replayed ? " 1\n" : " 0\n"));
  return true;
}

void write_loop(EventStore& store, std::uint64_t seed, std::size_t thread) {
  Random random{seed * 1'000 + thread};
  std::map<std::string, StreamState> states;
  for (std::size_t s = 0; s < thread_streams; ++s) {
    const std::string name = "kill-" + std::to_string(thread) + "-" + std::to_string(s);
    const Result<StreamState> state = store.stream_tip(name);
    if (!state) std::_Exit(1);
    states[name] = *state;
  }
  bool open = true;
  while (open) {
    AppendId id;
    for (std::uint8_t& byte : id.bytes) byte = static_cast<std::uint8_t>(random.next());
    Plan plan = make_plan(id, thread);
    for (const std::string& stream : plan.streams) plan.expected.push_back(states[stream]);
    open = perform(store, plan, states);
  }
}

void read_loop(const EventStore& store) {
  Position after = store.log_end();
  while (true) {
    (void)store.wait(after, std::chrono::milliseconds{100});
    const Result<ReadPage> page = store.read_all(after, Filter{}, read_limit);
    if (!page) std::_Exit(1);
    if (page->events.empty()) continue;
    std::uint64_t sum = 0;
    for (const EventView& event : page->events) {
      const std::string_view tag = event.tags.empty() ? std::string_view{} : *event.tags.begin();
      sum += digest_of(event.stream, event.type, tag, event.metadata, event.data);
    }
    say("R " + std::to_string(number(page->events[0].position)) + " " +
        std::to_string(number(page->events.back().position)) + " " + std::to_string(sum) + "\n");
    after = page->looked_to;
  }
}

// A line of the retry file is an S line of an earlier run.
void retry_file(EventStore& store, const std::string& path) {
  std::ifstream in{path};
  std::map<std::string, StreamState> states;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words{line};
    std::string letter;
    std::string id;
    std::size_t thread = 0;
    std::string streams;
    words >> letter >> id >> thread >> streams;
    Plan plan = make_plan(Uuid::parse(id).value(), thread);
    std::istringstream parts{streams};
    for (std::string part; std::getline(parts, part, ',');) {
      const std::size_t equals = part.find('=');
      const std::size_t colon = part.find(':', equals);
      const std::string version = part.substr(equals + 1, colon - equals - 1);
      plan.expected.push_back({.version = Version{std::stoull(version)},
                               .tip = parse_tip(part.substr(colon + 1)).value()});
    }
    (void)perform(store, plan, states);
  }
}

int dump(const EventStore& store) {
  std::string out;
  Position after{};
  while (true) {
    const Result<ReadPage> page = store.read_all(after, Filter{}, read_limit);
    if (!page) {
      std::fprintf(stderr, "%s\n", page.error().message.c_str());
      return 1;
    }
    for (const EventView& event : page->events) {
      const std::string_view tag = event.tags.empty() ? std::string_view{} : *event.tags.begin();
      const std::uint64_t digest =
          digest_of(event.stream, event.type, tag, event.metadata, event.data);
      out += "E " + std::to_string(number(event.position)) + " " + event.append_id.text() + " " +
             std::string{event.stream} + " " + std::to_string(number(event.version)) + " " +
             std::to_string(event.data.size()) + " " + std::to_string(digest) + "\n";
    }
    say(out);
    out.clear();
    after = page->looked_to;
    if (after >= page->log_end) return 0;
  }
}

struct Arguments {
  std::string verb;
  std::string data;
  std::string retry;
  std::uint64_t seed = 1;
  std::size_t threads = 8;
};

bool parse(int argc, char** argv, Arguments& arguments) {
  if (argc < 2) return false;
  arguments.verb = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--data") {
      arguments.data = value;
    } else if (flag == "--retry") {
      arguments.retry = value;
    } else if (flag == "--seed") {
      arguments.seed = std::stoull(value);
    } else if (flag == "--threads") {
      arguments.threads = std::stoul(value);
    } else {
      return false;
    }
  }
  return !arguments.data.empty() && (arguments.verb == "write" || arguments.verb == "dump");
}

int run(const Arguments& arguments) {
  EmbeddedOptions options;
  options.data = arguments.data;
  Result<std::unique_ptr<EventStore>> store = open_embedded_store(options);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    return store.error().code == Errc::corrupt ? 6 : 1;
  }
  EventStore& log = **store;
  if (arguments.verb == "dump") return dump(log);
  say("O " + std::to_string(number(log.log_end())) + " " + std::to_string(number(log.epoch())) +
      "\n");
  if (!arguments.retry.empty()) retry_file(log, arguments.retry);
  std::vector<std::jthread> threads;
  threads.emplace_back([&log] { read_loop(log); });
  for (std::size_t t = 0; t < arguments.threads; ++t) {
    threads.emplace_back([&log, &arguments, t] { write_loop(log, arguments.seed, t); });
  }
  return 0;  // Never reached: the threads go on until the process is killed.
}

}  // namespace
}  // namespace stele

int main(int argc, char** argv) {
  stele::Arguments arguments;
  if (!stele::parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "Usage: log_writer write|dump --data DIR [--seed N] [--threads T] "
                 "[--retry FILE]\n");
    return 2;
  }
  return stele::run(arguments);
}
