#include "tools/bench/random_codes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kTile = 1 << 18;      // elements: 1 MiB of f32, 16 groups of nf4_dq
constexpr size_t kRun = 256;            // blocks taken from one place of the tile
constexpr size_t kPlaneAlignment = 64;  // of the NF4 family's planes
constexpr float kDeviation = 0.02f;     // as models are initialised: activations stay of a size through many layers
constexpr uint32_t kValues = 0, kRuns = 1, kBytes = 2;  // what a random number is for

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

/// Where a block of a type that can only be read keeps its f16 scale, and the f16 beside it, if any, that moves codes
/// to zero: `offset` scales bring the middle of the codes there.
struct ScaleFields {
    ql_dtype dtype;
    size_t scale;
    int64_t minimum;  // -1: none
    float offset;
};
constexpr ScaleFields kScaleFields[] = {
    {QL_Q5_0, 0, -1, 0},   {QL_Q5_1, 0, 2, -15.5f},  // m is added
    {QL_Q4_K, 0, 2, 7.5f}, {QL_Q5_K, 0, 2, 15.5f},   // dmin is subtracted
    {QL_Q6_K, 208, -1, 0},
};

void write_f16(float value, uint8_t * dst) {
    check_run(ql_encode(QL_F16, &value, 1, dst));
}

/// All blocks get the same scale: random codes differ enough.
void set_scales(const ScaleFields & fields, float scale, size_t block_bytes, std::vector<uint8_t> & tile) {
    uint8_t d[2], minimum[2];
    write_f16(scale, d);
    write_f16(fields.offset * scale, minimum);
    for (size_t at = 0; at < tile.size(); at += block_bytes) {
        std::memcpy(&tile[at + fields.scale], d, sizeof(d));
        if (fields.minimum >= 0) std::memcpy(&tile[at + static_cast<size_t>(fields.minimum)], minimum, sizeof(minimum));
    }
}

}  // namespace

ql_dtype weight_type(const std::string & option, const std::string & name) {
    ql_dtype dtype;
    if (ql_dtype_from_name(name.c_str(), &dtype) != QL_OK) bad_input("%s: %s", option.c_str(), ql_error_message());
    if (dtype == QL_I8 || dtype == QL_I32)
        bad_input("%s: %s is no type of weights", option.c_str(), ql_dtype_name(dtype));
    return dtype;
}

std::vector<RandomCodes::Plane> RandomCodes::planes(ql_dtype dtype) {
    constexpr int64_t kBlock = 64, kGroup = 256 * kBlock, kTensor = std::numeric_limits<int64_t>::max();
    if (dtype == QL_NF4) return {{32, kBlock}, {4, kBlock}};  // codes; scales
    if (dtype == QL_NF4_DQ)                                   // codes; codes of scales; scales of groups; their mean
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
        run_failed("%s: a layout that random tensors cannot be made in", ql_dtype_name(dtype));
    ql_dtype_can_encode(dtype) ? encode_tile() : random_tile();
}

void RandomCodes::encode_tile() {
    check_run(ql_encode(dtype_, random_values(key_).data(), kTile, tile_.data()));
}

/// Any bits are a code; the scales are such that the weights' root mean square is kDeviation.
void RandomCodes::random_tile() {
    for (size_t at = 0; at < tile_.size(); at += sizeof(PhiloxCounter)) {
        const PhiloxCounter r = philox4x32({static_cast<uint32_t>(at / sizeof(r)), 0, 0, kBytes}, key_);
        std::memcpy(&tile_[at], r.data(), std::min(sizeof(r), tile_.size() - at));
    }
    const ScaleFields * fields = std::find_if(std::begin(kScaleFields), std::end(kScaleFields),
                                              [&](const ScaleFields & f) { return f.dtype == dtype_; });
    if (fields == std::end(kScaleFields))
        run_failed("%s: a layout that random tensors cannot be made in", ql_dtype_name(dtype_));
    constexpr float kTrial = 0x1p-10f;
    set_scales(*fields, kTrial, planes_[0].bytes, tile_);
    std::vector<float> values(kTile);
    check_run(ql_decode(dtype_, tile_.data(), kTile, 0, kTile, values.data()));
    double squares = 0;
    for (const float v : values) squares += static_cast<double>(v) * static_cast<double>(v);
    const double size = std::sqrt(squares / static_cast<double>(kTile));
    set_scales(*fields, static_cast<float>(kTrial * kDeviation / size), planes_[0].bytes, tile_);
}

size_t RandomCodes::begin(size_t plane, int64_t n) const {
    size_t at = 0;
    for (size_t p = 0; p < plane; ++p)
        at = (at + planes_[p].size(n) + kPlaneAlignment - 1) / kPlaneAlignment * kPlaneAlignment;
    return at;
}

void RandomCodes::produce(uint32_t tensor, int64_t n, size_t offset, size_t size, uint8_t * dst) const {
    std::memset(dst, 0, size);  // between the planes
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
