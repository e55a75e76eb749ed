#include "log/recovery.h"

#include <algorithm>
#include <utility>

#include "log/frame_indexer.h"
#include "log/seal_segment.h"
#include "log/segment_chain.h"
#include "log/segment_scan.h"

namespace stele::log {
namespace {

// The first segment of a new log is small, so that making a log is quick; one append fits.
constexpr std::uint64_t first_segment_size_max = frame_size_max + 16 * group_alignment;

Error damage(const std::string& path, std::uint64_t offset, const std::string& why) {
  return {Errc::corrupt, "\"" + path + "\" is damaged at byte " + std::to_string(offset) + ": " +
                             why +
                             " What lay there had been durable. Run `stele verify` to see all of "
                             "it; `stele repair` cuts the log there, or restore a backup."};
}

class Recovery {
 public:
  Recovery(Disk& disk, std::string folder, const Environment& environment, const Options& options,
           std::shared_ptr<BlockCache> cache)
      : disk_{disk},
        folder_{std::move(folder)},
        environment_{environment},
        options_{options},
        cache_{std::move(cache)} {}

  Result<TailStart> run() {
    auto names = disk_.list(folder_);
    if (!names) return std::unexpected{names.error()};
    if (auto done = check_names(*names); !done) return std::unexpected{done.error()};
    if (auto done = remove_seal_leftovers(disk_, folder_); !done) {
      return std::unexpected{done.error()};
    }
    if (firsts_.empty()) {
      if (auto done = make_first_segment(); !done) return std::unexpected{done.error()};
    }
    for (const Position first : firsts_) {
      if (auto done = add_segment(first); !done) return std::unexpected{done.error()};
    }
    if (layout_->open.empty()) {
      if (auto done = add_segment_after_sealed(); !done) return std::unexpected{done.error()};
    }
    // Names that a crash left in the cache only.
    if (auto done = disk_.sync_folder(folder_); !done) return std::unexpected{done.error()};
    out_.folder = folder_;
    out_.layout = std::move(layout_);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string path_of(Position first) const {
    return folder_ + "/" + segment_name(first);
  }

  Result<void> check_names(const std::vector<std::string>& names) {
    std::string foreign;
    bool has_index = false;
    for (const std::string& name : names) {
      if (const Position first = position_in_name(name, ".seg"); number(first) != 0) {
        firsts_.push_back(first);
      } else if (number(position_in_name(name, ".idx")) != 0) {
        has_index = true;
      } else if (name == restore_marker) {
        if (!options_.restore) return restore_unfinished();
      } else if (!name.ends_with(".tmp") && name != "spare.ready" && !name.ends_with(".cut")) {
        foreign = name;
      }
    }
    if (!firsts_.empty()) return {};
    if (!foreign.empty()) {
      return fail(Errc::invalid, "\"" + folder_ + "\" is not a log's folder: it holds \"" +
                                     foreign + "\"; name another data folder.");
    }
    if (has_index) {
      return fail(Errc::corrupt,
                  "\"" + folder_ + "\" holds indexes but no segments; restore a backup.");
    }
    return {};
  }

  [[nodiscard]] Result<void> restore_unfinished() const {
    return fail(Errc::unavailable, "A restore into \"" + folder_ +
                                       "\" was not finished, so this is no log yet. Start the "
                                       "same `stele import --restore` again: it begins anew.");
  }

  Result<void> make_first_segment() {
    SegmentHeader header;
    if (options_.restore) {
      header.log_id = options_.restore->id;
      header.epoch = options_.restore->epoch;
    } else {
      header.log_id = make_uuid_v7(environment_.clock.now(), environment_.random);
    }
    header.salt = environment_.random.next();
    header.made_at = environment_.clock.now();
    firsts_.push_back(header.first);
    return make_segment(header, std::min(options_.segment_size, first_segment_size_max));
  }

  Result<void> make_segment(const SegmentHeader& header, std::uint64_t size) {
    const std::string temporary = folder_ + "/next.tmp";
    auto file = disk_.open(temporary, OpenMode::create);
    if (!file) return std::unexpected{file.error()};
    auto done = (*file)->zero_fill(0, size);
    if (done) done = (*file)->write_at(0, encode(header));
    if (done) done = (*file)->sync();
    if (done) done = disk_.rename(temporary, path_of(header.first));
    if (!done) {
      file->reset();
      (void)disk_.remove(temporary);  // The first error is the one to tell.
    }
    return done;
  }

  /// A log whose last segment is sealed (after a repair, or a copy of sealed files only).
  Result<void> add_segment_after_sealed() {
    SegmentHeader header = chain_.next();
    header.made_at = environment_.clock.now();
    if (auto done = make_segment(header, options_.segment_size); !done) return done;
    firsts_.push_back(header.first);
    return add_segment(header.first);
  }

  Result<void> add_segment(Position first) {
    const std::string path = path_of(first);
    auto file = disk_.open(path, OpenMode::write);
    if (!file) return std::unexpected{file.error()};
    std::vector<std::byte> bytes(segment_header_size);
    if (auto read = (*file)->read_at(0, bytes); !read) return std::unexpected{read.error()};
    const auto header = decode_segment_header(bytes, path);
    if (!header) return std::unexpected{header.error()};
    if (auto done = follow(*header, first, path); !done) return done;
    if (header->kind == SegmentKind::sealed) return add_sealed(*header);
    return add_open(*header, path, std::move(*file), first == firsts_.back());
  }

  Result<void> follow(const SegmentHeader& header, Position name, const std::string& path) {
    if (const auto why = chain_.follow(header, name)) {
      return fail(Errc::corrupt, "The segment \"" + path + "\" does not follow the one before: " +
                                     *why + " Run `stele verify`.");
    }
    out_.log_id = header.log_id;
    out_.salt = header.salt;
    out_.epoch = header.epoch;
    return {};
  }

  void end_segment(Position last, std::uint64_t next_group, std::uint64_t frames,
                   const ChainHash& chain, Timestamp recorded_at) {
    chain_.end_segment(last, next_group, frames, chain, recorded_at);
    out_.end = last;
    out_.next_group = next_group;
    out_.frames = chain_.next().frames_before;
    out_.last_recorded_at = recorded_at;
  }

  Result<void> add_sealed(const SegmentHeader& header) {
    auto segment = SealedSegment::open(disk_, folder_, header.first, cache_);
    if (!segment) return std::unexpected{segment.error()};
    const SealedInfo& info = (*segment)->info();
    end_segment((*segment)->last(), info.next_group, info.frames, info.chain_after,
                info.last_recorded_at);
    layout_->sealed.push_back(std::move(*segment));
    return {};
  }

  Result<void> add_open(const SegmentHeader& header, const std::string& path,
                        std::unique_ptr<File> file, bool is_last) {
    const auto size = file->size();
    if (!size) return std::unexpected{size.error()};
    auto segment = std::make_shared<OpenSegment>(header, path, *size);
    FrameIndexer indexer{*segment};
    auto scan = scan_segment_groups(*file, header,
                                    [&](ScannedGroup group) { indexer.add(std::move(group)); });
    if (!scan) return std::unexpected{scan.error()};
    indexer.finish();
    if (scan->proven_by || (!is_last && !scan->clean)) {
      return std::unexpected{damage(path, scan->end, scan->why)};
    }
    if (is_last) {
      if (auto done = settle_end(*file, *scan); !done) return done;
      out_.next_offset = scan->end;
      out_.chain = std::move(scan->chain);
      out_.ends_with_mark = scan->ends_with_mark || scan->groups == 0;
    } else {
      out_.full.push_back({.first = header.first,
                           .last = scan->last,
                           .next_group = scan->next_group,
                           .chain_after = scan->chain_after});
    }
    segment->attach(std::move(file));
    segment->publish(static_cast<Ordinal>(number(scan->last) + 1 - number(header.first)),
                     scan->end);
    layout_->open.push_back(std::move(segment));
    end_segment(scan->last, scan->next_group, scan->frames, scan->chain_after,
                scan->last_recorded_at);
    return {};
  }

  /// R4 and R5.
  Result<void> settle_end(File& file, const SegmentScan& scan) {
    if (scan.clean && scan.groups == 0) return {};
    if (!scan.clean) {
      auto done = file.zero_fill(scan.end, scan.remains_end - scan.end);
      if (!done) return done;
    }
    if (scan.groups != 0) {
      std::vector<std::byte> bytes(scan.last_group_size);
      auto done = file.read_at(scan.last_group_at, bytes);
      if (done) done = file.write_at(scan.last_group_at, bytes);
      if (!done) return done;
    }
    return file.sync();
  }

  Disk& disk_;
  const std::string folder_;
  const Environment& environment_;
  const Options& options_;
  const std::shared_ptr<BlockCache> cache_;
  std::vector<Position> firsts_;
  std::shared_ptr<Layout> layout_ = std::make_shared<Layout>();
  TailStart out_;
  SegmentChain chain_;
};

}  // namespace

Result<TailStart> recover(Disk& disk, const std::string& folder, const Environment& environment,
                          const Options& options, const std::shared_ptr<BlockCache>& cache) {
  return Recovery{disk, folder, environment, options, cache}.run();
}

}  // namespace stele::log
