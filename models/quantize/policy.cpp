#include "models/quantize/policy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "models/base/memory.hpp"
#include "models/files/weight_names.hpp"
#include "ql/dither.h"
#include "ql/model.h"

namespace ql {
namespace {

/// Chooses the experts of a token: a small matrix, whose errors would change which others are multiplied at all.
constexpr std::string_view kRouter = ".ffn_gate_inp.weight";

Status tensor_error(std::string_view name, ql_status code, const char * what) {
    return error(code, "tensor '%s': %s", std::string(name).c_str(), what);
}

/// Magnitudes from here on become infinite; block types look after their scales themselves.
float too_large_for(ql_dtype dtype) {
    if (dtype == QL_F16) return 65520;
    if (dtype == QL_BF16) return 0x1.ffp127f;
    return std::numeric_limits<float>::infinity();
}

/// The first of x[0 .. n) whose magnitude is `limit` or more, or that is no number; else x + n. Looked for in pieces of one
/// length, without a branch inside: the compiler makes vectors of that.
const float * find_beyond(const float * x, int64_t n, float limit) {
    constexpr int64_t kPiece = 64;
    const auto is_beyond = [limit](float v) { return !(std::fabs(v) < limit); };
    const float * const end = x + n;
    for (; end - x >= kPiece; x += kPiece) {
        int any = 0;
        for (int64_t i = 0; i < kPiece; ++i) any |= is_beyond(x[i]);
        if (any) break;
    }
    return std::find_if(x, end, is_beyond);
}

/// Values `first` to `first + n` of a tensor that becomes `to`.
Status check_range(std::string_view name, const float * x, int64_t first, int64_t n, ql_dtype to) {
    const float * const bad = find_beyond(x, n, too_large_for(to));
    if (bad == x + n) return {};
    const auto at = static_cast<long long>(first + (bad - x));
    const bool finite = std::isfinite(*bad);
    return tensor_error(name, QL_NON_FINITE,
                        format("element %lld is %g%s%s", at, static_cast<double>(*bad),
                               finite ? ", too large for " : "", finite ? ql_dtype_name(to) : "")
                            .c_str());
}

}  // namespace

WeightRole weight_role(std::string_view name, int n_dims) {
    const bool is_matrix = n_dims == 2 || n_dims == 3;  // or a stack of them: an expert's rows are rows like others
    if (!is_matrix || !name.ends_with(".weight") || name.ends_with(kRouter)) return WeightRole::other;
    if (name == "token_embd.weight" || name == "output.weight") return WeightRole::embedding;
    return name.starts_with(kLayers) ? WeightRole::block_matrix : WeightRole::other;
}

double bits_per_element(ql_dtype dtype) {
    constexpr int64_t n = int64_t{1} << 20;  // large enough that planes' padding vanishes
    return 8.0 * static_cast<double>(ql_dtype_bytes(dtype, n)) / n;
}

QuantizeChoice choose_type(std::string_view name, ql_dtype from, int64_t row, ql_dtype target) {
    const int64_t block = ql_dtype_block_length(target);
    if (row % block == 0) return {target, ""};
    const ql_dtype fallback = bits_per_element(from) <= 16 ? from : QL_F16;
    return {fallback, format("%s is %s: rows of %lld are no multiple of %s's block of %lld", std::string(name).c_str(),
                             ql_dtype_name(fallback), static_cast<long long>(row), ql_dtype_name(target),
                             static_cast<long long>(block))};
}

QuantizeChoice choose_file_type(std::string_view name, int n_dims, ql_dtype from, int64_t row, int64_t type,
                                int64_t embedding_type) {
    const WeightRole role = weight_role(name, n_dims);
    const bool kept = role == WeightRole::embedding && embedding_type == QL_BASE_KEEP;
    if (role == WeightRole::other || kept) return {from, ""};
    ql_dtype target = type == QL_BASE_KEEP ? from : static_cast<ql_dtype>(type);
    if (role == WeightRole::embedding)
        target =
            embedding_type == QL_BASE_AUTO ? automatic_embedding(from, target) : static_cast<ql_dtype>(embedding_type);
    return choose_type(name, from, row, target);
}

ql_dtype automatic_embedding(ql_dtype from, ql_dtype blocks) {
    if (bits_per_element(from) <= 8.5) return from;  // q8_0 has 8.5 bits
    return bits_per_element(blocks) >= 16 ? blocks : QL_Q8_0;
}

Status check_finite(const TensorPart & part) {
    constexpr int64_t kPiece = 64 * 256;  // whole blocks of every type
    std::vector<float> values(static_cast<size_t>(std::min(kPiece, part.count)));
    for (int64_t done = 0; done < part.count; done += kPiece) {
        const int64_t first = part.first + done, count = std::min(kPiece, part.count - done);
        if (const ql_status code = ql_decode(part.dtype, part.data, part.all, first, count, values.data());
            code != QL_OK)
            return tensor_error(part.name, code, ql_error_message());
        QL_TRY(check_range(part.name, values.data(), first, count, QL_F32));
    }
    return {};
}

Status check_finite(std::string_view name, ql_dtype dtype, const void * data, int64_t n) {
    return check_finite({name, dtype, data, n, 0, n});
}

namespace {

ql_status encode_part(const float * x, int64_t n, ql_dtype to, void * dst, const WeightEncoding & encoding) {
    if (encoding.dither) return ql_encode_dithered(to, x, n, *encoding.dither, encoding.first, dst);
    const bool search = encoding.scales == Scales::search && ql_dtype_can_search(to);
    return (search ? ql_encode_search : ql_encode)(to, x, n, dst);
}

}  // namespace

Status decode_part(const TensorPart & part, float * values) {
    const ql_status code = ql_decode(part.dtype, part.data, part.all, part.first, part.count, values);
    if (code != QL_OK) return tensor_error(part.name, code, ql_error_message());
    if (part.scale != 1)
        for (int64_t i = 0; i < part.count; ++i) values[i] *= part.scale;
    return {};
}

Status convert_part(const TensorPart & part, ql_dtype to, void * dst, const WeightEncoding & encoding) {
    AlignedBytes memory;
    const float * x = static_cast<const float *>(part.data) + part.first;
    if (part.dtype != QL_F32 || part.scale != 1) {
        memory = aligned_bytes(static_cast<size_t>(part.count) * sizeof(float));
        if (!memory) return tensor_error(part.name, QL_NO_MEMORY, "no memory for its values");
        auto * const values = reinterpret_cast<float *>(memory.get());
        QL_TRY(decode_part(part, values));
        x = values;
    }
    QL_TRY(check_range(part.name, x, part.first, part.count, to));
    const ql_status code = encode_part(x, part.count, to, dst, encoding);
    return code == QL_OK ? Status() : tensor_error(part.name, code, ql_error_message());
}

Status convert_tensor(std::string_view name, ql_dtype from, const void * src, ql_dtype to, void * dst, int64_t n,
                      Scales scales) {
    return convert_part({name, from, src, n, 0, n}, to, dst, {scales});
}

}  // namespace ql
