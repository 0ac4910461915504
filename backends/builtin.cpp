// The backends that are compiled into the library: the CPU, which is always there.
#include "ggml/backend/backend.hpp"

namespace ql {
namespace cpu {
extern const Backend kCpuBackend;
}

std::span<const Backend * const> builtin_backends() {
    static const Backend * const list[] = {&cpu::kCpuBackend};
    return list;
}

}  // namespace ql
