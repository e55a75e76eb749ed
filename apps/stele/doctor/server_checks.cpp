#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

#include "doctor/check.h"
#include "http_client.h"

namespace stele::program::doctor {
namespace {

constexpr std::chrono::milliseconds server_timeout{5'000};

struct Address {
  std::string host;
  std::string port;
};

Address split_address(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  Address out{.host = listen.substr(0, colon), .port = listen.substr(colon + 1)};
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  return out;
}

using Addresses = std::unique_ptr<::addrinfo, void (*)(::addrinfo*)>;

Addresses resolve(const Address& address) {
  ::addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  ::addrinfo* list = nullptr;
  const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  return {code == 0 ? list : nullptr, &::freeaddrinfo};
}

bool is_loopback(const ::addrinfo& address) {
  if (address.ai_family == AF_INET) {
    const auto* const v4 = reinterpret_cast<const ::sockaddr_in*>(address.ai_addr);
    return (ntohl(v4->sin_addr.s_addr) >> 24U) == 127;
  }
  const auto* const v6 = reinterpret_cast<const ::sockaddr_in6*>(address.ai_addr);
  return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
}

/// errno of binding to it; 0 if it is free.
int try_to_bind(const ::addrinfo& address) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const int code = ::bind(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  ::close(fd);
  return code;
}

/// The version that a server says it is, or nothing if it is none of ours.
std::optional<std::string> version_of(const Url& url) {
  HttpConnection connection{url};
  const auto metrics = connection.call({.target = "/metrics"}, server_timeout);
  if (!metrics || metrics->status != 200) return std::nullopt;
  constexpr std::string_view front = "stele_build_info{version=\"";
  const std::size_t at = metrics->body.find(front);
  if (at == std::string::npos) {
    return metrics->body.contains("stele_") ? std::optional<std::string>{"unknown"} : std::nullopt;
  }
  const std::size_t from = at + front.size();
  return metrics->body.substr(from, metrics->body.find('"', from) - from);
}

/// What already listens on the address, if it is a server of ours.
bool ours_listens(const Address& address) {
  const bool any = address.host == "0.0.0.0" || address.host == "::";
  const std::string host = any ? "127.0.0.1" : address.host;
  const bool v6 = host.find(':') != std::string::npos;
  const auto url = Url::parse("http://" + (v6 ? "[" + host + "]" : host) + ":" + address.port);
  if (!url) return false;
  return version_of(*url).has_value();
}

Check listen_address(const std::string& listen) {
  const std::string name = "listen address";
  const Address address = split_address(listen);
  const Addresses found = resolve(address);
  if (!found) {
    return failed(name, "The host of \"" + listen + "\" is not known.",
                  "Set serve.listen to an address of this machine, such as 127.0.0.1:8420.");
  }
  switch (const int code = try_to_bind(*found); code) {
    case 0:
      return well(name, listen + " is free.");
    case EADDRINUSE:
      if (ours_listens(address)) {
        return well(name, "A server of Stele listens on " + listen + " already.");
      }
      return failed(name, "Another program listens on " + listen + ".",
                    "End it (ss -ltnp names it), or choose another port with --listen.");
    case EADDRNOTAVAIL:
      return failed(name, listen + " is not an address of this machine.",
                    "Set serve.listen to one that is (ip addr lists them), or 0.0.0.0 for all.");
    case EACCES:
      return failed(name, "This user may not listen on " + listen + ".",
                    "Choose a port from 1,024 on with --listen.");
    default:
      errno = code;
      return failed(name, "Listening on " + listen + " fails: " + system_reason() + ".",
                    "Choose another address with --listen.");
  }
}

Check exposure(const std::string& listen) {
  const Addresses found = resolve(split_address(listen));
  if (!found || is_loopback(*found)) {
    return well("exposure", "Only this machine reaches the server.");
  }
  return warning("exposure",
                 listen +
                     " is reached from other machines, and the server asks nobody "
                     "who they are.",
                 "Listen on 127.0.0.1 behind a proxy that authenticates and encrypts, or keep the "
                 "network closed.");
}

Check combination(const service::Config& config) {
  const std::string name = "combination";
  const std::string& roles = config.get("serve.roles");
  const bool in_memory = config.get("store.kind") == "memory";
  if (in_memory) {
    return warning(name,
                   "The store is in memory: everything is forgotten at the end, and the data "
                   "folder is not used.",
                   "Set store.kind to \"embedded\" to keep it.");
  }
  if (!config.get("store.url").empty()) {
    return warning(name, "store.url is set, but an embedded store has none.", "Remove store.url.");
  }
  if (!roles.contains("api")) {
    return warning(name, "serve.roles is \"" + roles + "\": nobody can append or query.",
                   "Add the role api; a log is held by one process.");
  }
  if (!roles.contains("projector")) {
    return warning(name, "serve.roles is \"" + roles + "\": the read models stand still.",
                   "Add the role projector.");
  }
  if (config.flag("serve.read_only")) {
    return warning(name, "serve.read_only is set: commands and appends are refused.",
                   "Remove it if that is not meant.");
  }
  return well(name, "The settings go together.");
}

}  // namespace

void check_settings(const service::Config& config, Checks& out) {
  const std::string& listen = config.get("serve.listen");
  out.push_back(combination(config));
  out.push_back(listen_address(listen));
  out.push_back(exposure(listen));
}

void check_server(const std::string& url_text, Checks& out) {
  const std::string name = "server";
  const auto url = Url::parse(url_text);
  if (!url) {
    return out.push_back(failed(name, url.error().message, "Correct --url or STELE_URL."));
  }
  HttpConnection connection{*url};
  const auto ready = connection.call({.target = "/health/ready"}, server_timeout);
  if (!ready && ready.error().code == Errc::timed_out) {
    return out.push_back(failed(name, url->text() + " takes the connection and does not answer.",
                                "Look at that process: it is stopped, overloaded or no HTTP "
                                "server."));
  }
  if (!ready) {
    return out.push_back(
        well(name, "None answers at " + url->text() + "; `stele serve` starts one."));
  }
  if (ready->status != 200 && ready->status != 503) {
    return out.push_back(failed(name,
                                url->text() + " is no server of Stele: it answers " +
                                    std::to_string(ready->status) + " to /health/ready.",
                                "Correct --url or STELE_URL."));
  }
  if (ready->status == 503) {
    return out.push_back(failed(name, url->text() + " is not ready: " + ready->body,
                                "Its checks, and its log on standard error, say why."));
  }
  out.push_back(well(name, url->text() + " is ready."));
  const auto version = version_of(*url);
  if (version == STELE_VERSION) {
    return out.push_back(
        well("version", "The server is of version " STELE_VERSION ", as this is."));
  }
  out.push_back(warning("version",
                        "The server is of version " + version.value_or("unknown") +
                            ", and this program of " STELE_VERSION ".",
                        "Start the server again with this version, or call the other one."));
}

}  // namespace stele::program::doctor
