// What a tensor is: the getters of ql/tensor.h. A NULL tensor has no elements and an empty name.
#include "ql/tensor.h"

#include "ggml/graph/build.hpp"

extern "C" {

ql_dtype ql_tensor_dtype(const ql_tensor * t) {
    return t ? t->dtype : QL_F32;
}

int64_t ql_tensor_ne(const ql_tensor * t, int dim) {
    if (!t || dim < 0) return 0;
    return dim < QL_MAX_DIMS ? t->ne(dim) : 1;
}

int64_t ql_tensor_elements(const ql_tensor * t) {
    return t ? t->shape.elements() : 0;
}

size_t ql_tensor_bytes(const ql_tensor * t) {
    return t ? t->bytes() : 0;
}

const char * ql_tensor_name(const ql_tensor * t) {
    return t ? t->name.c_str() : "";
}

ql_tensor * ql_tensor_set_name(ql_tensor * t, const char * name) {
    if (!t) return nullptr;
    ql::build(t->graph, [&] {
        t->name = name ? name : "";
        return t;
    });
    return t;
}

}  // extern "C"
