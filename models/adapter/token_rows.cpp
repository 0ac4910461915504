#include "models/adapter/token_rows.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/files/weight_names.hpp"
#include "models/model/model.hpp"
#include "models/model/weight_values.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// The one token that writes this text.
Result<int32_t> token_of(const Tokenizer & tokenizer, const std::string & text) {
    std::vector<int32_t> found;
    for (int32_t id = 0; id < tokenizer.n_tokens(); ++id)
        if (tokenizer.piece(id) == text) found.push_back(id);
    if (found.size() == 1) return found[0];
    if (found.size() > 1)
        return error(QL_INVALID_ARGUMENT, "train tokens: %zu tokens are '%.60s', %d and %d among them: give an id",
                     found.size(), text.c_str(), found[0], found[1]);
    return error(
        QL_INVALID_ARGUMENT,
        "train tokens: '%.60s' is no token of the model; a new one must be added to the model first (many have "
        "reserved ones that are unused)",
        text.c_str());
}

Result<int32_t> token_named(const Model & model, const std::string & name) {
    int64_t id = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), id);
    if (read.ec != std::errc() || read.ptr != name.data() + name.size()) {
        if (model.tokenizer()) return token_of(*model.tokenizer(), name);
        return error(QL_INVALID_ARGUMENT, "train tokens: '%.60s': the model has no tokenizer, give an id",
                     name.c_str());
    }
    if (id >= 0 && id < model.hparams().n_vocab) return static_cast<int32_t>(id);
    return error(QL_INVALID_ARGUMENT, "train tokens: the model has no token %.20s, 0 to %lld are possible",
                 name.c_str(), static_cast<long long>(model.hparams().n_vocab - 1));
}

Status check_ids(const TokenRows & rows, int64_t n_vocab) {
    for (size_t i = 0; i < rows.ids.size(); ++i) {
        const int32_t id = rows.ids[i];
        if (id < 0 || id >= n_vocab)
            return error(QL_BAD_FILE, "rows of '%s': token %d; 0 to %lld are possible", rows.weight.c_str(), id,
                         static_cast<long long>(n_vocab - 1));
        if (i > 0 && id <= rows.ids[i - 1])
            return error(QL_BAD_FILE, "rows of '%s': token %d comes after %d; tokens ascend, each once",
                         rows.weight.c_str(), id, rows.ids[i - 1]);
    }
    return {};
}

Status check_fits(const TokenRows & rows, const Model & model) {
    const std::vector<std::string> tables = token_tables(model);
    if (std::find(tables.begin(), tables.end(), rows.weight) == tables.end())
        return error(QL_BAD_FILE, "rows of '%s': the head of the model '%s' is its embedding", rows.weight.c_str(),
                     model.name().c_str());
    const Weight & w = *model.find(rows.weight);
    if (rows.width() == w.ne[0]) return {};
    return error(
        QL_BAD_FILE,
        "rows of '%s' have %lld values, those of the model '%s' have %lld; is it an adapter for another model?",
        rows.weight.c_str(), static_cast<long long>(rows.width()), model.name().c_str(),
        static_cast<long long>(w.ne[0]));
}

}  // namespace

std::vector<std::string> token_tables(const Model & model) {
    if (model.tied()) return {kEmbedding};
    return {kEmbedding, kHead};
}

Result<std::vector<int32_t>> parse_tokens(const Model & model, std::string_view list) {
    std::vector<int32_t> ids;
    while (!list.empty()) {
        const std::string name(list.substr(0, list.find(',')));
        list.remove_prefix(std::min(name.size() + 1, list.size()));
        QL_ASSIGN(const int32_t id, token_named(model, name));
        ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

Result<TokenRows> rows_of(const Model & model, const std::string & weight, std::vector<int32_t> ids) {
    const Weight & w = *model.find(weight);
    TokenRows rows{weight, std::move(ids), {}};
    const int64_t n = w.ne[0];
    rows.values.resize(static_cast<size_t>(n) * rows.ids.size());
    for (size_t i = 0; i < rows.ids.size(); ++i)
        QL_TRY(read_values(w, rows.ids[i] * n, n, rows.values.data() + i * static_cast<size_t>(n)));
    return rows;
}

Status check_token_rows(const TokenRows & rows, const Model * model) {
    if (rows.weight != kEmbedding && rows.weight != kHead)
        return error(QL_BAD_FILE, "rows of '%.64s': only embedding and head have rows of tokens", rows.weight.c_str());
    if (rows.ids.empty() || rows.values.empty() || rows.values.size() % rows.ids.size() != 0)
        return error(QL_BAD_FILE, "rows of '%s': %zu values for %zu tokens", rows.weight.c_str(), rows.values.size(),
                     rows.ids.size());
    QL_TRY(check_ids(rows, model ? model->hparams().n_vocab : INT32_MAX));
    if (model) QL_TRY(check_fits(rows, *model));
    const auto bad = std::find_if(rows.values.begin(), rows.values.end(), [](float v) { return !std::isfinite(v); });
    if (bad == rows.values.end()) return {};
    return error(QL_NON_FINITE, "adapter: the rows of '%s' hold %g at element %td", rows.weight.c_str(),
                 static_cast<double>(*bad), bad - rows.values.begin());
}

}  // namespace ql
