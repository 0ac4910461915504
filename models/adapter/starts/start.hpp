// How the values of a new adapter start. One file a start; starts.cpp lists them.
#pragma once
#include <span>
#include <string>

#include "models/adapter/adapter.hpp"
#include "models/model/model.hpp"

namespace ql {

struct StartOptions {
    std::string name = "default";
    uint64_t seed = 42;
    int threads = 1;  // of decompositions
};

/// Gives an adapter that new_adapter has made another start. What it changes is B A = 0 for most; pissa starts in the
/// base's own weight (frozen.hpp), loftq in what the base lost when it was quantised.
/// errors  QL_INVALID_ARGUMENT: an unknown start (lists them), or one that this base or these ranks do not allow;
///         QL_NON_FINITE names a weight
Status start_adapter(Adapter & adapter, const Model & model, const StartOptions & options);

/// Only plain LoRA has another start than its kind's own.         errors  QL_INVALID_ARGUMENT
Status check_is_lora(const Adapter & adapter, const char * start);

/// A start: its name, what it is in a line, and what it does.
struct StartMethod {
    const char * name;
    const char * meaning;
    Status (*start)(Adapter & adapter, const Model & model, const StartOptions & options);
};
std::span<const StartMethod> start_methods();

Status start_gaussian(Adapter & adapter, const Model & model, const StartOptions & options);
Status start_orthogonal(Adapter & adapter, const Model & model, const StartOptions & options);
Status start_pissa(Adapter & adapter, const Model & model, const StartOptions & options);
Status start_loftq(Adapter & adapter, const Model & model, const StartOptions & options);
Status start_eva_without_data(Adapter & adapter, const Model & model, const StartOptions & options);

}  // namespace ql
