// Which backends there are: those compiled in, and shared objects found beside the program, in lib/ql/, in
// $QL_BACKEND_PATH.
#pragma once
#include "ggml/backend/backend.hpp"

namespace ql {

/// The backend of a device name: "auto" (the best there is), "cpu", "cuda:0" ... errors: QL_NOT_FOUND lists what was
/// found.
Result<const Backend *> find_backend(const char * device_name);

}  // namespace ql
