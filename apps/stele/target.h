// Finds the server that a client verb talks to: a running one, or with --data one of its own that
// opens the folder, listens on a free port of 127.0.0.1 and stops with the verb. So every verb
// takes the same path to the log, and the folder is held, as ever, by one process.

#pragma once

#include <memory>
#include <string_view>

#include "http_client.h"
#include "options.h"
#include "output.h"
#include "stele/error.h"

namespace stele {
class Service;
}

namespace stele::program {

class ServerHandle {
 public:
  ServerHandle(Url url, std::unique_ptr<Service> own);
  ~ServerHandle();  ///< Stops the server if it is our own.
  ServerHandle(ServerHandle&&) noexcept;
  ServerHandle& operator=(ServerHandle&&) noexcept;

  [[nodiscard]] const Url& url() const noexcept { return url_; }

 private:
  Url url_;
  std::unique_ptr<Service> own_;
};

enum class Needs : std::uint8_t {
  log,      ///< Appends; a folder without a log gets one.
  events,   ///< Reads; a folder without a log is refused, not made.
  domains,  ///< Commands, and read models that follow.
};

/// Errors: `invalid` (the URL), `not_found` (a read of a folder without a log), and those of
/// opening the folder: `held`, `corrupt`...
[[nodiscard]] Result<ServerHandle> reach(const Target& target, Needs needs);

/// One call to the server. An error here means that it can't be reached: exit code 10.
[[nodiscard]] Result<Answer> ask(const ServerHandle& server, const Call& call);

}  // namespace stele::program
