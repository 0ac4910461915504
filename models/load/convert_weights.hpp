// Weights in other types than their file has, on loading: what base_type and embedding_type ask for.
#pragma once
#include <string>
#include <vector>

#include "models/model/weights.hpp"
#include "ql/model.h"

namespace ql {

/// errors  QL_INVALID_ARGUMENT, QL_UNSUPPORTED: a type that weights cannot have
Status check_base_types(const ql_model_options & options);

/// `options` has passed check_base_types. A matrix that cannot take the asked type is noted: "blk.0.ffn_down.weight
/// keeps f16: ..."                                                    errors  QL_NO_MEMORY, QL_NON_FINITE
Status convert_weights(ModelParts & parts, const ql_model_options & options, std::vector<std::string> & notes);

}  // namespace ql
