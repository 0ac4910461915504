#include "models/load/find_architecture.hpp"

namespace ql {

const Architecture & llama_architecture();

Result<const Architecture *> find_architecture(std::string_view name) {
    const Architecture * const table[] = {&llama_architecture()};
    std::string known;
    for (const Architecture * a : table) {
        if (a->name() == name) return a;
        known += (known.empty() ? "" : ", ") + std::string(a->name());
    }
    return error(QL_UNSUPPORTED, "architecture '%s' is not supported; supported: %s", std::string(name).c_str(),
                 known.c_str());
}

}  // namespace ql
