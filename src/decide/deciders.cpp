#include <string>
#include <utility>

#include "decide/idempotency.h"
#include "decide/processor.h"
#include "store/digest.h"

namespace stele::decide {
namespace {

/// Fields with their sizes before them, so that no two lists of fields give the same bytes.
void put(std::string& out, std::string_view field) {
  out += std::to_string(field.size());
  out += ':';
  out += field;
}

std::unexpected<MappingError> malformed(std::string message) {
  return std::unexpected{
      MappingError{.code = MappingCode::malformed, .pointer = {}, .message = std::move(message)}};
}

std::string canonical(const CommandCall& call) {
  std::string out;
  out.reserve(256);
  put(out, call.decider->category);
  put(out, call.command->name);
  // By meaning, not by spelling: "1.0" and "1.00" are one amount. A value that has no JSON (a sum
  // that overflowed) keeps what was written up to there; the command itself cannot have been read
  // from JSON, so no client can hold its digest.
  std::string body;
  JsonWriter writer{body};
  writer.set_canonical_amounts();
  writer.begin_object();
  call.command->type->write(writer, call.body.get());
  writer.end_object();
  put(out, body);
  return out;
}

}  // namespace

Result<void> Deciders::add(const detail::DeciderTable& table) {
  if (auto good = check_stream_name(std::string{table.category} + "-x"); !good) return good;
  if (table.category.contains('-')) {
    return fail(Errc::invalid, "The category \"" + std::string{table.category} +
                                   "\" has a hyphen, which ends a category. Choose another.");
  }
  const auto [at, added] = tables_.emplace(table.category, &table);
  if (!added && at->second != &table) {
    return fail(Errc::invalid, "Two deciders have the category \"" + std::string{table.category} +
                                   "\". Give one of them another.");
  }
  return {};
}

const detail::DeciderTable* Deciders::find(std::string_view category) const {
  const auto found = tables_.find(category);
  return found == tables_.end() ? nullptr : found->second;
}

std::expected<CommandCall, MappingError> Deciders::parse(std::string_view category,
                                                         std::string_view command, std::string key,
                                                         std::string_view json,
                                                         MappingOptions options) const {
  const detail::DeciderTable* decider = find(category);
  if (decider == nullptr) {
    return malformed("There is no decider of category \"" + std::string{category} + "\".");
  }
  const detail::CommandTable* table = decider->command_named(command);
  if (table == nullptr) {
    return malformed("The decider of \"" + std::string{category} + "\" has no command \"" +
                     std::string{command} + "\".");
  }
  auto body = table->read(json, options);
  if (!body) return std::unexpected{std::move(body.error())};
  return CommandCall{.decider = decider,
                     .command = table,
                     .key = std::move(key),
                     .body = std::move(*body),
                     .options = {}};
}

Digest digest_of(const CommandCall& call) {
  std::string text = canonical(call);
  put(text, call.key);
  return store::hash_bytes(text);
}

AppendId id_of_idempotency_key(std::string_view tenant, std::string_view caller,
                               std::string_view key) {
  std::string who;
  put(who, "stele-idempotency");
  put(who, tenant);
  put(who, caller);
  put(who, key);
  AppendId id;
  id.bytes = store::hash_bytes(who);
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | 0x80);  // UUIDv8: ours to fill.
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);
  return id;
}

void make_idempotent(CommandCall& call, const IdempotencyScope& scope) {
  call.options.id = id_of_idempotency_key(scope.tenant, scope.caller, scope.idempotency_key);

  std::string what = canonical(call);
  put(what, scope.method);
  put(what, scope.path);
  if (scope.path.empty()) put(what, call.key);
  call.options.digest = store::hash_bytes(what);
}

}  // namespace stele::decide
