// How messages name shapes and operands, and the check of a range of bytes.
#include "ggml/ir/operand.hpp"

namespace ql {

std::string Shape::str() const {
    int last = 3;
    while (last > 0 && ne[static_cast<size_t>(last)] == 1) --last;
    std::string text = "[";
    for (int i = 0; i <= last; ++i) text += (i ? ", " : "") + std::to_string(ne[static_cast<size_t>(i)]);
    return text + "]";
}

std::string describe(const Operand & t) {
    const char * type = ql_dtype_name(t.dtype);
    return "'" + t.name + "' (" + (type ? type : "?") + " " + t.shape.str() + ")";
}

Status check_bytes(const Operand & t, size_t offset, size_t bytes, const char * what) {
    const size_t size = t.bytes();
    if (offset <= size && bytes <= size - offset) return {};
    return error(QL_INVALID_ARGUMENT, "%s: bytes %zu to %zu of %s, which has %zu", what, offset, offset + bytes,
                 describe(t).c_str(), size);
}

}  // namespace ql
