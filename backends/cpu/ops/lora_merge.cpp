// merged = Q(W + s B A): a row is decoded, gets s b A added, and is encoded, while it is in the cache. The sums are
// common/merged_row.hpp's, lane by lane, and the encoder is the scalar codec's: the bits are those of a merge into a
// file.
//
// Split of work: rows, about kPiece elements a task; of nf4_dq the scales of the whole tensor follow on one thread.
// Memory traffic: W and merged once each, A once a row from the cache.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "backends/cpu/device.hpp"
#include "backends/cpu/products/decode.hpp"
#include "backends/cpu/scratch.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/dtypes/dither.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/fp4.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/ops/lora_merge_params.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/lora_merge.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// add_merged_row (common/merged_row.hpp).
void merge_row(float * w, const float * a, const float * b, int64_t k, int64_t r, float s) {
    const Vec scale = hn::Set(kF32, s);
    int64_t i = 0;
    for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
        Vec low = hn::Zero(kF32), high = low;
        for (int64_t j = 0; j < r; ++j) {
            const Vec bj = hn::Set(kF32, b[j]);
            low = hn::Add(low, hn::Mul(bj, hn::LoadU(kF32, a + j * k + i)));
            high = hn::Add(high, hn::Mul(bj, hn::LoadU(kF32, a + j * k + i + kLanes)));
        }
        hn::StoreU(hn::Add(hn::LoadU(kF32, w + i), hn::Mul(scale, low)), kF32, w + i);
        hn::StoreU(hn::Add(hn::LoadU(kF32, w + i + kLanes), hn::Mul(scale, high)), kF32, w + i + kLanes);
    }
    for (; i < k; i += kLanes) {
        Vec sum = hn::Zero(kF32);
        for (int64_t j = 0; j < r; ++j)
            sum = hn::Add(sum, hn::Mul(hn::Set(kF32, b[j]), load_part(a + j * k + i, k - i)));
        store_part(hn::Add(load_part(w + i, k - i), hn::Mul(scale, sum)), w + i, k - i);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(merge_row);

struct MergeBuffers {
    float * row;
    MergeBuffers(Carver & carve, int64_t k) : row(carve.take<float>(k)) {}
};

/// The rows of a tensor of type Q, encoded one by one, in any order.
class Rows {
  public:
    Rows(const Operand & t, const LoraMergeParams & params, void * data, float * absmax)
        : type_(*find_dtype(t.dtype)),
          params_(params),
          k_(t.ne(0)),
          n_(t.shape.elements()),
          data_(static_cast<uint8_t *>(data)) {
        if (t.dtype == QL_NF4 || t.dtype == QL_FP4) absmax_ = reinterpret_cast<float *>(data_ + NF4Offsets(n_).absmax);
        if (t.dtype == QL_NF4_DQ) absmax_ = absmax;
    }

    Status encode(const float * x, int64_t row) const {
        const Dither dither{params_.key, row * k_};
        if (!absmax_) {
            uint8_t * to = data_ + static_cast<size_t>(row) * type_.bytes(k_);
            QL_TRY(type_.encode(x, k_, to));
            if (params_.dithers) find_dither(type_.id)(x, k_, dither, to);
            return {};
        }
        const int64_t block = row * k_ / NF4::block_length;
        uint8_t * codes = data_ + block * NF4::block_code_bytes;
        const auto encode_blocks = type_.id == QL_FP4 ? FP4::encode_blocks : NF4::encode_blocks;
        QL_TRY(encode_blocks(x, k_, codes, absmax_ + block, row * k_));
        if (params_.dithers) dither_nf4(x, k_, dither, absmax_ + block, codes);
        return {};
    }
    /// What belongs to no row: gaps between planes, the scales' own scales.
    void finish() const {
        if (!absmax_) return;
        const bool dq = type_.id == QL_NF4_DQ;
        const auto codes = static_cast<size_t>(n_) / 2;
        std::memset(data_ + codes, 0, (dq ? NF4DQOffsets(n_).absmax_codes : NF4Offsets(n_).absmax) - codes);
        if (dq) NF4_DQ::encode_absmax(absmax_, n_, data_);
    }

  private:
    const DTypeDef & type_;
    const LoraMergeParams params_;
    const int64_t k_, n_;
    uint8_t * const data_;
    float * absmax_ = nullptr;  // of a tensor's blocks, where they have a plane of their own
};

struct Layout {
    float * absmax;
    PerThread<MergeBuffers> threads;

    Layout(Carver & carve, const Node & n, const CpuDevice & cpu)
        : absmax(carve.take<float>(n.src[0]->dtype == QL_NF4_DQ ? n.src[0]->shape.elements() / NF4::block_length
                                                                : int64_t{0})),
          threads(carve, cpu.pool.threads(), n.src[0]->ne(0)) {}
};

size_t scratch_lora_merge(const Node & n, const DeviceImpl & device) {
    Carver count;
    (void)Layout(count, n, cpu_of(device));
    return count.used();
}

Status launch_lora_merge(const Launch & l) {
    CpuDevice & cpu = device_of(l);
    Carver carve(l.scratch);
    const Layout at(carve, l.node, cpu);
    const Weight w = weight_of(l.in(1), l.src[1]);
    const SpanDecoder decode = span_decoder(w.dtype);
    const auto merge_row = &HWY_DYNAMIC_DISPATCH(merge_row);
    const auto params = l.params<LoraMergeParams>();
    const Rows rows(l.in(0), params, l.out[0], at.absmax);
    const int64_t r = l.in(2).ne(1), step = std::max<int64_t>(1, kPiece / w.k);
    const float s = params.scale;

    const auto encode = [&](int64_t row, float * values) {
        decode(w, row * w.k, w.k, values);
        merge_row(values, l.x(2), l.x(3) + row * r, w.k, r, s);
        return rows.encode(values, row);
    };
    std::atomic<int64_t> refused = w.m;  // the first row that cannot be encoded
    cpu.pool.run((w.m + step - 1) / step, [&](int64_t unit, int thread) {
        float * values = at.threads.of(thread, w.k).row;
        for (int64_t row = unit * step; row < std::min(w.m, (unit + 1) * step); ++row) {
            if (encode(row, values).ok()) continue;
            for (int64_t known = refused; row < known && !refused.compare_exchange_weak(known, row);) {
            }
        }
    });
    if (refused < w.m) {
        const Status why = encode(refused, at.threads.of(0, w.k).row);
        return error(why.code(), "lora_merge: %s, row %lld: %s", describe(l.in(0)).c_str(),
                     static_cast<long long>(refused.load()), why.message().c_str());
    }
    rows.finish();
    return {};
}

}  // namespace

const Kernel kernel::lora_merge = {launch_lora_merge, scratch_lora_merge};

}  // namespace ql::cpu
#endif
