// Split: pieces of the numbers that are seen. Traffic: 6 bytes for each of them: 1 % of attention over a prompt of 512
// tokens (0.1 of 13 ms on SmolLM2-135M), for which no kernel need read one type more.
#include "backends/cpu/attention/widened_cache.hpp"

#include <array>

#include "backends/cpu/attention/shape.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/attention/widened_cache.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void widen(const void * from, float * to, int64_t first, int64_t last) {
    const auto * half = static_cast<const hwy::float16_t *>(from);
    for (int64_t i = first; i < last; i += kLanes) store_part(load_part(half + i, last - i), to + i, last - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(widen);
}  // namespace

size_t widened_cache_scratch(const Node & n, size_t inner_scratch) {
    Carver count;
    count.take<std::byte>(static_cast<int64_t>(inner_scratch));
    for (const size_t i : {1, 2}) count.take<float>(n.src[i]->shape.elements());
    return count.used();
}

Status run_on_widened_cache(const Launch & l, Status (*inner)(const Launch &), size_t inner_scratch) {
    const auto run = &HWY_DYNAMIC_DISPATCH(widen);
    const AttentionShape seen = AttentionShape::of_seen_keys(l);
    const int64_t n_seen = seen.key(seen.n_keys, 0);
    Carver carve(l.scratch);
    carve.take<std::byte>(static_cast<int64_t>(inner_scratch));
    std::array<const void *, 4> src{l.src[0], l.src[1], l.src[2], l.src[3]};
    for (const size_t i : {1, 2}) {
        auto * wide = carve.take<float>(l.in(i).shape.elements());
        split(device_of(l).pool, n_seen, kPiece,
              [&](int64_t first, int64_t last) { run(l.src[i], wide, first, last); });
        src[i] = wide;
    }
    return inner({l.node, src.data(), l.out, l.scratch, l.device});
}

}  // namespace ql::cpu
#endif
