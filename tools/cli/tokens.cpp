#include "tools/cli/tokens.hpp"

#include "ql/models.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {

std::vector<int32_t> tokenize(const ql_tokenizer * tokenizer, const std::string & text, bool continues) {
    if (!tokenizer) bad_input("-m: the model has no tokenizer");
    const int flags = QL_TOKENIZE_PARSE_SPECIAL | (continues ? QL_TOKENIZE_CONTINUE : 0);
    return input_of(ql::tokenize(tokenizer, text, flags));
}

std::vector<int32_t> tokenize_prompt(const ql_tokenizer * tokenizer, const std::string & text) {
    std::vector<int32_t> tokens = tokenize(tokenizer, text);
    const int32_t bos = ql_tokenizer_bos(tokenizer);
    if (ql_tokenizer_adds_bos(tokenizer) && bos >= 0 && (tokens.empty() || tokens.front() != bos))
        tokens.insert(tokens.begin(), bos);
    return tokens;
}

}  // namespace ql::cli
