#include "models/adapter/invocation.hpp"

#include <algorithm>

#include "models/adapter/adapter.hpp"
#include "models/files/weight_names.hpp"
#include "models/model/model.hpp"

namespace ql {

int64_t last_invocation(std::span<const int32_t> tokens, std::span<const int32_t> invocation) {
    if (invocation.empty()) return 0;
    const auto at = std::find_end(tokens.begin(), tokens.end(), invocation.begin(), invocation.end());
    return at == tokens.end() ? kNever : at - tokens.begin();
}

std::vector<float> activation(std::span<const int32_t> tokens, std::span<const int32_t> span,
                              std::span<const int32_t> invocation) {
    std::vector<float> active(tokens.size(), 0.0f);
    for (size_t first = 0; first < tokens.size();) {
        size_t end = first + 1;  // of the sample
        while (end < tokens.size() && span[2 * end] == span[2 * first] && span[2 * end] < span[2 * end + 1]) ++end;
        const int64_t start = last_invocation(tokens.subspan(first, end - first), invocation);
        const bool is_padding = span[2 * first] == span[2 * first + 1];
        if (start != kNever && !is_padding)
            std::fill(active.begin() + static_cast<int64_t>(first) + start, active.begin() + static_cast<int64_t>(end),
                      1.0f);
        first = end;
    }
    return active;
}

Result<std::vector<int32_t>> parse_invocation(const Model & model, const std::string & text) {
    if (!model.tokenizer())
        return error(QL_INVALID_ARGUMENT, "invocation '%.60s': the model has no tokenizer", text.c_str());
    std::vector<int32_t> tokens = model.tokenizer()->encode(text, false, true, TextPlace::kMiddle);
    if (tokens.empty()) return error(QL_INVALID_ARGUMENT, "an invocation of no tokens");
    return tokens;
}

Status check_invocation(const Adapter & adapter, const Model * model) {
    if (adapter.invocation.empty()) return {};
    const int64_t n_vocab = model ? model->hparams().n_vocab : INT32_MAX;
    for (const int32_t token : adapter.invocation)
        if (token < 0 || token >= n_vocab)
            return error(QL_BAD_FILE, "an invocation with token %d; 0 to %lld are possible", token,
                         static_cast<long long>(n_vocab - 1));
    if (!adapter.norms.empty() || !adapter.rows.empty())
        return error(QL_UNSUPPORTED,
                     "an activated LoRA with trained norms or rows of tokens, which act before its invocation too");
    for (const LoraMatrix & m : adapter.matrices)
        if (m.kind != LoraKind::lora || m.weight == kHead)
            return error(QL_UNSUPPORTED, "an activated LoRA is plain LoRA on linears of the layers; '%.64s' is not",
                         m.weight.c_str());
    return {};
}

}  // namespace ql
