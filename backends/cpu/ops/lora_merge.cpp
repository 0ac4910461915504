// merged = Q(W + s B A): a few rows are decoded, get s B A added, and are encoded, while they are in the cache. The sums
// are those of add_merged_rows and the encoder is the codec's: the bits are those of a merge into a file.
//
// Split of work: rows, about kPiece elements a task; of nf4_dq the scales of the whole tensor follow on one thread.
// Memory traffic: W and merged once each, A once for kTogether rows from the cache.
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
#include "ggml/ops/merged_rows.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kTogether = 4;  // rows

struct MergeBuffers {
    float * rows;
    MergeBuffers(Carver & carve, int64_t k) : rows(carve.take<float>(kTogether * k)) {}
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
    const auto params = l.params<LoraMergeParams>();
    const Rows rows(l.in(0), params, l.out[0], at.absmax);
    const int64_t r = l.in(2).ne(1), step = std::max(kTogether, kPiece / w.k);

    const auto merge = [&](int64_t first, int64_t n, float * values) {
        for (int64_t i = 0; i < n; ++i) decode(w, (first + i) * w.k, w.k, values + i * w.k);
        add_merged_rows(values, n, l.x(2), l.x(3) + first * r, w.k, r, params.scale);
    };
    std::atomic<int64_t> refused = w.m;  // the first row that cannot be encoded
    cpu.pool.run((w.m + step - 1) / step, [&](int64_t unit, int thread) {
        float * const values = at.threads.of(thread, w.k).rows;
        const int64_t end = std::min(w.m, (unit + 1) * step);
        for (int64_t first = unit * step; first < end; first += kTogether) {
            const int64_t n = std::min(kTogether, end - first);
            merge(first, n, values);
            for (int64_t row = first; row < first + n; ++row) {
                if (rows.encode(values + (row - first) * w.k, row).ok()) continue;
                for (int64_t known = refused; row < known && !refused.compare_exchange_weak(known, row);) {
                }
            }
        }
    });
    if (refused < w.m) {
        float * const values = at.threads.of(0, w.k).rows;
        merge(refused, 1, values);
        const Status why = rows.encode(values, refused);
        return error(why.code(), "lora_merge: %s, row %lld: %s", describe(l.in(0)).c_str(),
                     static_cast<long long>(refused.load()), why.message().c_str());
    }
    rows.finish();
    return {};
}

}  // namespace

const Kernel kernel::lora_merge = {launch_lora_merge, scratch_lora_merge};

}  // namespace ql::cpu
