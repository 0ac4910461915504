// A model on its way into one GGUF file or several: each tensor takes its type, some rows in memory at a time.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "models/quantize/convert_rows.hpp"
#include "ql/gguf.h"
#include "ql/quantize.h"

namespace ql {

struct ModelInput {
    std::string path;                 // for messages
    std::vector<Conversion> tensors;  // where each comes from; what it becomes is chosen by the options
    /// Sets all keys but those that describe the types.
    std::function<Status(ql_gguf_writer *)> set_keys;
};

/// Looks at an option that says what the weights become.    errors  QL_INVALID_ARGUMENT, QL_NOT_FOUND, QL_UNSUPPORTED
Status check_quantize_options(const ql_quantize_options & options);

/// `options` have passed the check. Nothing is left of an output that fails.
Status write_model(ModelInput & input, const std::string & out, const ql_quantize_options & options);

}  // namespace ql
