// The gradients of attention on emulated tiles.
#include "backends/cpu/device.hpp"
#include "cpu/amx_attention_emulated.hpp"

#if defined(__AVX512BF16__)
#include "backends/cpu/attention/backward_bf16.inl"
#include "backends/cpu/attention/gradient_tile_amx.inl"
#include "cpu/amx_emulated.inl"

namespace ql::cpu {
namespace {

using Unit = TileGradients<EmulatedTiles>;

size_t scratch_emulated(const Node & n, const DeviceImpl & d) {
    const size_t of_tiles = gradients_scratch<Unit>(AttentionShape(n), cpu_of(d).pool.threads());
    return std::max(of_tiles, kernel::attention_back.scratch(n, d));
}

Status launch_emulated(const Launch & l) {
    if (l.node.src[0]->ne(2) > kFewTokens && gradients<Unit>(l)) return {};
    return kernel::attention_back.launch(l);
}

}  // namespace

const Kernel attention_back_emulated = {.launch = launch_emulated,
                                        .scratch = scratch_emulated,
                                        .reads_bf16 = kernel::attention_back.reads_bf16,
                                        .writes_bf16 = kernel::attention_back.writes_bf16};

}  // namespace ql::cpu

#else

namespace ql::cpu {
const Kernel attention_back_emulated = missing("no AVX-512 BF16");
}  // namespace ql::cpu
#endif
