// serve: the whole service in one process, until SIGTERM or SIGINT.

#include "domains.h"
#include "stele/service.h"
#include "verbs.h"

namespace stele::program {

int run_verb(const ServeOptions& options, const Output& /*output*/) {
  Service service{{.settings = options.flags, .config_file = options.config}};
  add_domains(service);
  return service.run();
}

}  // namespace stele::program
