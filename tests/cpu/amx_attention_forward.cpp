// Attention on emulated tiles.
#include "backends/cpu/device.hpp"
#include "cpu/amx_attention_emulated.hpp"

#if defined(__AVX512BF16__)
#include "backends/cpu/attention/forward_bf16.inl"
#include "backends/cpu/attention/in_f32.hpp"
#include "backends/cpu/attention/score_tile_amx.inl"
#include "backends/cpu/attention/widened_cache.hpp"
#include "cpu/amx_emulated.inl"

namespace ql::cpu {
namespace {

using Unit = TileScores<EmulatedTiles>;

size_t f32_scratch(const Node & n, const DeviceImpl & d) {
    return attention_blocks_scratch(AttentionShape(n), cpu_of(d).pool.threads());
}
size_t many_scratch(const Node & n, const DeviceImpl & d) {
    return std::max(forward_scratch<Unit>(AttentionShape(n), cpu_of(d).pool.threads()),
                    in_f32_scratch(n, f32_scratch(n, d)));
}
size_t scratch_emulated(const Node & n, const DeviceImpl & d) {
    return std::max(widened_cache_scratch(n, many_scratch(n, d)), kernel::attention.scratch(n, d));
}

Status launch_many(const Launch & l) {
    return forward<Unit>(l) ? Status{} : run_in_f32(l, attention_blocks, f32_scratch(l.node, l.device));
}
Status launch_emulated(const Launch & l) {
    if (l.node.src[0]->ne(2) <= kFewTokens) return kernel::attention.launch(l);
    if (l.node.src[1]->dtype != QL_F16) return launch_many(l);
    return run_on_widened_cache(l, launch_many, many_scratch(l.node, l.device));
}

}  // namespace

const Kernel attention_emulated = {.launch = launch_emulated,
                                   .scratch = scratch_emulated,
                                   .reads_bf16 = kernel::attention.reads_bf16,
                                   .writes_bf16 = kernel::attention.writes_bf16};

}  // namespace ql::cpu

#else

namespace ql::cpu {
const Kernel attention_emulated = missing("no AVX-512 BF16");
}  // namespace ql::cpu
#endif
