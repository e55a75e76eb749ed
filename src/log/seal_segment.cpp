#include "log/seal_segment.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "log/bytes.h"
#include "log/index_builder.h"
#include "log/sealed_block.h"
#include "log/sealed_page.h"
#include "log/sealed_segment.h"

namespace stele::log {
namespace {

constexpr std::uint32_t entries_per_page = sealed_page_room / block_entry_size;
constexpr std::string_view temporary = ".tmp";
constexpr std::size_t io_size = 1'024 * 1'024;  // Bytes read or written at once.

std::string temporary_path(const std::string& path) { return path + std::string{temporary}; }

/// One run of sealing: reads the groups, writes the blocks, the table, the footer and the index.
class Sealing {
 public:
  Sealing(Disk& disk, const SealRequest& request)
      : disk_{&disk},
        request_{&request},
        path_{request.folder + "/" + segment_name(request.first)},
        index_path_{request.folder + "/" + index_name(request.first)} {}

  Result<SealReport> run(const MayGoOn& may_go_on) {
    if (const auto begun = begin(); !begun) return std::unexpected{begun.error()};
    if (header_.kind == SegmentKind::sealed) return adopt();
    builder_.emplace(header_.salt);
    chain_.emplace(header_.chain);
    while (next_ <= number(request_->last)) {
      if (may_go_on && !may_go_on()) return report_;
      if (const auto done = take_group(); !done) return std::unexpected{done.error()};
    }
    if (const auto done = flush(); !done) return std::unexpected{done.error()};
    if (next_ != number(request_->last) + 1 || chain_->value() != request_->chain_after) {
      return not_as_asked("its frames are not those that the log wrote");
    }
    if (const auto done = finish(); !done) return std::unexpected{done.error()};
    if (const auto done = put_in_place(); !done) return std::unexpected{done.error()};
    report_.outcome = SealOutcome::sealed;
    return report_;
  }

  // As far as the disk lets us; the next opening removes the rest.
  void remove_temporaries() {
    out_.reset();
    (void)disk_->remove(temporary_path(path_));
    (void)disk_->remove(temporary_path(index_path_));
    if (report_.kept) (void)disk_->remove(request_->keep_as);
  }

 private:
  Result<void> begin() {
    auto in = disk_->open(path_, OpenMode::read);
    if (!in) return std::unexpected{in.error()};
    in_ = std::move(*in);
    std::array<std::byte, segment_header_size> head;
    if (const auto read = in_->read_at(0, head); !read) return std::unexpected{read.error()};
    const auto header = decode_segment_header(head, path_);
    if (!header) return std::unexpected{header.error()};
    if (header->first != request_->first) return not_as_asked("it begins elsewhere");
    header_ = *header;
    if (header_.kind == SegmentKind::sealed) return {};
    seed_ = segment_seed(header_.salt, header_.first);
    log_seed_ = log_seed(header_.salt);
    packer_.emplace(seed_, request_->in_haste);
    next_ = number(header_.first);
    group_ = header_.first_group;
    const auto size = in_->size();
    if (!size) return std::unexpected{size.error()};
    in_size_ = *size;
    auto out = disk_->open(temporary_path(path_), OpenMode::create);
    if (!out) return std::unexpected{out.error()};
    out_ = std::move(*out);
    SegmentHeader sealed = header_;
    sealed.kind = SegmentKind::sealed;
    return write(encode(sealed));
  }

  // An earlier run came as far as step 6, and the sync of the folder failed: the sealed segment is
  // there. Should its name be lost with the power, the open segment comes back, as whole.
  Result<SealReport> adopt() {
    const auto sealed = SealedSegment::open(*disk_, request_->folder, request_->first,
                                            std::make_shared<BlockCache>(0));
    if (!sealed) return std::unexpected{sealed.error()};
    if ((*sealed)->last() != request_->last ||
        (*sealed)->info().chain_after != request_->chain_after) {
      return not_as_asked("it is sealed already, with other frames");
    }
    if (const auto done = disk_->sync_folder(request_->folder); !done) {
      return std::unexpected{done.error()};
    }
    report_.size_before = (*sealed)->info().frames_size;
    report_.outcome = SealOutcome::sealed;
    return report_;
  }

  std::unexpected<Error> not_as_asked(std::string_view why) const {
    return fail(Errc::corrupt, "The segment \"" + path_ +
                                   "\" cannot be sealed: " + std::string{why} + " (at position " +
                                   std::to_string(next_) + "). Run \"stele verify\" on the log.");
  }

  /// `count` bytes of the open segment at `offset`. Valid until the next call.
  Result<std::span<const std::byte>> read(std::uint64_t offset, std::size_t count) {
    if (offset + count > in_size_) return not_as_asked("it ends too early");
    if (offset < window_at_ || offset + count > window_at_ + window_.size()) {
      window_.resize(std::min<std::uint64_t>(std::max(count, io_size), in_size_ - offset));
      window_at_ = offset;
      if (const auto done = in_->read_at(offset, window_); !done) {
        window_.clear();
        return std::unexpected{done.error()};
      }
    }
    return std::span<const std::byte>{window_}.subspan(offset - window_at_, count);
  }

  Result<void> write(std::span<const std::byte> bytes) {
    out_bytes_.insert(out_bytes_.end(), bytes.begin(), bytes.end());
    return out_bytes_.size() < io_size ? Result<void>{} : write_out();
  }

  Result<void> write_out() {
    auto done = out_->write_at(out_written_, out_bytes_);
    out_written_ += out_bytes_.size();
    out_bytes_.clear();
    return done;
  }

  [[nodiscard]] std::uint64_t out_size() const { return out_written_ + out_bytes_.size(); }

  Result<void> take_group() {
    auto bytes = read(in_at_, group_header_size);
    if (!bytes) return std::unexpected{bytes.error()};
    GroupHeader group;
    const bool right = decode_group_header(*bytes, header_.salt, seed_, group) &&
                       group.number == group_ && group.size >= group_header_size;
    if (!right) return not_as_asked("a group in it is damaged");
    bytes = read(in_at_, group.size);
    if (!bytes) return std::unexpected{bytes.error()};
    in_at_ += padded(group.size);
    ++group_;
    for (auto rest = bytes->subspan(group_header_size); !rest.empty();) {
      const auto frame = FrameView::parse(rest, log_seed_);
      if (!frame) return std::unexpected{frame.error()};
      if (number(frame->first()) != next_) return not_as_asked("a frame is not in its place");
      if (const auto done = take_frame(*frame); !done) return std::unexpected{done.error()};
      rest = rest.subspan(frame->size());
    }
    return {};
  }

  Result<void> take_frame(const FrameView& frame) {
    if (!block_.empty() && block_.size() + frame.size() > sealed_block_size) {
      if (const auto done = flush(); !done) return std::unexpected{done.error()};
    }
    if (block_.empty()) {
      entry_ = {.number = static_cast<std::uint32_t>(table_.size()),
                .offset = static_cast<std::uint32_t>(out_size()),
                .first = static_cast<Ordinal>(next_ - number(header_.first))};
    }
    const bool alone = block_.empty() && frame.size() >= sealed_block_size;
    if (!alone) block_.insert(block_.end(), frame.bytes().begin(), frame.bytes().end());
    builder_->add(frame, entry_.number);
    chain_->add(frame.bytes());
    next_ += frame.event_count();
    ++frames_;
    report_.size_before += frame.size();
    last_recorded_at_ = frame.recorded_at();
    return alone ? put_block(frame.bytes()) : Result<void>{};
  }

  Result<void> flush() {
    if (block_.empty()) return {};
    auto done = put_block(block_);
    block_.clear();
    return done;
  }

  Result<void> put_block(std::span<const std::byte> frames) {
    packer_->pack(frames, entry_, out_bytes_);
    table_.push_back(entry_);
    return out_bytes_.size() < io_size ? Result<void>{} : write_out();
  }

  Result<void> finish() {
    const std::uint64_t table_at = out_size();
    std::vector<Ordinal> fences;
    for (std::size_t i = 0; i < table_.size(); i += entries_per_page) {
      std::array<std::byte, sealed_page_size> page{};
      for (std::size_t n = 0; n < entries_per_page && i + n < table_.size(); ++n) {
        std::byte* const at = page.data() + n * block_entry_size;
        const BlockEntry& entry = table_[i + n];
        store(at, entry.offset);
        store(at + 4, entry.first);
        store(at + 8, entry.stored);
        store(at + 12, entry.raw);
      }
      finish_page(page, static_cast<std::uint32_t>(fences.size()), seed_);
      fences.push_back(table_[i].first);
      if (const auto done = write(page); !done) return std::unexpected{done.error()};
    }
    const bool fits = fences.size() <= sealed_table_pages_max && out_size() <= 0xFFFF'FFFF;
    if (!fits) return not_as_asked("it is too large");
    return write_footer(table_at, fences);
  }

  Result<void> write_footer(std::uint64_t table_at, const std::vector<Ordinal>& fences) {
    std::array<std::byte, sealed_footer_size> foot{};
    std::byte* const at = foot.data();
    std::memcpy(at, "STELEEND", 8);
    store(at + 8, events());
    store(at + 12, frames_);
    store(at + 16, static_cast<std::uint32_t>(table_.size()));
    store(at + 20, static_cast<std::uint32_t>(table_at));
    store(at + 24, report_.size_before);
    store(at + 32, number(header_.first));
    store(at + 40, request_->next_group);
    store(at + 48, micros(last_recorded_at_));
    const ChainHash chain = chain_->value();
    std::memcpy(at + 56, chain.data(), chain.size());
    store(at + 72, static_cast<std::uint32_t>(fences.size()));
    for (std::size_t i = 0; i < fences.size(); ++i) store(at + 76 + 4 * i, fences[i]);
    store(at + foot.size() - 4, crc32c(at, foot.size() - 4, seed_));
    if (auto done = write(foot); !done) return done;
    return write_out();
  }

  [[nodiscard]] std::uint32_t events() const {
    return static_cast<std::uint32_t>(next_ - number(header_.first));
  }

  // Steps 1 to 7 of seal_segment.h.
  Result<void> put_in_place() {
    const std::vector<std::byte> index = builder_->build({.first = header_.first,
                                                          .chain_after = chain_->value(),
                                                          .events = events(),
                                                          .frames = frames_,
                                                          .seed = seed_});
    report_.size_after = out_size();
    report_.index_size = index.size();
    if (const auto done = out_->sync(); !done) return std::unexpected{done.error()};
    // Without the name the next spare is a new file: slower, nothing else.
    if (!request_->keep_as.empty()) {
      report_.kept = disk_->link(path_, request_->keep_as).has_value();
    }
    if (const auto done = write_index(*disk_, request_->folder, request_->first, index); !done) {
      return std::unexpected{done.error()};
    }
    if (const auto done = disk_->rename(temporary_path(path_), path_); !done) {
      return std::unexpected{done.error()};
    }
    return disk_->sync_folder(request_->folder);
  }

  Disk* disk_;
  const SealRequest* request_;
  std::string path_;
  std::string index_path_;
  std::unique_ptr<File> in_;
  std::unique_ptr<File> out_;
  std::uint64_t in_size_ = 0;
  std::uint64_t in_at_ = segment_header_size;
  std::vector<std::byte> window_;  // A piece of the open segment.
  std::uint64_t window_at_ = 0;
  std::vector<std::byte> out_bytes_;  // What is not written yet.
  std::uint64_t out_written_ = 0;
  SegmentHeader header_;
  std::uint32_t seed_ = 0;
  std::uint32_t log_seed_ = 0;
  std::uint64_t next_ = 0;  // The position that is expected next.
  std::uint64_t group_ = 0;
  std::uint32_t frames_ = 0;
  Timestamp last_recorded_at_{};
  std::vector<std::byte> block_;
  BlockEntry entry_;
  std::vector<BlockEntry> table_;
  std::optional<BlockPacker> packer_;
  std::optional<IndexBuilder> builder_;
  std::optional<FrameChain> chain_;
  SealReport report_;
};

}  // namespace

Result<void> write_index(Disk& disk, const std::string& folder, Position first,
                         std::span<const std::byte> bytes) {
  const std::string path = folder + "/" + index_name(first);
  auto file = disk.open(temporary_path(path), OpenMode::create);
  if (!file) return std::unexpected{file.error()};
  auto done = (*file)->write_at(0, bytes);
  if (done) done = (*file)->sync();
  if (done) done = disk.rename(temporary_path(path), path);
  if (!done) {
    (void)disk.remove(temporary_path(path));
    return done;
  }
  return disk.sync_folder(folder);
}

Result<SealReport> seal_segment(Disk& disk, const SealRequest& request, const MayGoOn& may_go_on) {
  Sealing sealing{disk, request};
  auto report = sealing.run(may_go_on);
  if (!report || report->outcome != SealOutcome::sealed) sealing.remove_temporaries();
  return report;
}

Result<void> remove_seal_leftovers(Disk& disk, const std::string& folder) {
  const auto names = disk.list(folder);
  if (!names) return std::unexpected{names.error()};
  for (const std::string& name : *names) {
    bool left_over = name.ends_with(temporary);
    if (const Position first = position_in_name(name, ".idx"); first != Position{}) {
      left_over = !std::ranges::binary_search(*names, segment_name(first));
    }
    if (!left_over) continue;
    std::string path = folder;
    path.append("/").append(name);
    if (const auto gone = disk.remove(path); !gone) return gone;
  }
  return {};
}

}  // namespace stele::log
