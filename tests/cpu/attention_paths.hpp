// The ways that attention can take on this machine; AMX's run on emulated tiles where there is AVX-512 BF16.
#pragma once
#include <vector>

#include "cpu/amx_attention_emulated.hpp"
#include "cpu/kernel_run.hpp"
#include "ggml/ops/op.hpp"

namespace ql::cpu {

struct AttentionPath {
    const char * name;
    Isa isa;
    bool bf16;  // products round their operands
    bool emulated = false;

    friend void PrintTo(const AttentionPath & path, std::ostream * out) { *out << path.name; }

    /// The kernel of attention or attention_back.
    const Kernel & kernel(const OpDef & def) const {
        if (!emulated) return kernel_of(def);
        return &def == &op::attention ? attention_emulated : attention_back_emulated;
    }
    CpuDevice device(int threads) const {
        limit_targets(isa);
        return CpuDevice(isa, threads, bf16 && !emulated);
    }
};

/// The paths whose products are of bf16.
inline std::vector<AttentionPath> attention_paths_bf16() {
    std::vector<AttentionPath> list;
    if (bf16_kernels(best_isa())) list.push_back({"avx512_bf16", Isa::avx512_bf16, true});
    if (best_isa() == Isa::amx) list.push_back({"amx", Isa::amx, true});
    if (bf16_kernels(best_isa())) list.push_back({"amx_emulated", Isa::avx512, true, true});
    return list;
}

/// All paths.
inline std::vector<AttentionPath> attention_paths() {
    std::vector<AttentionPath> list = attention_paths_bf16();
    for (const Isa isa : kernel_isas()) list.push_back({isa_name(isa), isa, false});
    return list;
}

}  // namespace ql::cpu
