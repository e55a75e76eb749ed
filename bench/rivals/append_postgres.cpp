// PostgreSQL: a connection for each writer, an append is one prepared INSERT of all its events,
// committed by itself with synchronous_commit on. An index of stream and version refuses a second
// event of the same version. `--data` is a connection string.

#include <libpq-fe.h>

#include "load.h"

namespace {

void check(PGconn* connection, PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    rivals::give_up(PQerrorMessage(connection));
  }
  PQclear(result);
}

PGconn* connected(const std::string& where) {
  PGconn* connection = PQconnectdb(where.c_str());
  if (PQstatus(connection) != CONNECTION_OK) rivals::give_up(PQerrorMessage(connection));
  return connection;
}

}  // namespace

int main(int count, char** arguments) {
  const rivals::Options options = rivals::options_of(count, arguments);
  std::string events = "{";
  for (const std::string& event : rivals::payloads(options)) {
    events += (events.size() > 1 ? "," : "") + event;
  }
  events += "}";
  PGconn* first = connected(options.data);
  check(first, PQexec(first,
                      "SET client_min_messages = warning; DROP TABLE IF EXISTS events; CREATE "
                      "TABLE events (position BIGINT GENERATED "
                      "ALWAYS AS IDENTITY PRIMARY KEY, stream TEXT NOT NULL, version BIGINT NOT "
                      "NULL, type TEXT NOT NULL, tags TEXT NOT NULL, data TEXT NOT NULL, "
                      "UNIQUE (stream, version))"));
  std::vector<PGconn*> connections;
  for (std::size_t w = 0; w < options.writers; ++w) {
    connections.push_back(connected(options.data));
    check(connections[w],
          PQprepare(connections[w], "append",
                    "INSERT INTO events (stream, version, type, tags, data) SELECT $1, $2::bigint "
                    "+ e.n, 'Measured', 'bench:append', e.data FROM unnest($3::text[]) WITH "
                    "ORDINALITY AS e (data, n)",
                    3, nullptr));
  }
  rivals::run(options, [&](std::size_t writer, std::uint64_t n) {
    const std::string stream = "bench-" + std::to_string(writer);
    const std::string version = std::to_string(n * options.batch);
    const char* values[] = {stream.c_str(), version.c_str(), events.c_str()};
    check(connections[writer],
          PQexecPrepared(connections[writer], "append", 3, values, nullptr, nullptr, 0));
  });
  for (PGconn* connection : connections) PQfinish(connection);
  PQfinish(first);
}
