#include "domains.h"

#include "bank/bank.h"

namespace stele::program {

void add_domains(Service& service) { bank::register_bank(service); }

}  // namespace stele::program
