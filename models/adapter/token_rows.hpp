// Rows of the embedding, and of the head where it is a weight of its own, that an adapter replaces: those of chosen tokens.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ql/status.hpp"

namespace ql {

class Model;

struct TokenRows {
    std::string weight;         // "token_embd.weight", which is the head too where the two are tied, or "output.weight"
    std::vector<int32_t> ids;   // of the tokens, ascending
    std::vector<float> values;  // [n, number of ids]: the rows as they are now

    int64_t n_rows() const { return static_cast<int64_t>(ids.size()); }
    int64_t width() const { return ids.empty() ? 0 : static_cast<int64_t>(values.size() / ids.size()); }
    bool operator==(const TokenRows &) const = default;
};

/// The weights that a token has a row of: the embedding, and an untied head.
std::vector<std::string> token_tables(const Model & model);

/// The tokens of a list, ascending: "<|tool|>,</think>,128011", ids or what tokens write, special ones by their names.
/// errors  QL_INVALID_ARGUMENT: a text that is no single token, an id that the vocabulary does not have
Result<std::vector<int32_t>> parse_tokens(const Model & model, std::string_view list);

/// The model's own rows of these tokens, decoded.
Result<TokenRows> rows_of(const Model & model, const std::string & weight, std::vector<int32_t> ids);

/// That they are rows of such a weight, sorted, sound, and, where the model is at hand, its.
Status check_token_rows(const TokenRows & rows, const Model * model);

}  // namespace ql
