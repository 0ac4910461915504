#include "tools/bench/random_codes.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ql/dtypes.hpp"
#include "ql/selftest.h"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kTile = 1 << 18;          // elements: 1 MiB of f32, 16 groups of nf4_dq
constexpr size_t kRun = 256;                // blocks taken from one place of the tile
constexpr size_t kPlaneAlignment = 64;      // of the NF4 family's planes
constexpr float kDeviation = 0.02f;         // as models are initialised: activations keep their size over many layers
constexpr uint32_t kValues = 0, kRuns = 1;  // what a random number is for

/// Near enough to normal, and the same bits on every machine: sums of four uniform numbers.
std::vector<float> random_values(PhiloxKey key) {
    constexpr float kUnit = 1.7320508f;  // of a sum of four from [0, 1): variance 1/3
    std::vector<float> values(kTile);
    for (uint32_t i = 0; i < kTile; ++i) {
        const PhiloxCounter r = philox4x32({i, 0, 0, kValues}, key);
        int64_t sum = 0;
        for (const uint32_t word : r) sum += word >> 8;
        values[i] = kDeviation * kUnit * (static_cast<float>(sum) * 0x1p-24f - 2.0f);
    }
    return values;
}

}  // namespace

ql_dtype weight_type(const std::string & option, const std::string & name) {
    ql_dtype dtype;
    if (const Status status = ql_dtype_from_name(name.c_str(), &dtype); !status.ok())
        bad_input("%s: %s", option.c_str(), status.message().c_str());
    if (!ql_dtype_is_weight(dtype))
        bad_input("%s: %s is no type of weights; %s are", option.c_str(), ql_dtype_name(dtype), weight_names().c_str());
    return dtype;
}

std::vector<RandomCodes::Plane> RandomCodes::planes(ql_dtype dtype) {
    constexpr int64_t kBlock = 64, kGroup = 256 * kBlock, kTensor = std::numeric_limits<int64_t>::max();
    if (dtype == QL_NF4 || dtype == QL_FP4) return {{32, kBlock}, {4, kBlock}};  // codes; scales
    if (dtype == QL_NF4_DQ)  // codes; codes of scales; scales of groups; their mean
        return {{32, kBlock}, {1, kBlock}, {4, kGroup}, {4, kTensor}};
    const int64_t block = ql_dtype_block_length(dtype);
    return {{ql_dtype_bytes(dtype, block), block}};
}

RandomCodes::RandomCodes(ql_dtype dtype, uint64_t seed)
    : dtype_(dtype),
      key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      planes_(planes(dtype)),
      tile_(ql_dtype_bytes(dtype, kTile)) {
    const size_t last = planes_.size() - 1;
    if (begin(last, kTile) + planes_[last].size(kTile) != tile_.size())
        run_failed("%s: random tensors of this type cannot be made", ql_dtype_name(dtype));
    ql_dtype_can_encode(dtype) ? encode_tile() : random_tile();
}

void RandomCodes::encode_tile() {
    check_run(ql_encode(dtype_, random_values(key_).data(), kTile, tile_.data()));
}

/// For a type that can only be read.
void RandomCodes::random_tile() {
    const uint64_t seed = key_[0] | uint64_t{key_[1]} << 32;
    check_run(ql_self_test_weights(dtype_, seed, kTile, kDeviation, tile_.data()));
}

size_t RandomCodes::begin(size_t plane, int64_t n) const {
    size_t at = 0;
    for (size_t p = 0; p < plane; ++p)
        at = (at + planes_[p].size(n) + kPlaneAlignment - 1) / kPlaneAlignment * kPlaneAlignment;
    return at;
}

void RandomCodes::produce(uint32_t tensor, int64_t n, size_t offset, size_t size, uint8_t * dst) const {
    std::memset(dst, 0, size);  // zeros between the planes
    for (size_t p = 0; p < planes_.size(); ++p) {
        const size_t start = begin(p, n);
        const size_t from = std::max(offset, start), to = std::min(offset + size, start + planes_[p].size(n));
        if (from < to) copy(p, tensor, from - start, to - from, dst + (from - offset));
    }
}

void RandomCodes::copy(size_t plane, uint32_t tensor, size_t offset, size_t size, uint8_t * dst) const {
    const size_t unit = planes_[plane].bytes, n_units = planes_[plane].size(kTile) / unit;
    const size_t run_units = std::min(kRun, std::max<size_t>(n_units / 4, 1)), run_bytes = run_units * unit;
    const uint8_t * tile = tile_.data() + begin(plane, kTile);
    for (const size_t end = offset + size; offset < end;) {
        const size_t run = offset / run_bytes, within = offset % run_bytes;
        const PhiloxCounter r =
            philox4x32({static_cast<uint32_t>(run), tensor, static_cast<uint32_t>(plane), kRuns}, key_);
        const size_t first = r[0] % (n_units - run_units + 1), n = std::min(run_bytes - within, end - offset);
        std::memcpy(dst, tile + first * unit + within, n);
        dst += n, offset += n;
    }
}

}  // namespace ql::cli
