#include "target.h"

#include <filesystem>
#include <utility>

#include "domains.h"
#include "observe/logger.h"
#include "stele/service.h"

namespace stele::program {
namespace {

constexpr std::chrono::milliseconds answer_timeout{65'000};  // The longest wait, and some.

}  // namespace

ServerHandle::ServerHandle(Url url, std::unique_ptr<Service> own)
    : url_{std::move(url)}, own_{std::move(own)} {}
ServerHandle::~ServerHandle() {
  if (own_) own_->stop();
}
ServerHandle::ServerHandle(ServerHandle&&) noexcept = default;
ServerHandle& ServerHandle::operator=(ServerHandle&&) noexcept = default;

Result<ServerHandle> reach(const Target& target, Needs needs) {
  if (!target.data) {
    auto url = Url::parse(target.url);
    if (!url) return std::unexpected{url.error()};
    return ServerHandle{std::move(*url), nullptr};
  }
  std::error_code ignored;
  if (needs == Needs::events &&
      !std::filesystem::is_directory(std::filesystem::path{*target.data} / "log", ignored)) {
    return fail(Errc::not_found,
                "\"" + *target.data + "\" holds no log. Name another folder with --data.");
  }
  auto service = std::make_unique<Service>(ServiceOptions{
      .settings = {{"serve.data", *target.data},
                   {"serve.listen", "127.0.0.1:0"},
                   {"serve.access_log", "false"},
                   {"serve.roles", needs == Needs::domains ? "api,projector" : "api"}},
      .use_variables = false,
      .logger = &observe::null_logger()});
  if (needs == Needs::domains) add_domains(*service);
  if (auto started = service->start(); !started) return std::unexpected{started.error()};
  auto url = Url::parse(service->url());
  if (!url) return std::unexpected{url.error()};
  return ServerHandle{std::move(*url), std::move(service)};
}

Result<Answer> ask(const ServerHandle& server, const Call& call) {
  HttpConnection connection{server.url()};
  return connection.call(call, answer_timeout);
}

}  // namespace stele::program
