#include "consumer/keeper.h"

namespace stele::consumer {
namespace {

class MemoryKeeper final : public Keeper {
 public:
  Result<std::vector<Found>> load() override { return std::vector<Found>{}; }
  Result<void> create(const Kept& /*kept*/) override { return {}; }
  Result<void> save(const Kept& /*kept*/) override { return {}; }
  Result<void> remove(std::string_view /*name*/) override { return {}; }
};

}  // namespace

std::unique_ptr<Keeper> make_memory_keeper() { return std::make_unique<MemoryKeeper>(); }

}  // namespace stele::consumer
