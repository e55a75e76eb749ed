#include "decide/metadata.h"

#include "stele/json.h"

namespace stele::decide {

Result<std::string> metadata_of(const CommandOptions& options, Timestamp occurred_at) {
  std::string out;
  JsonWriter writer{out};
  const auto put = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    writer.key(name);
    writer.string(value);
  };
  writer.begin_object();
  put("correlation_id", options.correlation_id);
  put("causation_id", options.causation_id);
  put("traceparent", options.traceparent);
  put("actor", options.actor);
  writer.key("occurred_at");
  writer.time(occurred_at);
  writer.end_object();
  if (writer.failed()) {
    return fail(Errc::invalid, "The command's metadata is unusable: " + writer.error().message);
  }
  return out;
}

}  // namespace stele::decide
