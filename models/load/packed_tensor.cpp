#include "models/load/packed_tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/hf/rope_order.hpp"

namespace ql {
namespace {

constexpr std::string_view kCodes = ".qweight", kZeros = ".qzeros", kScales = ".scales", kGroups = ".g_idx",
                           kWeight = ".weight";
constexpr int64_t kBlock = 32;                             // of q4_0, q5_0 and q8_0
constexpr int64_t kAwqPlace[] = {0, 4, 1, 5, 2, 6, 3, 7};  // of the codes of a word: where that of an output is
using Tensors = std::map<std::string, SafeTensor>;

Status wrong(const std::string & name, const std::string & what) {
    return error(QL_BAD_FILE, "tensor '%.80s' %s", name.c_str(), what.c_str());
}

/// Numbers of 32 bits at any address.
class Words {
  public:
    Words() = default;
    explicit Words(const SafeTensor & t) : data_(static_cast<const std::byte *>(t.data)) {}
    uint32_t operator[](int64_t i) const {
        uint32_t word = 0;
        std::memcpy(&word, data_ + static_cast<size_t>(i) * sizeof word, sizeof word);
        return word;
    }

  private:
    const std::byte * data_ = nullptr;
};

class PackedTensor : public HfTensor {
  public:
    PackedTensor(const std::string & name, std::string linear, const PackedIntegers & form, int64_t head_dim)
        : linear_(std::move(linear)), form_(form), head_dim_(head_dim), per_word_(32 / form.bits) {
        weight_.name = name;
    }

    Status open(const Tensors & beside, std::string & why_f32) {
        QL_TRY(read_codes(beside));
        QL_TRY(read_scales(beside));
        QL_TRY(read_zeros(beside));
        QL_TRY(read_groups(beside));
        why_f32 = why_no_blocks();
        const ql_dtype blocks = form_.bits == 8 ? QL_Q8_0 : zeros_ == middle() ? QL_Q4_0 : QL_Q5_0;
        weight_.dtype = why_f32.empty() ? blocks : QL_F32;
        weight_.n_dims = 2;
        weight_.ne[0] = k_, weight_.ne[1] = m_;
        weight_.bytes = ql_dtype_bytes(weight_.dtype, weight_.elements());
        return {};
    }

    Status read(int64_t first_row, int64_t rows, std::byte * to) const override {
        const size_t row_bytes = ql_dtype_bytes(weight_.dtype, k_);
        // Inputs outside, outputs inside: the file's words lie in this order.
        for (int64_t input = 0; input < k_; input += kBlock)
            for (int64_t i = 0; i < rows; ++i) {
                const int64_t row = head_dim_ > 0 ? hf_row_of_gguf_row(first_row + i, head_dim_) : first_row + i;
                std::byte * const out = to + static_cast<size_t>(i) * row_bytes;
                if (weight_.dtype == QL_F32)
                    write_values(input, row, reinterpret_cast<float *>(out) + input);
                else
                    write_block(input, row, out + ql_dtype_bytes(weight_.dtype, input));
            }
        return {};
    }

  private:
    bool is_awq() const { return form_.by == PackedIntegers::By::awq; }
    int64_t group() const { return form_.group > 0 ? form_.group : k_; }

    Result<const SafeTensor *> needed(const Tensors & beside, std::string_view end) const {
        const auto found = beside.find(linear_ + std::string(end));
        if (found == beside.end()) return wrong(linear_ + std::string(end), "is missing beside the codes");
        return &found->second;
    }
    Status check_words(const SafeTensor & t, int64_t rows, int64_t columns) const {
        if (t.dtype != "I32") return wrong(t.name, "is " + t.dtype + ", I32 is needed");
        if (t.shape == std::vector<int64_t>{rows, columns}) return {};
        return wrong(t.name, "is " + t.shape_text() + ", [" + std::to_string(rows) + ", " + std::to_string(columns) +
                                 "] is needed");
    }

    Status read_codes(const Tensors & beside) {
        QL_ASSIGN(const SafeTensor * const t, needed(beside, kCodes));
        if (t->shape.size() != 2 || t->elements() == 0) return wrong(t->name, "is no matrix");
        k_ = t->shape[0] * (is_awq() ? 1 : per_word_), m_ = t->shape[1] * (is_awq() ? per_word_ : 1);
        QL_TRY(check_words(*t, t->shape[0], t->shape[1]));
        if (head_dim_ > 0 && m_ % head_dim_ != 0) return wrong(t->name, "has outputs that are no whole heads");
        groups_ = (k_ + group() - 1) / group();
        codes_ = Words(*t), columns_ = t->shape[1];
        file_data_ = t->data, file_bytes_ = t->bytes;
        return {};
    }

    Status read_scales(const Tensors & beside) {
        QL_ASSIGN(const SafeTensor * const t, needed(beside, kScales));
        if (t->shape != std::vector<int64_t>{groups_, m_})
            return wrong(t->name, "is " + t->shape_text() + ", [" + std::to_string(groups_) + ", " +
                                      std::to_string(m_) + "] is needed for groups of " + std::to_string(group()));
        QL_ASSIGN(scales_, read_f32(*t));
        for (const float s : scales_)
            if (!std::isfinite(s))
                return error(QL_NON_FINITE, "tensor '%.80s': holds a value that is no number", t->name.c_str());
        halves_.resize(scales_.size());
        QL_TRY(ql_encode(QL_F16, scales_.data(), static_cast<int64_t>(scales_.size()), halves_.data()));
        return {};
    }

    Status read_zeros(const Tensors & beside) {
        QL_ASSIGN(const SafeTensor * const t, needed(beside, kZeros));
        QL_TRY(check_words(*t, groups_, (m_ + per_word_ - 1) / per_word_));
        const Words words(*t);
        zero_points_.resize(static_cast<size_t>(groups_ * m_));
        bool same = true;
        for (int64_t i = 0; i < groups_ * m_; ++i) {
            const int64_t row = i % m_;
            const int64_t place = is_awq() ? kAwqPlace[row % per_word_] : row % per_word_;
            const uint32_t word = words[i / m_ * t->shape[1] + row / per_word_];
            auto zero = static_cast<int>(word >> (place * form_.bits) & mask());
            // Older packers let the -1 of a zero point of 0 spill over its neighbours, and readers differ on the sum.
            if (form_.zeros_less_1 && zero == static_cast<int>(mask()))
                return error(QL_UNSUPPORTED,
                             "tensor '%.80s' holds a zero point of %d less 1, which this format cannot say; the format "
                             "gptq_v2 can",
                             t->name.c_str(), zero + 1);
            zero += form_.zeros_less_1 ? 1 : 0;
            zero_points_[static_cast<size_t>(i)] = static_cast<int16_t>(zero);
            same = same && zero == middle();
        }
        zeros_ = same ? middle() : -1;
        return {};
    }

    Status read_groups(const Tensors & beside) {
        group_of_.resize(static_cast<size_t>(k_));
        for (int64_t i = 0; i < k_; ++i) group_of_[static_cast<size_t>(i)] = static_cast<int32_t>(i / group());
        const auto found = beside.find(linear_ + std::string(kGroups));
        if (found == beside.end()) return {};
        const SafeTensor & t = found->second;
        if (is_awq()) return wrong(t.name, "is there, which AWQ does not write");
        if (t.dtype != "I32" || t.shape != std::vector<int64_t>{k_})
            return wrong(t.name, "must be I32 of " + std::to_string(k_) + " elements");
        const Words words(t);
        for (int64_t i = 0; i < k_; ++i) {
            if (words[i] >= static_cast<uint32_t>(groups_))
                return wrong(t.name, "has a group that is none of " + std::to_string(groups_));
            group_of_[static_cast<size_t>(i)] = static_cast<int32_t>(words[i]);
        }
        return {};
    }

    /// "": blocks of 32 inputs hold it.
    std::string why_no_blocks() const {
        if (k_ % kBlock != 0) return "rows are no whole blocks of 32";
        for (int64_t i = 0; i < k_; ++i)
            if (group_of_[static_cast<size_t>(i)] != group_of_[static_cast<size_t>(i / kBlock * kBlock)])
                return "inputs of one group are not next to each other (desc_act, or groups shorter than 32)";
        std::vector<float> rounded(scales_.size());
        const auto n = static_cast<int64_t>(scales_.size());
        if (ql_decode(QL_F16, halves_.data(), n, 0, n, rounded.data()) != QL_OK || rounded != scales_)
            return "scales are no f16";
        return form_.bits == 8 && zeros_ != middle() ? "zero points of 8 bits are not the middle" : "";
    }

    uint32_t mask() const { return (1u << form_.bits) - 1; }
    int middle() const { return 1 << (form_.bits - 1); }

    int code(int64_t input, int64_t row) const {
        const uint32_t word =
            is_awq() ? codes_[input * columns_ + row / per_word_] : codes_[input / per_word_ * columns_ + row];
        const int64_t place = is_awq() ? kAwqPlace[row % per_word_] : input % per_word_;
        return static_cast<int>(word >> (place * form_.bits) & mask());
    }
    size_t at(int64_t input, int64_t row) const {
        return static_cast<size_t>(group_of_[static_cast<size_t>(input)] * m_ + row);
    }

    void write_values(int64_t input, int64_t row, float * to) const {
        for (int64_t i = input, end = std::min(input + kBlock, k_); i < end; ++i) {
            const size_t g = at(i, row);
            *to++ = scales_[g] * static_cast<float>(code(i, row) - zero_points_[g]);
        }
    }

    /// The scale; of q5_0 the fifth bits; then codes, two a byte but for q8_0.
    void write_block(int64_t input, int64_t row, std::byte * to) const {
        const size_t g = at(input, row);
        std::memcpy(to, &halves_[g], sizeof halves_[g]);
        to += sizeof halves_[g];
        const int zero = zero_points_[g];
        if (weight_.dtype == QL_Q8_0) {
            for (int64_t i = 0; i < kBlock; ++i) to[i] = static_cast<std::byte>(code(input + i, row) - zero);
            return;
        }
        const int shift = (weight_.dtype == QL_Q4_0 ? 8 : 16) - zero;
        const auto moved = [&](int64_t i) { return static_cast<uint32_t>(code(input + i, row) + shift); };
        if (weight_.dtype == QL_Q5_0) {
            uint32_t fifth = 0;
            for (int64_t i = 0; i < kBlock; ++i) fifth |= (moved(i) >> 4) << i;
            std::memcpy(to, &fifth, sizeof fifth);
            to += sizeof fifth;
        }
        for (int64_t i = 0; i < kBlock / 2; ++i)
            to[i] = static_cast<std::byte>((moved(i) & 15) | (moved(i + kBlock / 2) & 15) << 4);
    }

    const std::string linear_;
    const PackedIntegers form_;
    const int64_t head_dim_, per_word_;
    int64_t k_ = 0, m_ = 0, groups_ = 0, columns_ = 0;
    Words codes_;
    std::vector<float> scales_;         // [groups, m]
    std::vector<uint16_t> halves_;      // the same in f16
    std::vector<int16_t> zero_points_;  // likewise
    int zeros_ = -1;                    // of all; -1: they differ
    std::vector<int32_t> group_of_;     // of each input
};

}  // namespace

std::string packed_weight_of(const std::string & name) {
    for (const std::string_view end : {kCodes, kZeros, kScales, kGroups})
        if (name.ends_with(end)) return name.substr(0, name.size() - end.size()) + std::string(kWeight);
    return "";
}

Result<std::unique_ptr<HfTensor>> packed_tensor(const std::string & name, const std::string & linear,
                                                const Tensors & beside, const PackedIntegers & form, int64_t head_dim,
                                                std::string & why_f32) {
    auto made = std::make_unique<PackedTensor>(name, linear, form, head_dim);
    QL_TRY(made->open(beside, why_f32));
    return std::unique_ptr<HfTensor>(std::move(made));
}

}  // namespace ql
