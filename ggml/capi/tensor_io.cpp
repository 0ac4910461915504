// extern "C": reading and writing tensors' bytes (ql/tensor.h).
#include <cstring>
#include <optional>

#include "common/guarded.hpp"
#include "ggml/backend/device.hpp"
#include "ggml/graph/graph.hpp"
#include "ql/tensor.h"

namespace {

using ql::error;
using ql::Status;

/// A tensor's bytes are those of the tensor at the end of its alias chain.
const ql::Storage & storage_of(const ql_tensor * t) {
    return static_cast<const ql_tensor *>(t->root())->storage;
}

/// Where these bytes are of a tensor that is paged out.
std::optional<ql::os::FileRange> file_of(const ql_tensor * t, size_t offset, size_t bytes) {
    const auto & root = *static_cast<const ql_tensor *>(t->root());
    const ql::os::FileRange * file = root.graph ? root.graph->file_of(root) : nullptr;
    if (!file) return {};
    return ql::os::FileRange{file->fd, file->offset + offset, bytes};
}

Status check_range(const ql_tensor * t, const void * host, size_t offset, size_t bytes, const char * what) {
    if (!t || (!host && bytes)) return error(QL_INVALID_ARGUMENT, "%s: a pointer is NULL", what);
    QL_TRY(ql::check_bytes(*t, offset, bytes, what));
    if (!storage_of(t).data && !file_of(t, offset, bytes))
        return error(
            QL_INVALID_ARGUMENT, "%s: %s has no storage: %s", what, ql::describe(*t).c_str(),
            t->root()->is_leaf() ? "create a plan that uses it first" : "read it from its plan (ql_plan_read)");
    return {};
}

}  // namespace

extern "C" {

ql_status ql_tensor_write(ql_tensor * t, const void * src, size_t offset, size_t bytes) {
    return ql::guarded([&]() -> Status {
        QL_TRY(check_range(t, src, offset, bytes, "tensor write"));
        if (!t->is_leaf() || t->kind == ql::TensorKind::weight)
            return error(QL_INVALID_ARGUMENT, "tensor write: %s is %s", ql::describe(*t).c_str(),
                         t->is_leaf() ? "frozen" : "a result");
        if (const auto file = file_of(t, offset, bytes)) return ql::os::write_range(*file, src);
        const ql::Storage & s = t->storage;
        return ql::upload(*s.device, static_cast<std::byte *>(s.data) + offset, src, bytes);
    });
}

ql_status ql_tensor_read(const ql_tensor * t, void * dst, size_t offset, size_t bytes) {
    return ql::guarded([&]() -> Status {
        QL_TRY(check_range(t, dst, offset, bytes, "tensor read"));
        if (const auto file = file_of(t, offset, bytes)) return ql::os::read_range(*file, dst);
        const ql::Storage & s = storage_of(t);
        const std::byte * from = static_cast<const std::byte *>(s.data) + offset;
        if (!s.device) return std::memcpy(dst, from, bytes), Status();
        return ql::download(*s.device, dst, from, bytes);
    });
}

}  // extern "C"
