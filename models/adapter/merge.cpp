#include "models/adapter/merge.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "models/adapter/exact_merge.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/load/loaders.hpp"
#include "models/model/base_identity.hpp"
#include "models/quantize/quantize_file.hpp"
#include "ql/dither.h"
#include "ql/ql.hpp"

namespace ql {
namespace {

class Merge : public WeightEdit {
  public:
    Merge(const Adapter & adapter, const ExactMerge & rounding, BaseRule rule)
        : adapter_(adapter), rounding_(rounding), rule_(rule) {
        for (const LoraMatrix & m : adapter.matrices) matrices_[m.weight] = &m;
        for (const TrainedNorm & norm : adapter.norms) norms_[norm.weight] = &norm;
        for (const TokenRows & rows : adapter.rows) rows_[rows.weight] = &rows;
    }

    Status check(const ql_gguf & file) const override {
        std::string architecture;
        QL_TRY(GgufKeys(&file, "general").text("architecture", architecture));
        if (architecture != adapter_.architecture)
            return error(QL_BAD_FILE, "the adapter is for architecture '%.40s', the model is '%.40s'",
                         adapter_.architecture.c_str(), architecture.c_str());
        if (rule_ == BaseRule::kSame) QL_TRY(check_base_of(file, architecture));
        std::unordered_map<std::string_view, ql_gguf_tensor> tensors;
        for (int64_t i = 0; i < ql_gguf_n_tensors(&file); ++i) {
            ql_gguf_tensor t{};
            QL_TRY(ql_gguf_tensor_at(&file, i, &t));
            tensors[t.name] = t;
        }
        const auto expect = [&](const std::string & weight, int n_dims, int64_t k, int64_t m) -> Status {
            const auto it = tensors.find(weight);
            if (it == tensors.end())
                return error(QL_BAD_FILE, "the model has no '%.64s'; is the adapter for another one?", weight.c_str());
            const ql_gguf_tensor & t = it->second;
            if (t.n_dims == n_dims && t.ne[0] == k && t.ne[1] == m) return {};
            return error(QL_BAD_FILE, "'%.64s' is [%lld, %lld] in the model, the adapter's is [%lld, %lld]",
                         weight.c_str(), static_cast<long long>(t.ne[0]), static_cast<long long>(t.ne[1]),
                         static_cast<long long>(k), static_cast<long long>(m));
        };
        for (const LoraMatrix & m : adapter_.matrices) QL_TRY(expect(m.weight, 2, m.k, m.m));
        for (const TrainedNorm & norm : adapter_.norms)
            QL_TRY(expect(norm.weight, 1, static_cast<int64_t>(norm.values.size()), 1));
        for (const TokenRows & rows : adapter_.rows) {
            const auto it = tensors.find(rows.weight);
            const int64_t n_vocab = it == tensors.end() ? 0 : it->second.ne[1];
            QL_TRY(expect(rows.weight, 2, rows.width(), n_vocab));
            if (rows.ids.back() >= n_vocab)
                return error(QL_BAD_FILE, "the adapter has a row of token %d, '%s' has %lld in the model",
                             rows.ids.back(), rows.weight.c_str(), static_cast<long long>(n_vocab));
        }
        return {};
    }

    bool changes(std::string_view name) const override {
        return matrices_.count(name) + norms_.count(name) + rows_.count(name) > 0;
    }

    bool changes_row(std::string_view name, int64_t row) const override {
        const auto it = rows_.find(name);
        return it == rows_.end() || std::binary_search(it->second->ids.begin(), it->second->ids.end(), row);
    }

    std::optional<uint32_t> dither(std::string_view name, ql_dtype from, ql_dtype to) const override {
        if (!matrices_.count(name) || !is_dithered(rounding_, from, to)) return {};
        return dither_key(name);
    }

    void apply(std::string_view name, int64_t first_row, int64_t rows, float * values) const override {
        if (const auto norm = norms_.find(name); norm != norms_.end()) {
            std::copy(norm->second->values.begin(), norm->second->values.end(), values);  // of one row
            return;
        }
        if (const auto it = rows_.find(name); it != rows_.end()) return replace(*it->second, first_row, rows, values);
        const LoraMatrix & m = *matrices_.at(name);
        merge_rows(m, first_row, rows, values);
    }

  private:
    static void replace(const TokenRows & own, int64_t first_row, int64_t rows, float * values) {
        for (size_t i = 0; i < own.ids.size(); ++i)
            if (const int64_t row = own.ids[i] - first_row; row >= 0 && row < rows)
                std::copy_n(own.values.data() + static_cast<int64_t>(i) * own.width(), own.width(),
                            values + row * own.width());
    }

    Status check_base_of(const ql_gguf & file, const std::string & architecture) const {
        std::string name;
        QL_TRY(GgufKeys(&file, "general").text("name", name, ""));
        QL_ASSIGN(const std::vector<Weight> weights, gguf_weights(&file));
        QL_ASSIGN(const BaseIdentity base, identify_base(architecture, weights));
        return check_base(adapter_, name, base);
    }

    const Adapter & adapter_;
    const ExactMerge rounding_;
    const BaseRule rule_;
    std::unordered_map<std::string_view, const LoraMatrix *> matrices_;
    std::unordered_map<std::string_view, const TrainedNorm *> norms_;
    std::unordered_map<std::string_view, const TokenRows *> rows_;
};

/// The rounding that the adapter was trained for, if this is that merge.
ExactMerge rounding_of(const Adapter & adapter, const ql_quantize_options & options) {
    const bool is_it = !options.recipe && !options.search && adapter.origin.merge.type == merge_type_name(options.type);
    return is_it ? adapter.origin.merge : ExactMerge{};
}

}  // namespace

void merge_rows(const LoraMatrix & m, int64_t first, int64_t rows, float * values) {
    ql_merge_rows(values, rows, m.down().data(), m.b.data() + first * m.r, m.k, m.r, m.scale);
    if (const auto finish = def_of(m.kind).finish_row)
        for (int64_t row = 0; row < rows; ++row) finish(m, first + row, values + row * m.k);
}

Status merge_adapter(const Adapter & adapter, const std::string & base, const std::string & out,
                     const ql_quantize_options & options, BaseRule rule) {
    if (!adapter.invocation.empty())
        return error(
            QL_UNSUPPORTED,
            "an activated LoRA cannot be merged: before its invocation the model is the base; serve it beside it");
    const Merge merge(adapter, rounding_of(adapter, options), rule);
    return quantize_file(base, out, options, &merge);
}

}  // namespace ql
