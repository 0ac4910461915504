// Which kernels compute a product: for few tokens their own; else tensor cores from the packed bytes, or, where all is to be
// f32 or the weight is, panels of decoded rows.
#include "backends/cuda/products/product.hpp"

#include <algorithm>

#include "backends/cuda/formats/lists.hpp"
#include "ggml/dtypes/nf4_dq.hpp"

namespace ql::cuda {
namespace {

constexpr int64_t kPanelNumbers = int64_t{4} << 20;  // decoded weights that are held at once

int64_t panel_rows(int64_t k, int64_t m) {
    return std::clamp<int64_t>(kPanelNumbers / std::max<int64_t>(k, 1), 1, m);
}

/// y = add + scale op(W) x of rows [first, first + n) of W, as f32 [k, n].
Status multiply_panel(const Launch & l, const Product & p, const float * w, int64_t first, int64_t n, bool again) {
    Gemm g{.n = p.n_tokens, .scale = p.scale};
    if (p.transposed) {
        g.m = p.w.k, g.depth = n;
        g.a = {w, 1, p.w.k};
        g.b = {p.x + first, p.w.m, 1};
        g.c = p.y, g.ldc = p.w.k, g.add = again ? p.y : p.add;
    } else {
        g.m = n, g.depth = p.w.k;
        g.a = {w, p.w.k, 1};
        g.b = {p.x, p.w.k, 1};
        g.c = p.y + first, g.ldc = p.w.m, g.add = p.add ? p.add + first : nullptr;
    }
    return gemm(l, g);
}

}  // namespace

const FormatKernels * find_format(ql_dtype dtype) {
    for (const auto & list : {plain_formats(), nf4_formats(), blocks_formats(), k_blocks_formats()})
        for (const FormatKernels & format : list)
            if (format.dtype == dtype) return &format;
    return nullptr;
}

Status expect_format(const Operand & w) {
    if (find_format(w.dtype)) return {};
    return error(QL_UNSUPPORTED, "no CUDA kernel decodes %s", describe(w).c_str());
}

Weight weight_of(const Operand & w, const void * data) {
    const int64_t n = w.shape.elements();
    Weight weight{static_cast<const uint8_t *>(data), w.ne(0), w.ne(1), {}};
    if (w.dtype == QL_NF4) weight.plane[0] = static_cast<int64_t>(NF4Offsets(n).absmax);
    if (w.dtype == QL_NF4_DQ) {
        const NF4DQOffsets at(n);
        weight.plane[0] = static_cast<int64_t>(at.absmax_codes);
        weight.plane[1] = static_cast<int64_t>(at.absmax2);
        weight.plane[2] = static_cast<int64_t>(at.offset);
    }
    return weight;
}

size_t product_scratch(const Operand & w, const DeviceImpl & device) {
    if (cuda_of(device).bf16 || w.dtype == QL_F32) return 0;
    return static_cast<size_t>(panel_rows(w.ne(0), w.ne(1)) * w.ne(0)) * sizeof(float);
}

Status multiply(const Launch & l, const Product & p, std::byte * scratch) {
    const FormatKernels & format = *find_format(p.dtype);
    if (!p.transposed && are_few(std::max(p.n_batch, p.n_tokens)))
        return format.multiply_few(l, {.w = p.w,
                                       .x = p.x,
                                       .n_tokens = p.n_tokens,
                                       .y = p.y,
                                       .add = p.add,
                                       .scale = p.scale,
                                       .factor = nullptr,
                                       .factor_step = 0});
    if (device_of(l).bf16 && format.multiply) return format.multiply(l, p);
    if (p.dtype == QL_F32) return multiply_panel(l, p, reinterpret_cast<const float *>(p.w.data), 0, p.w.m, false);
    auto * panel = reinterpret_cast<float *>(scratch);
    const int64_t rows = panel_rows(p.w.k, p.w.m);
    for (int64_t first = 0; first < p.w.m; first += rows) {
        const int64_t n = std::min(rows, p.w.m - first);
        QL_TRY(format.decode(l, p.w, nullptr, first, n, panel));
        QL_TRY(multiply_panel(l, p, panel, first, n, first > 0));
    }
    return {};
}

}  // namespace ql::cuda
