#include "serve/exchange.h"

#include "serve/problem.h"

namespace stele::serve {

void Mailbox::push(std::shared_ptr<Exchange> exchange, MailKind kind) {
  if (std::this_thread::get_id() == owner_) {
    Exchange& mail = *exchange;
    if (mail.connection != nullptr) mail.connection->deliver(mail, kind);
    return;
  }
  const std::lock_guard lock{mutex_};
  if (!open_) return;
  mails_.push_back({.exchange = std::move(exchange), .kind = kind});
  // Under the lock: `close` then waits for a notification that is under way, and what `notify`
  // refers to outlives it.
  if (mails_.size() == 1) notify_();
}

void Mailbox::take(std::vector<Mail>& out) {
  out.clear();
  const std::lock_guard lock{mutex_};
  out.swap(mails_);
}

void Mailbox::close() {
  std::vector<Mail> dropped;  // Destroyed without the lock: a destructor may push.
  const std::lock_guard lock{mutex_};
  open_ = false;
  dropped.swap(mails_);
}

void Exchange::answer(Response with) {
  if (!claim()) return;
  response = std::move(with);
  mail(MailKind::answered);
}

void Exchange::answer_stream(Response head, std::unique_ptr<StreamSource> from) {
  if (!claim()) return;
  response = std::move(head);
  source = std::move(from);
  mail(MailKind::answered);
}

Responder::~Responder() {
  if (exchange_ != nullptr && !exchange_->claimed()) {
    exchange_->answer(Problem{"internal", "The request was dropped without an answer."});
  }
}

Responder& Responder::operator=(Responder&& other) noexcept {
  Responder taken{std::move(other)};
  exchange_.swap(taken.exchange_);
  return *this;
}

void Responder::send(Response response) { exchange_->answer(std::move(response)); }

void Responder::stream(Response head, std::unique_ptr<StreamSource> source) {
  exchange_->answer_stream(std::move(head), std::move(source));
}

bool Responder::cancelled() const noexcept { return exchange_->cancelled(); }

Request& Responder::request() const noexcept { return exchange_->request; }

Blocking blocking(std::function<Response(Request&)> handler) {
  return {[handler = std::move(handler)](Request& request, Responder responder) {
    responder.send(handler(request));
  }};
}

Blocking blocking_async(Handler handler) { return {std::move(handler)}; }

}  // namespace stele::serve
