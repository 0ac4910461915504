// Rows of tokens in PEFT directories: PEFT keeps them in the order of trainable_token_indices, which is any.
#include <map>

#include "models/adapter/peft_names.hpp"
#include "models/adapter/peft_tensors.hpp"
#include "models/model/architecture.hpp"
#include "models/model/model.hpp"

namespace ql {

Result<TokenRows> read_token_rows(const SafeTensor & t, const PeftConfig & config, const Model & model) {
    const std::string module = t.name.substr(kPeftPrefix.size(), t.name.size() - kPeftPrefix.size() - kPeftRows.size());
    const auto weight = model.architecture().hf_names().gguf_name(module + ".weight");
    const std::vector<int32_t> * tokens = config.tokens(module);
    if (!weight || !tokens)
        return error(QL_BAD_FILE, "tensor '%.120s': trainable_token_indices has no tokens of this module",
                     t.name.c_str());
    if (t.shape.size() != 2 || t.shape[0] != static_cast<int64_t>(tokens->size()))
        return error(QL_BAD_FILE, "tensor '%.120s' has the shape %s, trainable_token_indices has %zu tokens",
                     t.name.c_str(), t.shape_text().c_str(), tokens->size());
    QL_ASSIGN(const std::vector<float> values, read_f32(t));
    std::map<int32_t, size_t> order;  // of the tokens, and their rows
    for (size_t i = 0; i < tokens->size(); ++i)
        if (!order.emplace((*tokens)[i], i).second)
            return error(QL_BAD_FILE, "trainable_token_indices names token %d twice", (*tokens)[i]);
    TokenRows rows{*weight, {}, {}};
    const auto n = t.shape[1];
    for (const auto & [id, row] : order) {
        rows.ids.push_back(id);
        const auto from = values.begin() + static_cast<int64_t>(row) * n;
        rows.values.insert(rows.values.end(), from, from + n);
    }
    return rows;
}

}  // namespace ql
