// An embedded store in a folder of its own, for tests.

#pragma once

#include <memory>
#include <string>

#include "store/testing/store_contract.h"

namespace stele::testing {

/// A new folder under the system's folder for temporary files; removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A new embedded store in a temporary folder. Fails the test if it cannot be opened.
[[nodiscard]] std::unique_ptr<StoreUnderTest> on_disk();

}  // namespace stele::testing
