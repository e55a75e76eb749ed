#include "store/testing/on_disk.h"

STELE_STORE_CONTRACT(Embedded, [] { return stele::testing::on_disk(); });
