// Appending to a graph, with the checks that spare the rest of the engine their own.
#include "ggml/graph/graph.hpp"

#include <unordered_set>

namespace ql {

namespace {

Status check_leaf(const std::string & name, ql_dtype dtype, int n_dims, const int64_t * ne) {
    if (!ql_dtype_name(dtype))
        return error(QL_BAD_DTYPE, "tensor '%s': unknown type %d", name.c_str(), static_cast<int>(dtype));
    if (n_dims < 1 || n_dims > QL_MAX_DIMS || !ne)
        return error(QL_BAD_SHAPE, "tensor '%s': %d dimensions, 1 to 4 are possible", name.c_str(), n_dims);
    int64_t total = 1;
    for (int i = 0; i < n_dims; ++i) {
        if (ne[i] < 1)
            return error(QL_BAD_SHAPE, "tensor '%s': size %lld along dimension %d", name.c_str(),
                         static_cast<long long>(ne[i]), i);
        if (__builtin_mul_overflow(total, ne[i], &total) || total > kMostElements)
            return error(QL_BAD_SHAPE, "tensor '%s': too many elements", name.c_str());
    }
    if (ne[0] % ql_dtype_block_length(dtype))
        return error(QL_BAD_SHAPE, "tensor '%s': rows of %lld are no multiple of %s's block of %lld", name.c_str(),
                     static_cast<long long>(ne[0]), ql_dtype_name(dtype),
                     static_cast<long long>(ql_dtype_block_length(dtype)));
    return {};
}

/// Sizes that fit one by one may be too large together: an outer product of two vectors, tensors laid end to end.
Status check_results(const OpDef & def, const std::vector<OutSpec> & outs) {
    for (const OutSpec & out : outs) {
        int64_t total = 1;
        for (const int64_t n : out.shape.ne)
            if (__builtin_mul_overflow(total, n, &total) || total > kMostElements)
                return error(QL_BAD_SHAPE, "%s: a result of %s has too many elements", std::string(def.name).c_str(),
                             out.shape.str().c_str());
    }
    return {};
}

}  // namespace
}  // namespace ql

using ql::Status;

void ql_graph::fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
}

ql_tensor * ql_graph::add_tensor() {
    ql_tensor & t = tensors_.emplace_back();
    t.graph = this;
    return &t;
}

ql_tensor * ql_graph::leaf(ql::TensorKind kind, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne,
                           const void * data) {
    const std::string id = name ? name : "";
    if (Status s = ql::check_leaf(id, dtype, n_dims, ne); !s.ok()) return fail(std::move(s)), nullptr;
    if (kind == ql::TensorKind::weight && !data)
        return fail(ql::error(QL_INVALID_ARGUMENT, "weight '%s' has no data", id.c_str())), nullptr;
    ql_tensor * t = add_tensor();
    t->kind = kind;
    t->dtype = dtype;
    for (int i = 0; i < n_dims; ++i) t->shape.ne[static_cast<size_t>(i)] = ne[i];
    t->name = id;
    t->requires_grad = kind == ql::TensorKind::param;
    if (data) t->storage = {nullptr, const_cast<void *>(data), t->bytes()};
    return t;
}

Status ql_graph::page_out(std::span<ql_tensor * const> leaves, const char * folder) {
    uint64_t bytes = 0;
    std::unordered_set<const ql_tensor *> seen;
    for (const ql_tensor * t : leaves) {
        if (!t || t->graph != this)
            return ql::error(QL_INVALID_ARGUMENT, "page out: a leaf is NULL or of another graph");
        if (t->kind != ql::TensorKind::param && t->kind != ql::TensorKind::state)
            return ql::error(QL_INVALID_ARGUMENT, "page out: %s is no parameter or state", ql::describe(*t).c_str());
        if (t->storage.data || ql::is_paged_out(*t) || !seen.insert(t).second)
            return ql::error(QL_INVALID_ARGUMENT, "page out: %s has its place already", ql::describe(*t).c_str());
        bytes += t->bytes();
    }
    if (leaves.empty()) return {};
    QL_ASSIGN(ql::os::Fd fd, ql::os::open_unnamed(folder, bytes));
    uint64_t offset = 0;
    for (ql_tensor * t : leaves) {
        files_[t] = {fd.get(), offset, t->bytes()};
        offset += t->bytes();
    }
    spills_.push_back(std::move(fd));
    return {};
}

ql_tensor * ql_graph::emit(const ql::OpDef & def, std::initializer_list<ql_tensor *> src, ql::Params params) {
    return emit(def, std::span<ql_tensor * const>(src.begin(), src.size()), params);
}

ql_tensor * ql_graph::emit(const ql::OpDef & def, std::span<ql_tensor * const> src, ql::Params params) {
    const std::string op(def.name);
    if (params.type() != def.params)
        return fail(ql::error(QL_INTERNAL, "%s: its builder gives parameters of another type", op.c_str())), nullptr;
    for (size_t i = 0; i < src.size(); ++i) {
        if (!src[i] && !(i < 32 && def.optional >> i & 1)) {
            fail(ql::error(QL_INVALID_ARGUMENT, "%s: input %zu is NULL", op.c_str(), i));
            return nullptr;
        }
        if (src[i] && src[i]->graph != this) {
            fail(ql::error(QL_INVALID_ARGUMENT, "%s: %s belongs to another graph", op.c_str(),
                           ql::describe(*src[i]).c_str()));
            return nullptr;
        }
    }
    ql::GraphNode node{
        {&def, params, {src.begin(), src.end()}, {}}, static_cast<int64_t>(nodes_.size()), place_, backward_};
    std::vector<ql::OutSpec> outs;
    Status fits = def.infer(node, outs);
    if (fits.ok()) fits = ql::check_results(def, outs);
    if (!fits.ok()) return fail(std::move(fits)), nullptr;

    ql::GraphNode & n = nodes_.emplace_back(std::move(node));
    bool grad = false;
    for (size_t i = 0; i < n.src.size(); ++i)
        grad |= src[i] && src[i]->requires_grad && i < 32 && (def.differentiable >> i & 1);
    for (size_t i = 0; i < outs.size(); ++i) {
        ql_tensor * t = add_tensor();
        t->kind = ql::TensorKind::result;
        t->dtype = outs[i].dtype;
        t->shape = outs[i].shape;
        t->name = op + "_" + std::to_string(n.index) + (i ? "." + std::to_string(i) : "");
        t->producer = &n;
        t->alias = outs[i].alias >= 0 ? n.src[static_cast<size_t>(outs[i].alias)] : nullptr;
        t->may_reuse = outs[i].may_reuse;
        t->requires_grad = grad;
        n.out.push_back(t);
    }
    return n.out.empty() ? nullptr : n.result(0);
}
