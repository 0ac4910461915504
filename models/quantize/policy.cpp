#include "models/quantize/policy.hpp"

#include <cstring>
#include <vector>

#include "models/arch/gguf_keys.hpp"

namespace ql {

WeightRole weight_role(std::string_view name, int n_dims) {
    if (n_dims != 2 || !name.ends_with(".weight")) return WeightRole::other;
    if (name == "token_embd.weight" || name == "output.weight") return WeightRole::embedding;
    return name.starts_with("blk.") ? WeightRole::block_matrix : WeightRole::other;
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

Status convert_tensor(std::string_view name, ql_dtype from, const void * src, ql_dtype to, void * dst, int64_t n) {
    if (from == to) return std::memcpy(dst, src, ql_dtype_bytes(to, n)), Status();
    std::vector<float> values;
    const float * x = static_cast<const float *>(src);
    if (from != QL_F32) {
        values.resize(static_cast<size_t>(n));
        QL_TRY(last_error(ql_decode(from, src, n, 0, n, values.data())));
        x = values.data();
    }
    if (ql_encode(to, x, n, dst) != QL_OK)
        return error(ql_status::QL_NON_FINITE, "tensor '%s': %s", std::string(name).c_str(), ql_error_message());
    return {};
}

}  // namespace ql
