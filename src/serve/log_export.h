// `GET /v1/export`: the log as it is kept, a line of JSON for each event, so that it can be made
// again byte for byte (store/embedded/restore.h). A line is that of `GET /v1/events` with
//
//   dataBase64      also where showing JSON as `data` would change its bytes
//   metadataBase64  where showing it as `metadata` would
//   keyId           if parts of the event are encrypted
//   digest          of what the event's append asked for, 32 hex digits
//   streams         with the first event of an append that only checked some of its streams:
//                   [{stream, version, tip}] as it was answered
//   log             with the first line of an answer: {id, end}; lines reach to position `end`
//   crc32c          last: of the line's bytes before ",\"crc32c\"", 8 hex digits

#pragma once

#include "serve/http.h"
#include "stele/event_store.h"

namespace stele::serve {

/// Answers one request; may wait. `store` must outlive the answer's stream.
void answer_export(const EventStore& store, Request& request, Responder responder);

}  // namespace stele::serve
