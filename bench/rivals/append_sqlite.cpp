// SQLite: one connection in WAL mode with full syncs, and one thread that commits for all writers:
// all that wait go into one transaction, which is the fastest way there is. An index of stream and
// version refuses a second event of the same version.

#include <sqlite3.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "load.h"

namespace {

struct Job {
  std::string stream;
  std::uint64_t version = 0;
  bool done = false;
};

class Database {
 public:
  Database(const std::string& path, const std::vector<std::string>& data) : data_{data} {
    check(sqlite3_open(path.c_str(), &db_));
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER "
        "NOT NULL, type TEXT NOT NULL, tags TEXT NOT NULL, data TEXT NOT NULL);"
        "CREATE UNIQUE INDEX by_stream ON events (stream, version);");
    check(sqlite3_prepare_v2(db_,
                             "INSERT INTO events (stream, version, type, tags, data) VALUES (?, ?, "
                             "'Measured', 'bench:append', ?)",
                             -1, &insert_, nullptr));
    committer_ = std::jthread{[this](const std::stop_token& stop) { commit_all(stop); }};
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    committer_.request_stop();
    arrived_.notify_all();
    committer_.join();
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }

  void append(Job& job) {
    std::unique_lock lock{mutex_};
    job.done = false;
    jobs_.push_back(&job);
    arrived_.notify_one();
    committed_.wait(lock, [&] { return job.done; });
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK && code != SQLITE_DONE) rivals::give_up(sqlite3_errmsg(db_));
  }
  void run(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }

  void insert(const Job& job) {
    std::uint64_t version = job.version;
    for (const std::string& event : data_) {
      sqlite3_reset(insert_);
      sqlite3_bind_text(insert_, 1, job.stream.data(), int(job.stream.size()), SQLITE_STATIC);
      sqlite3_bind_int64(insert_, 2, std::int64_t(++version));
      sqlite3_bind_text(insert_, 3, event.data(), int(event.size()), SQLITE_STATIC);
      check(sqlite3_step(insert_));
    }
    sqlite3_reset(insert_);
  }

  void commit_all(const std::stop_token& stop) {
    for (std::deque<Job*> mine; !stop.stop_requested(); mine.clear()) {
      {
        std::unique_lock lock{mutex_};
        arrived_.wait(lock, [&] { return !jobs_.empty() || stop.stop_requested(); });
        mine.swap(jobs_);
      }
      run("BEGIN");
      for (const Job* job : mine) insert(*job);
      run("COMMIT");
      const std::lock_guard lock{mutex_};
      for (Job* job : mine) job->done = true;
      committed_.notify_all();
    }
  }

  const std::vector<std::string>& data_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable committed_;
  std::deque<Job*> jobs_;
  std::jthread committer_;
};

}  // namespace

int main(int count, char** arguments) {
  const rivals::Options options = rivals::options_of(count, arguments);
  const std::vector<std::string> data = rivals::payloads(options);
  Database database{options.data + "/events.sqlite", data};
  std::vector<Job> jobs(options.writers);
  for (std::size_t w = 0; w < jobs.size(); ++w) jobs[w].stream = "bench-" + std::to_string(w);
  rivals::run(options, [&](std::size_t writer, std::uint64_t) {
    Job& job = jobs[writer];
    database.append(job);
    job.version += options.batch;
  });
}
