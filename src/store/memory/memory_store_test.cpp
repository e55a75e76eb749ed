#include "store/testing/store_contract.h"

STELE_STORE_CONTRACT(Memory, [] { return stele::testing::in_memory(); });
