// A good log whose files were edited, opened. It opens, or says that it is damaged; what it then
// shows is what was written, to the last byte; `verify` does not call a log good that does not
// open; `repair` makes of every log that it takes one that opens.
//
// The input: edits, each with the file that it is for (1 byte; the highest bit: the file is
// removed; the next: the power is cut afterwards).

#include <memory>
#include <string>
#include <utility>

#include "edits.h"
#include "log/repair.h"
#include "log/testing/log_script.h"
#include "log/verify.h"
#include "target.h"

namespace stele::fuzz {
namespace {

using log::testing::Facts;
using log::testing::LogModel;
using log::testing::LogScript;
using log::testing::OpenedLog;
using log::testing::SimulatedDisk;

struct Written {
  std::unique_ptr<SimulatedDisk> disk;
  Facts facts;
  std::vector<std::string> files;
};

// Made once: a log with sealed segments and indexes, and one with an open segment alone.
const Written& written(bool with_sealed) {
  static const auto make = [](bool sealed) {
    Written made{.disk = std::make_unique<SimulatedDisk>(7), .facts = {}, .files = {}};
    LogModel model;
    LogScript script{*made.disk, model, 7};
    require(sealed ? script.run() : script.run_briefly(), "the script comes to its end");
    made.disk->kill();
    made.facts = model.facts();
    made.files = made.disk->files();
    return made;
  };
  static const Written sealed = make(true);
  static const Written open = make(false);
  return with_sealed ? sealed : open;
}

// Reads all that the log shows, and holds it against what was written.
void look(const log::Log& opened, const Facts& facts) {
  std::size_t at = 0;
  Position after{};
  while (true) {
    const auto page = opened.read_all(after, {}, 1'000);
    if (!page) {
      require(page.error().code == Errc::corrupt, "a read of a damaged log says that it is");
      return;
    }
    for (const EventView& event : page->events) {
      require(at < facts.seen.size() && log::testing::fingerprint(event) == facts.seen[at],
              "an event that is shown is the one that was written");
      ++at;
    }
    if (page->looked_to == after) return;
    after = page->looked_to;
  }
}

bool allowed(const Error& error) {
  return error.code == Errc::corrupt || error.code == Errc::unsupported ||
         error.code == Errc::invalid || error.code == Errc::not_found;
}

void open_and_look(SimulatedDisk& disk, const Facts& facts) {
  const auto opened = OpenedLog::open(disk, 11);
  if (opened) {
    look((*opened)->log(), facts);
  } else {
    require(allowed(opened.error()), "a log that does not open says why");
  }
}

void verify_and_repair(SimulatedDisk& disk, const Facts& facts) {
  const auto report = log::verify(disk, log::testing::log_folder);
  require(report.has_value() || allowed(report.error()), "verify says why it does not");
  const log::testing::StepClock clock;
  const auto repaired = log::repair(disk, log::testing::log_folder, clock);
  if (!repaired) {
    require(allowed(repaired.error()), "repair says why it does not");
    return;
  }
  const auto opened = OpenedLog::open(disk, 13);
  require(opened.has_value(), "a log that was repaired, or had no need of it, opens");
  look((*opened)->log(), facts);
}

const Registered registered{"recovery", [](std::string_view text) {
                              Input input{text};
                              const Written& base = written((input.u8() & 1U) != 0);
                              const auto disk = base.disk->clone(3);
                              for (std::size_t n = 0; n < edits_max && !input.empty(); ++n) {
                                const std::uint8_t which = input.u8();
                                const std::string& path =
                                    base.files[(which & 0x3FU) % base.files.size()];
                                auto bytes = disk->contents(path);
                                if (!bytes) continue;
                                if ((which & 0x80U) != 0) {
                                  (void)disk->remove(path);
                                } else {
                                  edit(input, *bytes);
                                  disk->put(path, *bytes);
                                }
                                if ((which & 0x40U) != 0) disk->cut_power();
                              }
                              const auto copy = disk->clone(5);
                              open_and_look(*disk, base.facts);
                              verify_and_repair(*copy, base.facts);
                            }};

}  // namespace
}  // namespace stele::fuzz
