// The domains that this program serves.

#pragma once

namespace stele {
class Service;
}

namespace stele::program {

/// Adds their deciders, projections and routes.
void add_domains(Service& service);

}  // namespace stele::program
