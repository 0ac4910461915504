#include "examples/chat/logprobs.hpp"

#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

std::string piece_of(const ql_tokenizer * tokenizer, int32_t id) {
    const Result<std::string_view> bytes = token_piece(tokenizer, id);
    return bytes.ok() ? std::string(*bytes) : "";
}

Json entry_of(const ql_tokenizer * tokenizer, int32_t id, float logprob) {
    return {{"id", id}, {"token", piece_of(tokenizer, id)}, {"logprob", number_or_null(logprob)}};
}

std::string show(const Json & t) {
    return json_text(t["token"]) + " " + print_number(t["logprob"].is_number() ? t["logprob"].get<double>() : 0.0, 4);
}

}  // namespace

void Logprobs::add(const ql_generated & token, const ql_tokenizer * tokenizer) {
    Json entry = entry_of(tokenizer, token.token, token.logprob);
    entry["top"] = Json::array();
    for (int i = 0; i < token.n_top; ++i)
        entry["top"].push_back(entry_of(tokenizer, token.top[i].id, token.top[i].logprob));
    tokens_.push_back(std::move(entry));
}

void Logprobs::print() const {
    for (const Json & t : tokens_) {
        std::string line = show(t) + "  |";
        for (const Json & other : t["top"]) line += "  " + show(other);
        std::printf("%s\n", line.c_str());
    }
}

}  // namespace ql::cli
