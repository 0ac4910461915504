// lora_merge: a weight and its branch become one, encoded; of nf4_dq the scales are encoded behind that, which takes all of them.
#include <algorithm>

#include "backends/vulkan/ops/product.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/ops/lora_merge_params.hpp"

namespace ql::vulkan {
namespace {

constexpr ql_dtype kEncoded[] = {QL_F32, QL_F16, QL_BF16, QL_Q8_0, QL_Q4_0, QL_Q4_1, QL_NF4, QL_NF4_DQ};

struct MergePush {
    WeightPush w;
    Address merged, absmax, a, b;
    int32_t n, k, r;
    float s;
    uint32_t key;
};
struct MeanPush {
    Address absmax, mean;
    int32_t n;
};
struct ScalesPush {
    Address absmax, mean, codes, largest, tables;
    int32_t n;
};

int64_t nf4_blocks(const Operand & t) {
    return t.shape.elements() / NF4::block_length;
}
/// Of nf4_dq: the blocks' largest magnitudes.
size_t scratch_of_merge(const Node & n, const DeviceImpl &) {
    return n.src[0]->dtype == QL_NF4_DQ ? static_cast<size_t>(nf4_blocks(*n.src[0])) * sizeof(float) : 0;
}

Status encode_scales(const Launch & l, const WeightPush & to, Address absmax) {
    const int32_t blocks = number(nf4_blocks(l.in(0)));
    QL_TRY(dispatch(l, shader::scales_mean, MeanPush{absmax, to.offset, blocks}, {}));
    return dispatch(l, shader::scales_codes, ScalesPush{absmax, to.offset, to.codes, to.scales, to.tables, blocks},
                    groups_for(blocks, NF4_DQ::group_blocks));
}

Status lora_merge(const Launch & l) {
    const bool dq = l.in(0).dtype == QL_NF4_DQ;
    const auto p = l.params<LoraMergeParams>();
    const WeightPush to = weight_of(l, l.in(0), l.out[0]);
    const MergePush push{weight_of(l, l.in(1), l.src[1]),
                         to.data,
                         dq ? at(l, l.scratch) : to.scales,
                         source(l, 2),
                         source(l, 3),
                         elements(l.in(1)),
                         number(l.in(1).ne(0)),
                         number(l.in(2).ne(1)),
                         p.scale,
                         p.key};
    if (push.n == 0) return {};
    QL_TRY(dispatch(l, shader::lora_merge, push, groups_for(push.n, 64),
                    {static_cast<uint32_t>(format_of(l.in(1).dtype)), static_cast<uint32_t>(format_of(l.in(0).dtype)),
                     p.dithers != 0}));
    return dq ? encode_scales(l, to, push.absmax) : Status();
}
Status takes(const Node & n) {
    QL_TRY(expect_format(*n.src[1]));
    if (std::find(std::begin(kEncoded), std::end(kEncoded), n.src[0]->dtype) != std::end(kEncoded)) return {};
    return error(QL_UNSUPPORTED, "lora_merge: no Vulkan kernel encodes %s", describe(*n.src[0]).c_str());
}

}  // namespace

const Kernel kernel::lora_merge = row<::ql::vulkan::lora_merge, takes>(scratch_of_merge);
}  // namespace ql::vulkan
