#include "cpu/larger_cases.hpp"

#include "ggml/ops/cases.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

const std::vector<ProductCase> kProducts = {
    {"large f32 577x131x70", QL_F32, 577, 131, 70},         {"large f32 1100x67x13", QL_F32, 1100, 67, 13},
    {"large f16 1031x70x5", QL_F16, 1031, 70, 5},           {"large bf16 65x1031x9", QL_BF16, 65, 1031, 9},
    {"large bf16 301x67x9", QL_BF16, 301, 67, 9},           {"large q8_0 1120x133x7", QL_Q8_0, 1120, 133, 7},
    {"large q4_0 96x2051x4", QL_Q4_0, 96, 2051, 4},         {"large q4_1 608x129x2", QL_Q4_1, 608, 129, 2},
    {"large nf4 1088x129x3", QL_NF4, 1088, 129, 3},         {"large nf4_dq 2112x65x67", QL_NF4_DQ, 2112, 65, 67},
    {"large nf4_dq 128x2051x11", QL_NF4_DQ, 128, 2051, 11}, {"large q5_0 1120x133x7", QL_Q5_0, 1120, 133, 7},
    {"large q5_1 96x1031x9", QL_Q5_1, 96, 1031, 9},         {"large q4_K 1280x70x5", QL_Q4_K, 1280, 70, 5},
    {"large q5_K 256x1031x13", QL_Q5_K, 256, 1031, 13},     {"large q6_K 2304x67x67", QL_Q6_K, 2304, 67, 67},
};

std::vector<Case> products(const OpDef & def) {
    std::vector<Case> list;
    for (const ProductCase & p : kProducts) {
        const CaseInput other =
            &def == &op::get_rows ? ints_in(p.t, Fill::ids, p.m) : param_in({&def == &op::mul_mat ? p.k : p.m, p.t});
        list.push_back({p.name, {frozen_in({p.k, p.m}, p.dtype), other}, {}});
    }
    return list;
}

Case head(const char * name, bool back, ql_dtype dtype, int64_t n, int64_t vocabulary, int64_t t, float cap = 0) {
    Case c{name,
           {param_in({n, t}), frozen_in({n, vocabulary}, dtype, Fill::layer), ints_in(t, Fill::targets, vocabulary),
            data_in(t, Fill::positive)},
           HeadLossParams{cap}};
    if (back) c.in.push_back(data_in(1, Fill::positive));
    return c;
}

/// Logits of three rows come from elsewhere, for tokens of more than one chunk.
Case head_with_rows(const char * name, bool back, ql_dtype dtype, int64_t n, int64_t vocabulary, int64_t t) {
    Case c = head(name, back, dtype, n, vocabulary, t);
    c.in.push_back(ints_in(3, Fill::distinct, vocabulary));
    c.in.push_back(param_in({3, t}));
    return c;
}

std::vector<Case> heads(bool back) {
    return {head_with_rows("large own logits q8_0 96x2051x300", back, QL_Q8_0, 96, 2051, 300),
            head("large f32 131x577x150", back, QL_F32, 131, 577, 150),
            head("large q8_0 96x2051x300", back, QL_Q8_0, 96, 2051, 300),
            head("large nf4 576x1100x2", back, QL_NF4, 576, 1100, 2),
            head("large q8_0 2560x257x7", back, QL_Q8_0, 2560, 257, 7),
            head("large q6_K 512x1031x131", back, QL_Q6_K, 512, 1031, 131),
            head("large f32 96x2051x150, cap 2", back, QL_F32, 96, 2051, 150, 2),
            head("large q8_0 96x2051x300, cap 2", back, QL_Q8_0, 96, 2051, 300, 2)};
}

Case lora(const char * name, int64_t k, int64_t m, int64_t r, int64_t t) {
    return {name, {param_in({m, t}), param_in({k, t}), param_in({k, r}), param_in({r, m})}, LoraParams{0.75f}};
}

/// Two adapters, one a rank of 1 and one of r; tokens in runs of `run` have the same factors.
Case lora_mix(const char * name, ql_dtype dtype, int64_t k, int64_t m, int64_t r, int64_t t, int64_t run) {
    Case c{name,
           {frozen_in({k, m}, dtype), data_in({k, t}), data_in({3, t}, Fill::factors), frozen_in({k, 1}, QL_F16),
            frozen_in({m, 1}, QL_F16), frozen_in({k, r}, QL_BF16, Fill::layer), frozen_in({m, r}, QL_BF16)},
           LoraMixParams{0b101}};
    c.in[2].limit = run;
    return c;
}

Case lora_back(const char * name, int64_t k, int64_t m, int64_t r, int64_t t) {
    return {name,
            {data_in({m, t}), data_in({k, t}), data_in({r, t}), param_in({k, r}), param_in({r, m})},
            LoraParams{0.75f}};
}

Case outer(const char * name, int64_t k, int64_t m, int64_t t) {
    return {name, {data_in({k, t}), data_in({m, t})}, {}};
}

}  // namespace

std::vector<Case> larger_cases(const OpDef & def) {
    if (&def == &op::mul_mat || &def == &op::mul_mat_t || &def == &op::get_rows) return products(def);
    if (&def == &op::head_loss || &def == &op::head_loss_back) return heads(&def == &op::head_loss_back);
    if (&def == &op::lora)
        return {lora("large 577x131 r4 T70", 577, 131, 4, 70), lora("large 192x576 r8 T33", 192, 576, 8, 33),
                lora("large 131x70 r64 T131", 131, 70, 64, 131), lora("large 96x70 r17 T9", 96, 70, 17, 9)};
    if (&def == &op::lora_mix)
        return {lora_mix("large f32 577x131 r17 T2", QL_F32, 577, 131, 17, 2, 1),
                lora_mix("large nf4_dq 576x300 r16 T5", QL_NF4_DQ, 576, 300, 16, 5, 1),
                lora_mix("large q8_0 160x131 r64 T70, runs", QL_Q8_0, 160, 131, 64, 70, 11),
                lora_mix("large nf4 192x576 r8 T33, one run", QL_NF4, 192, 576, 8, 33, 33)};
    if (&def == &op::lora_back)
        return {lora_back("large 577x131 r4 T70", 577, 131, 4, 70),
                lora_back("large 192x576 r8 T600", 192, 576, 8, 600),
                lora_back("large 131x70 r64 T131", 131, 70, 64, 131), lora_back("large 96x70 r17 T9", 96, 70, 17, 9)};
    if (&def == &op::outer)
        return {outer("large 577x131x70", 577, 131, 70), outer("large 70x13x600", 70, 13, 600),
                outer("large 31x576x601", 31, 576, 601)};
    return {};
}

}  // namespace ql::cpu
