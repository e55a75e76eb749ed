// How an event looks in JSON, for every route, the command line and the export alike.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stele/append.h"
#include "stele/event.h"

namespace stele::serve {

/// "application/json", "text/json" or "...+json", with or without parameters.
[[nodiscard]] bool is_json_type(std::string_view content_type) noexcept;

enum class DataForm : std::uint8_t {
  shown,  ///< JSON as `data`, without insignificant white space; anything else as `dataBase64`.
  exact,  ///< Every byte: `dataBase64` and `metadataBase64` where removing white space would
          ///< change something, and `keyId` if there is one.
};

/// Appends `{position, stream, version, id, appendId, type, tags, data | dataBase64, contentType,
/// schemaVersion, metadata, recordedAt}`.
void append_event_json(std::string& out, const EventView& event, DataForm form = DataForm::shown);

/// Appends the answer to an append: `{id, firstPosition, position, streams, replayed, token}`.
/// `streams` names them in the order of the request.
void append_appended_json(std::string& out, const Appended& appended,
                          const std::vector<std::string>& streams, std::string_view token);

}  // namespace stele::serve
