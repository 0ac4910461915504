// Split: blocks of the keys that are seen, whose pages say where to find them; as f32 they follow each other.
// Traffic: 6 bytes for each of their numbers: 1 % of attention over a prompt of 512 tokens (0.1 of 13 ms on
// SmolLM2-135M), too little for every kernel to read one type more.
#include "backends/cpu/attention/widened_cache.hpp"

#include <array>

#include "backends/cpu/attention/shape.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/attention/widened_cache.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void widen(const void * from, float * to, int64_t n) {
    const auto * half = static_cast<const hwy::float16_t *>(from);
    for (int64_t i = 0; i < n; i += kLanes) store_part(load_part(half + i, n - i), to + i, n - i);
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
    const AttentionShape s(n);
    for (int i = 0; i < 2; ++i) count.take<float>(s.n_keys * s.key_stride());
    return count.used();
}

Status run_on_widened_cache(const Launch & l, Status (*inner)(const Launch &), size_t inner_scratch) {
    const auto run = &HWY_DYNAMIC_DISPATCH(widen);
    const AttentionShape seen = AttentionShape::of_seen_keys(l);
    const int64_t room = count_keys(l.node), stride = seen.key_stride();
    Carver carve(l.scratch);
    carve.take<std::byte>(static_cast<int64_t>(inner_scratch));
    std::array<const void *, kPageTable + 1> src{l.src[0], nullptr, nullptr, l.src[3], nullptr};
    for (const size_t i : {1, 2}) {
        auto * wide = carve.take<float>(room * stride);
        const auto * half = static_cast<const uint16_t *>(l.src[i]);
        device_of(l).pool.run(seen.seen_blocks(), [&](int64_t block, int) {
            const int64_t first = (seen.first_block + block) * kKeyBlock, n = std::min(kKeyBlock, seen.n_keys - first);
            run(half + seen.key(first, 0), wide + first * stride, n * stride);
        });
        src[i] = wide;
    }
    return inner({l.node, src.data(), l.out, l.scratch, l.device});
}

}  // namespace ql::cpu
#endif
