#include "backends/vulkan/ops/product.hpp"

#include <bit>

#include "ggml/dtypes/nf4_dq.hpp"

namespace ql::vulkan {
namespace {

constexpr uint32_t kTile = 64;
constexpr int64_t kMostTiles = 65535;

struct MatmulPush {
    WeightPush a;
    Address b, c, add, factor;
    int32_t m, n, depth, a_row, a_depth, b_row, b_depth, ldc, factor_step;
    float scale;
};

constexpr int64_t kMostColumns = 8, kUnit = 16, kFewRows = 2;  // few.glsl's
constexpr int64_t kFewThreads = 64;

/// Products that few.glsl takes: rows of a and columns of b are dense.
bool is_few(const Matmul & m) {
    const bool aligned =
        m.a_type == QL_F32 || m.a_type == QL_F16 || m.a_type == QL_BF16 || (m.b % 16 == 0 && m.b_step.row % 4 == 0);
    return m.n <= kMostColumns && m.a_step.depth == 1 && m.a_step.row == m.depth && m.b_step.depth == 1 && aligned;
}

/// Invocations that share a row of so many numbers.
int64_t few_lanes(int64_t depth, bool subgroups) {
    const int64_t units = (depth + kUnit - 1) / kUnit;
    return units >= 32 && subgroups ? kFewThreads : units >= 8 ? 16 : units >= 2 ? 4 : 1;
}

Status few(const Launch & l, const Matmul & m, const MatmulPush & push) {
    const bool subgroups = device_of(l).adds_in_subgroups();
    const int64_t lanes = few_lanes(m.depth, subgroups);
    return dispatch(l, subgroups ? shader::few : shader::few_shared, push,
                    groups_for(m.m, kFewThreads / lanes * kFewRows),
                    {static_cast<uint32_t>(format_of(m.a_type)), m.adds, m.has_factor, numbers_of(m.b_type),
                     numbers_of(m.c_type), numbers_of(m.add_type),
                     static_cast<uint32_t>(std::bit_ceil(static_cast<uint64_t>(m.n))), static_cast<uint32_t>(lanes)});
}

/// In the order of kFormat.
constexpr ql_dtype kFormats[] = {QL_F32,  QL_F16,  QL_BF16, QL_Q8_0,   QL_Q4_0, QL_Q4_1, QL_Q5_0,   QL_Q5_1, QL_Q4_K,
                                 QL_Q5_K, QL_Q6_K, QL_NF4,  QL_NF4_DQ, QL_Q2_K, QL_Q3_K, QL_IQ4_NL, QL_MXFP4};

}  // namespace

int format_of(ql_dtype dtype) {
    for (size_t i = 0; i < std::size(kFormats); ++i)
        if (kFormats[i] == dtype) return static_cast<int>(i);
    return -1;
}

Status expect_format(const Operand & w) {
    if (format_of(w.dtype) >= 0) return {};
    return error(QL_UNSUPPORTED, "no Vulkan kernel decodes %s", describe(w).c_str());
}

WeightPush weight_of(const Launch & l, const Operand & w, const void * data) {
    const int64_t n = w.shape.elements();
    const Address first = at(l, data), tables = at(l, device_of(l).tables());
    if (w.dtype == QL_NF4) return {first, 0, first + NF4Offsets(n).absmax, 0, tables};
    if (w.dtype != QL_NF4_DQ) return {first, 0, 0, 0, tables};
    const NF4DQOffsets planes(n);
    return {first, first + planes.absmax_codes, first + planes.absmax2, first + planes.offset, tables};
}

Status matmul(const Launch & l, const Matmul & m) {
    if (m.m == 0 || m.n == 0) return {};
    const MatmulPush push{m.a,
                          m.b,
                          m.c,
                          m.add,
                          m.factor,
                          number(m.m),
                          number(m.n),
                          number(m.depth),
                          number(m.a_step.row),
                          number(m.a_step.depth),
                          number(m.b_step.row),
                          number(m.b_step.depth),
                          number(m.ldc),
                          number(m.factor_step),
                          m.scale};
    if (is_few(m)) return few(l, m, push);
    const auto tiles = [](int64_t n) { return static_cast<uint32_t>((n + kTile - 1) / kTile); };
    if (tiles(m.m) > kMostTiles || tiles(m.n) > kMostTiles)
        return error(QL_UNSUPPORTED, "no Vulkan kernel takes a product of %lld x %lld numbers",
                     static_cast<long long>(m.m), static_cast<long long>(m.n));
    return dispatch(l, shader::matmul, push, {tiles(m.m), tiles(m.n)},
                    {static_cast<uint32_t>(format_of(m.a_type)), m.adds, m.has_factor, numbers_of(m.b_type),
                     numbers_of(m.c_type), numbers_of(m.add_type)});
}

Matmul product(const Launch & l, const Operand & w, const void * data, bool transposed, Address x, int64_t n_tokens,
               Address y) {
    const int64_t k = w.ne(0), m = w.ne(1), depth = transposed ? m : k;
    Matmul p{.a = weight_of(l, w, data), .a_type = w.dtype, .b = x, .c = y};
    p.m = p.ldc = transposed ? k : m;
    p.n = n_tokens, p.depth = depth;
    p.a_step = transposed ? decltype(p.a_step){1, k} : decltype(p.a_step){k, 1};
    p.b_step = {depth, 1};
    return p;
}

}  // namespace ql::vulkan
