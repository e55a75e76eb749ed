#include "log/testing/sealed_log.h"

#include <cstring>
#include <stdexcept>
#include <utility>

namespace stele::log::testing {
namespace {

// Ids that differ, whose last 8 bytes look random.
Uuid made_id(std::uint64_t n) {
  Uuid id;
  std::uint64_t mixed = (n + 1) * 0x9E37'79B9'7F4A'7C15ULL;
  mixed ^= mixed >> 29;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[7 - i] = static_cast<std::uint8_t>(n >> (8 * i));
    id.bytes[15 - i] = static_cast<std::uint8_t>(mixed >> (8 * i));
  }
  return id;
}

}  // namespace

OpenSegmentWriter::OpenSegmentWriter(Disk& disk, std::string folder, Position first,
                                     std::uint64_t salt)
    : disk_{&disk}, folder_{std::move(folder)}, chain_{header_.chain}, next_{number(first)} {
  header_.salt = salt;
  header_.first = first;
  header_.first_group = 7;
  const auto head = encode(header_);
  file_.assign(head.begin(), head.end());
  group_header_.number = header_.first_group;
  group_header_.first = first;
}

void OpenSegmentWriter::append(const std::vector<ToldEvent>& events) {
  std::map<std::string, std::vector<NewEvent>> by_stream;
  std::vector<std::vector<std::string_view>> tags(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    tags[i].assign(events[i].tags.begin(), events[i].tags.end());
    by_stream[events[i].stream].push_back(
        {.type = events[i].type, .data = events[i].data, .tags = tags[i]});
  }
  std::vector<StreamAppend> streams;
  std::vector<StreamState> before;
  for (const auto& [name, its] : by_stream) {
    streams.push_back({.stream = name, .events = its});
    before.push_back(streams_[name]);
  }
  const AppendId append_id = made_id(++ids_ << 32);
  std::vector<EventId> ids;
  auto encoded = EncodedAppend::encode({.id = append_id, .streams = streams, .digest = Digest{}},
                                       [&](std::span<EventId> out) {
                                         for (EventId& id : out)
                                           ids.push_back(id = made_id(++ids_));
                                       });
  if (!encoded) throw std::runtime_error{encoded.error().message};
  encoded->patch(Position{next_}, Timestamp{static_cast<std::int64_t>(next_)}, before,
                 log_seed(header_.salt));
  const auto frame_first = static_cast<Ordinal>(next_ - number(header_.first));
  std::size_t at = 0;
  for (const auto& [name, its] : by_stream) {
    for (const ToldEvent& told : events) {
      if (told.stream != name) continue;
      StreamState& state = streams_[name];
      state = {.version = Version{number(state.version) + 1}, .tip = tip_of(ids[at])};
      written_.push_back({.told = told,
                          .id = ids[at++],
                          .append_id = append_id,
                          .version = state.version,
                          .frame_first = frame_first});
    }
  }
  next_ += events.size();
  chain_.add(encoded->bytes());
  group_.insert(group_.end(), encoded->bytes().begin(), encoded->bytes().end());
  ++group_header_.frames;
}

void OpenSegmentWriter::close_group() {
  group_header_.size = static_cast<std::uint32_t>(group_header_size + group_.size());
  std::vector<std::byte> bytes(static_cast<std::size_t>(padded(group_header_.size)));
  encode(group_header_, header_.salt, segment_seed(header_.salt, header_.first), bytes);
  if (!group_.empty()) std::memcpy(bytes.data() + group_header_size, group_.data(), group_.size());
  file_.insert(file_.end(), bytes.begin(), bytes.end());
  group_.clear();
  group_header_ = {.number = group_header_.number + 1, .first = Position{next_}};
}

SealRequest OpenSegmentWriter::finish() {
  if (!group_.empty()) close_group();
  const bool written = [&] {
    if (!disk_->make_folder(folder_)) return false;
    auto file = disk_->open(folder_ + "/" + segment_name(header_.first), OpenMode::create);
    return file && (*file)->write_at(0, file_) && (*file)->sync() && disk_->sync_folder(folder_);
  }();
  if (!written) throw std::runtime_error{"The disk took no segment."};
  return {.folder = folder_,
          .first = header_.first,
          .last = Position{next_ - 1},
          .next_group = group_header_.number,
          .chain_after = chain_.value()};
}

}  // namespace stele::log::testing
