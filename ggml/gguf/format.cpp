// Names of the format's types.
#include "ggml/gguf/format.hpp"

namespace ql::gguf {

const char * type_name(int64_t type) {
    static constexpr const char * kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                              "bool", "string", "array", "u64", "i64", "f64"};
    return type >= 0 && type <= QL_GGUF_F64 ? kNames[type] : "unknown type";
}

// Upstream's tensor types (ggml_type), for those that ql_dtype has no place for. 4, 5, 31..33 and 36..38 were removed
// there.
const char * upstream_dtype_name(int64_t id) {
    struct Row {
        int64_t id;
        const char * name;
    };
    static constexpr Row kRows[] = {
        {9, "q8_1"}, {15, "q8_k"}, {25, "i16"}, {27, "i64"}, {28, "f64"},
    };
    for (const Row & row : kRows)
        if (row.id == id) return row.name;
    // The ids that ql_dtype reserves for itself: a file of a newer version.
    return (id >> 16) == (QL_NF4 >> 16) ? "a type of a newer version" : nullptr;
}

}  // namespace ql::gguf
