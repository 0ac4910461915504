// Which backends there are: those compiled in, and shared objects found beside the program, in lib/ql/, in
// $QL_BACKEND_PATH.
#pragma once
#include <span>
#include <string>

#include "ggml/backend/backend.hpp"

namespace ql {

struct FoundBackend {
    const Backend * backend = nullptr;  // null if it was refused
    std::string path = {};              // of its shared object; "" if it is compiled in
    std::string refused = {};           // why it is not used, "" if it may be
};

/// Everything that was found, in the order in which "auto" tries it. The list stays as it is for the process's life.
std::span<const FoundBackend> found_backends();

/// The backend of a device name: "auto" (the best there is), "cpu", "cuda:0" ... errors: QL_NOT_FOUND lists what was
/// found.
Result<const Backend *> find_backend(const char * device_name);

}  // namespace ql
