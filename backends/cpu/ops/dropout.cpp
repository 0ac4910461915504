// y = x keep / (1 - p); ggml/ops/dropout.hpp says what is kept. The bits are the reference's on every instruction set.
// Split: pieces of kPiece elements of the flat stream; any element's decision stands alone. Works in place.
// Traffic: a read and a write; Philox is about 3 vector instructions an element.
#include "ggml/ops/dropout.hpp"
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#ifndef QL_CPU_DROPOUT_ONCE
#define QL_CPU_DROPOUT_ONCE
namespace ql::cpu {
struct DropoutJob {
    DropoutMask mask;
    const float * x;
    float * y;
    uint64_t offset;  // number of the first element
    float scale;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/philox.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Elements [first, last) of the flat stream; element i has number i + job.offset.
HWY_INLINE void drop_singly(const DropoutJob & job, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
        const uint64_t e = job.offset + static_cast<uint64_t>(i);
        job.y[i] = job.mask.keeps(job.mask.words(e / 4)[e % 4]) ? job.x[i] * job.scale : 0.0f;
    }
}

#if HWY_TARGET == HWY_SCALAR
void dropout_piece(const DropoutJob & job, int64_t first, int64_t last) {
    drop_singly(job, first, last);
}
#else
void dropout_piece(const DropoutJob & job, int64_t first, int64_t last) {
    const hn::Repartition<uint32_t, U64> u32;
    const auto threshold = hn::Set(u32, static_cast<uint32_t>(job.mask.threshold()));
    const Vec scale = hn::Set(kF32, job.scale);
    constexpr int64_t kStep = 4 * kBlocks;
    alignas(64) uint32_t words[kStep];
    int64_t i = first;
    const int64_t aligned =
        HWY_MIN(last, first + static_cast<int64_t>(-(job.offset + static_cast<uint64_t>(first)) % 4));
    drop_singly(job, i, aligned);
    for (i = aligned; i + kStep <= last; i += kStep) {
        const uint64_t block = (job.offset + static_cast<uint64_t>(i)) / 4;
        if (philox_overflows(job.mask.counter(block))) {
            drop_singly(job, i, i + kStep);
            continue;
        }
        philox_words(job.mask.counter(block), job.mask.key(), words);
        for (int64_t j = 0; j < kStep; j += kLanes) {
            const auto keep = hn::Not(hn::Lt(hn::Load(u32, words + j), threshold));
            const Vec x = hn::Mul(hn::LoadU(kF32, job.x + i + j), scale);
            hn::StoreU(hn::IfThenElseZero(hn::RebindMask(kF32, keep), x), kF32, job.y + i + j);
        }
    }
    drop_singly(job, i, last);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(dropout_piece);

Status launch_dropout(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(dropout_piece);
    const auto p = l.params<DropoutParams>();
    const DropoutMask mask(p, l.ids(1));
    const DropoutJob job{mask, l.x(0), l.y(0), mask.element(0, l.in(0).ne(0), 0),
                         static_cast<float>(1 / (1 - static_cast<double>(p.p)))};
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::dropout = {launch_dropout};

}  // namespace ql::cpu
#endif
