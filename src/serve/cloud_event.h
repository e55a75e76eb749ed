// An event as CloudEvents 1.0 shows it, in the JSON event format (structured mode), for readers
// that speak that and nothing else.
//
//   specversion      "1.0"
//   id               the event's id: unique for all time, so also within the source
//   source           "/stele/{log id}"
//   type, subject    the event's type, its stream
//   time             recorded at
//   datacontenttype  the content type; `data` is JSON, or `data_base64` is anything else
//
// Extension attributes, whose names may hold only lower-case letters and digits, and whose integers
// end at 2^31, so that numbers are texts: steleposition, steleversion, steleappend, steleepoch,
// steleschema; steletags and stelemetadata as JSON texts, if there are any; traceparent and
// tracestate from the metadata, as the extension for distributed tracing has them.

#pragma once

#include <string>
#include <string_view>

#include "stele/event.h"

namespace stele::serve {

inline constexpr std::string_view cloud_events_batch_type = "application/cloudevents-batch+json";

/// Of one log, at one time: what all its events have in common.
struct CloudEventsOf {
  LogId log;
  Epoch epoch{};
};

/// Appends the event as one JSON object.
void append_cloud_event(std::string& out, const EventView& event, const CloudEventsOf& of);

}  // namespace stele::serve
