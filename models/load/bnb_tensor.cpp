#include "models/load/bnb_tensor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "models/hf/rope_order.hpp"
#include "models/json/parse_json.hpp"

namespace ql {
namespace {

constexpr std::string_view kNf4 = ".quant_state.bitsandbytes__nf4", kFp4 = ".quant_state.bitsandbytes__fp4";
constexpr std::string_view kBeside[] = {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", kNf4, kFp4};
constexpr std::string_view kWeight = ".weight", kScales = ".SCB", kFormat = ".weight_format";
constexpr int64_t kBlock = 64;   // of nf4 and nf4_dq
constexpr int64_t kGroup = 256;  // blocks that share a second absmax in nf4_dq
constexpr int64_t kMostElements = int64_t{1} << 40;

Status wrong(const std::string & name, const char * what) {
    return error(QL_BAD_FILE, "tensor '%.80s': %s", name.c_str(), what);
}

/// A tensor beside the codes.
Result<const SafeTensor *> needed(const SafeTensors & beside, const std::string & name) {
    const auto found = beside.find(name);
    if (found != beside.end()) return &found->second;
    return error(QL_BAD_FILE, "tensor '%.80s' is missing, which bitsandbytes writes beside the weight", name.c_str());
}

/// `n` finite numbers.
Result<std::vector<float>> numbers(const SafeTensors & beside, const std::string & name, int64_t n) {
    QL_ASSIGN(const SafeTensor * tensor, needed(beside, name));
    QL_ASSIGN(std::vector<float> values, read_f32(*tensor));
    if (static_cast<int64_t>(values.size()) != n)
        return error(QL_BAD_FILE, "tensor '%.80s' has %zu values, %lld are needed", name.c_str(), values.size(),
                     static_cast<long long>(n));
    if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
        return error(QL_NON_FINITE, "tensor '%.80s': holds a value that is no number", name.c_str());
    return values;
}

/// The values of the codes of nf4 or fp4, as the types decode them.
std::vector<float> values_of_codes(ql_dtype type) {
    std::array<std::byte, 64> codes{};
    std::vector<std::byte> tensor(ql_dtype_bytes(type, kBlock));
    for (size_t i = 0; i < 16; ++i) tensor[i] = static_cast<std::byte>(i);
    const float one = 1;
    std::memcpy(tensor.data() + codes.size(), &one, sizeof one);
    std::vector<float> values(kBlock);
    if (ql_decode(type, tensor.data(), kBlock, 0, kBlock, values.data()) != QL_OK) return {};
    values.resize(16);
    return values;
}

struct State {
    int64_t rows = 0, row = 0, block = 0, group = 0;  // group 0: absmax is not quantised again
    float offset = 0;
};

Result<int64_t> count(const Json & state, const std::string & name, const char * key) {
    const auto found = state.find(key);
    const bool sound = found != state.end() && found->is_number_unsigned() && found->get<uint64_t>() >= 1 &&
                       found->get<uint64_t>() <= 65536;
    if (sound) return found->get<int64_t>();
    return error(QL_BAD_FILE, "tensor '%.80s': '%s' must be a whole number from 1 to 65536", name.c_str(), key);
}

Result<State> read_state(const SafeTensor & tensor) {
    const std::string & name = tensor.name;
    auto json = parse_json({static_cast<const char *>(tensor.data), tensor.bytes}, 1, {.bytes = 1 << 16});
    if (!json.ok()) return error(QL_BAD_FILE, "tensor '%.80s': %s", name.c_str(), json.message().c_str());
    if (!json->is_object()) return wrong(name, "is no JSON object");
    State state;
    const auto shape = json->find("shape");
    const auto is_size = [](const Json & n) {
        return n.is_number_unsigned() && n.get<uint64_t>() >= 1 && n.get<uint64_t>() <= (1u << 30);
    };
    if (shape == json->end() || !shape->is_array() || shape->size() != 2 || !is_size((*shape)[0]) ||
        !is_size((*shape)[1]))
        return wrong(name, "'shape' must be two sizes");
    state.rows = (*shape)[0].get<int64_t>(), state.row = (*shape)[1].get<int64_t>();
    if (state.rows * state.row > kMostElements) return wrong(name, "'shape' is larger than any file");
    QL_ASSIGN(state.block, count(*json, name, "blocksize"));
    if (!json->contains("nested_blocksize")) return state;
    QL_ASSIGN(state.group, count(*json, name, "nested_blocksize"));
    const auto offset = json->find("nested_offset");
    if (offset == json->end() || !offset->is_number()) return wrong(name, "'nested_offset' must be a number");
    state.offset = static_cast<float>(offset->get<double>());
    return state;
}

/// Weight values by their codes: f32, or nf4, nf4_dq and fp4, whose codes only change their places.
class FourBits : public HfTensor {
  public:
    static Result<std::unique_ptr<HfTensor>> create(const std::string & name, const SafeTensor & codes,
                                                    const SafeTensors & beside, int64_t head_dim) {
        auto made = std::unique_ptr<FourBits>(new FourBits(name, codes, head_dim));
        const bool is_nf4 = beside.contains(codes.name + std::string(kNf4));
        QL_TRY(made->read_beside(beside, codes.name + std::string(is_nf4 ? kNf4 : kFp4)));
        QL_TRY(made->choose(is_nf4));
        return std::unique_ptr<HfTensor>(std::move(made));
    }

    Status read(int64_t first_row, int64_t rows, std::byte * to) const override {
        if (weight_.dtype == QL_F32) return values(first_row, rows, reinterpret_cast<float *>(to)), Status();
        std::memset(to, 0, weight_.bytes);
        for (int64_t i = 0; i < state_.rows; ++i) write_codes(i, to);
        if (weight_.dtype == QL_NF4_DQ) return write_nested(to), Status();
        return write_absmax(to), Status();
    }

  private:
    FourBits(const std::string & name, const SafeTensor & codes, int64_t head_dim)
        : codes_(codes), head_dim_(head_dim) {
        weight_.name = name;
        file_data_ = codes.data, file_bytes_ = codes.bytes;
    }

    Status read_beside(const SafeTensors & beside, const std::string & state_name) {
        QL_ASSIGN(const SafeTensor * const state, needed(beside, state_name));
        QL_ASSIGN(state_, read_state(*state));
        const int64_t n = state_.rows * state_.row, blocks = (n + state_.block - 1) / state_.block;
        if (static_cast<int64_t>(codes_.bytes) != (n + 1) / 2)
            return error(QL_BAD_FILE, "tensor '%.80s' has %zu bytes, its shape of [%lld, %lld] needs %lld",
                         codes_.name.c_str(), codes_.bytes, static_cast<long long>(state_.rows),
                         static_cast<long long>(state_.row), static_cast<long long>((n + 1) / 2));
        QL_ASSIGN(const SafeTensor * const absmax, needed(beside, codes_.name + ".absmax"));
        absmax_ = *absmax;
        QL_ASSIGN(map_, numbers(beside, codes_.name + ".quant_map", 16));
        if (state_.group == 0) {
            QL_TRY(numbers(beside, absmax_.name, blocks).status());
            return absmax_.dtype == "F32" ? Status() : wrong(absmax_.name, "must be F32");
        }
        if (static_cast<int64_t>(absmax_.bytes) != blocks)
            return wrong(absmax_.name, "must have a byte for each block");
        QL_ASSIGN(nested_, numbers(beside, codes_.name + ".nested_absmax", (blocks + state_.group - 1) / state_.group));
        QL_ASSIGN(nested_map_, numbers(beside, codes_.name + ".nested_quant_map", 256));
        return std::isfinite(state_.offset) ? Status() : wrong(state_name, "'nested_offset' is no number");
    }

    /// Of a block: the product is rounded before the sum.
    float absmax(int64_t block) const {
        const auto i = static_cast<size_t>(block);
        const auto * const bytes = static_cast<const uint8_t *>(absmax_.data);
        float value = 0;
        if (state_.group == 0) return std::memcpy(&value, bytes + i * sizeof value, sizeof value), value;
        value = nested_map_[bytes[i]] * nested_[i / static_cast<size_t>(state_.group)];
        return value + state_.offset;
    }

    /// nf4_dq needs the blocks where they are, with the map that it has itself; nf4 and fp4 take any absmax.
    Status choose(bool is_nf4) {
        if (head_dim_ > 0 && state_.rows % head_dim_ != 0)
            return wrong(codes_.name, "has rows that are no whole heads");
        const ql_dtype four = is_nf4 ? QL_NF4 : QL_FP4;
        const bool blocks = map_ == values_of_codes(four) && state_.row % kBlock == 0 && state_.block % kBlock == 0;
        const bool nested = is_nf4 && state_.group == kGroup && state_.block == kBlock && head_dim_ == 0;
        weight_.n_dims = 2;
        weight_.ne[0] = state_.row, weight_.ne[1] = state_.rows;
        weight_.dtype = !blocks ? QL_F32 : nested && has_own_map() ? QL_NF4_DQ : four;
        weight_.bytes = ql_dtype_bytes(weight_.dtype, weight_.elements());
        return {};
    }

    /// Whether nested_map_ is the map of nf4_dq: what the type itself decodes, of one block for each code.
    bool has_own_map() const {
        constexpr int64_t n = kBlock * kGroup;
        std::vector<std::byte> tensor(ql_dtype_bytes(QL_NF4_DQ, n));
        std::fill(tensor.begin(), tensor.begin() + n / 2, std::byte{0xff});  // code 15 is 1
        for (size_t i = 0; i < kGroup; ++i) tensor[n / 2 + i] = static_cast<std::byte>(i);
        const float one = 1;
        std::memcpy(tensor.data() + n / 2 + kGroup, &one, sizeof one);
        std::vector<float> values(n);
        if (ql_decode(QL_NF4_DQ, tensor.data(), n, 0, n, values.data()) != QL_OK) return false;
        for (size_t i = 0; i < kGroup; ++i)
            if (values[i * kBlock] != nested_map_[i]) return false;
        return true;
    }

    int64_t file_row(int64_t row) const { return head_dim_ > 0 ? hf_row_of_gguf_row(row, head_dim_) : row; }
    uint8_t code(int64_t i) const {
        const uint8_t byte = static_cast<const uint8_t *>(codes_.data)[i / 2];
        return i % 2 == 0 ? byte >> 4 : byte & 15;
    }

    void values(int64_t first_row, int64_t rows, float * to) const {
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t at = file_row(first_row + i) * state_.row, end = at + state_.row; at < end; ++at)
                *to++ = map_[code(at)] * absmax(at / state_.block);
    }

    /// Of a row, in nf4's order: a block's byte j has code j, and code j + 32 in its upper half.
    void write_codes(int64_t row, std::byte * to) const {
        constexpr int64_t kHalf = kBlock / 2;
        std::byte * out = to + row * state_.row / 2;
        for (int64_t at = file_row(row) * state_.row, end = at + state_.row; at < end; at += kBlock)
            for (int64_t j = 0; j < kHalf; ++j)
                *out++ = static_cast<std::byte>(code(at + j) | code(at + j + kHalf) << 4);
    }

    static size_t aligned(size_t offset) { return (offset + 63) / 64 * 64; }

    void write_absmax(std::byte * to) const {
        const int64_t in_row = state_.row / kBlock;
        std::byte * out = to + aligned(static_cast<size_t>(weight_.elements() / 2));
        for (int64_t row = 0; row < state_.rows; ++row)
            for (int64_t b = 0; b < in_row; ++b, out += sizeof(float)) {
                const float value = absmax((file_row(row) * state_.row + b * kBlock) / state_.block);
                std::memcpy(out, &value, sizeof value);
            }
    }

    void write_nested(std::byte * to) const {
        size_t at = aligned(static_cast<size_t>(weight_.elements() / 2));
        std::memcpy(to + at, absmax_.data, absmax_.bytes);
        at = aligned(at + absmax_.bytes);
        std::memcpy(to + at, nested_.data(), nested_.size() * sizeof(float));
        at = aligned(at + nested_.size() * sizeof(float));
        std::memcpy(to + at, &state_.offset, sizeof(float));
    }

    const SafeTensor codes_;
    const int64_t head_dim_;
    State state_;
    SafeTensor absmax_;
    std::vector<float> map_, nested_, nested_map_;
};

class EightBits : public HfTensor {
  public:
    static Result<std::unique_ptr<HfTensor>> create(const std::string & name, const SafeTensor & codes,
                                                    const SafeTensors & beside, int64_t head_dim) {
        auto made = std::unique_ptr<EightBits>(new EightBits(name, codes, head_dim));
        if (codes.dtype != "I8" || codes.shape.size() != 2) return wrong(codes.name, "must be a matrix of I8");
        const std::string stem = codes.name.substr(0, codes.name.size() - kWeight.size());
        const auto format = beside.find(stem + std::string(kFormat));
        if (format != beside.end() &&
            (format->second.bytes != 1 || *static_cast<const uint8_t *>(format->second.data) != 0))
            return error(QL_UNSUPPORTED, "tensor '%.80s': only format 0 (rows) is supported", format->first.c_str());
        Weight & w = made->weight_;
        w.n_dims = 2, w.ne[0] = codes.shape[1], w.ne[1] = codes.shape[0];
        if (w.elements() == 0) return wrong(codes.name, "is empty");
        if (head_dim > 0 && w.ne[1] % head_dim != 0) return wrong(codes.name, "has rows that are no whole heads");
        w.bytes = static_cast<size_t>(w.elements()) * sizeof(float);
        QL_ASSIGN(made->scales_, numbers(beside, stem + std::string(kScales), w.ne[1]));
        return std::unique_ptr<HfTensor>(std::move(made));
    }

    Status read(int64_t first_row, int64_t rows, std::byte * to) const override {
        auto * out = reinterpret_cast<float *>(to);
        for (int64_t i = 0; i < rows; ++i) {
            const int64_t row = head_dim_ > 0 ? hf_row_of_gguf_row(first_row + i, head_dim_) : first_row + i;
            const auto * const codes = static_cast<const int8_t *>(codes_.data) + row * weight_.ne[0];
            for (int64_t j = 0; j < weight_.ne[0]; ++j) {
                const float product = static_cast<float>(codes[j]) * scales_[static_cast<size_t>(row)];
                *out++ = product * 7.874015718698502e-3f;  // 1 / 127
            }
        }
        return {};
    }

  private:
    EightBits(const std::string & name, const SafeTensor & codes, int64_t head_dim)
        : codes_(codes), head_dim_(head_dim) {
        weight_.name = name;
        file_data_ = codes.data, file_bytes_ = codes.bytes;
    }
    const SafeTensor codes_;
    const int64_t head_dim_;
    std::vector<float> scales_;
};

}  // namespace

std::string bnb_weight_of(const std::string & name) {
    for (const std::string_view end : kBeside)
        if (name.ends_with(end) && name.substr(0, name.size() - end.size()).ends_with(kWeight))
            return name.substr(0, name.size() - end.size());
    for (const std::string_view end : {kScales, kFormat})
        if (name.ends_with(end)) return name.substr(0, name.size() - end.size()) + std::string(kWeight);
    return "";
}

bool is_bnb_weight(const std::string & name, const SafeTensors & beside) {
    const std::string stem = name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : name;
    return beside.contains(name + std::string(kNf4)) || beside.contains(name + std::string(kFp4)) ||
           beside.contains(stem + std::string(kScales));
}

Result<std::unique_ptr<HfTensor>> bnb_tensor(const std::string & name, const SafeTensor & codes,
                                             const SafeTensors & beside, int64_t head_dim) {
    const bool eight = codes.name.ends_with(kWeight) &&
                       beside.contains(codes.name.substr(0, codes.name.size() - kWeight.size()) + std::string(kScales));
    return eight ? EightBits::create(name, codes, beside, head_dim) : FourBits::create(name, codes, beside, head_dim);
}

}  // namespace ql
