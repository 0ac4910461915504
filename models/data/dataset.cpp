#include "models/data/dataset.hpp"

#include "models/arch/model.hpp"
#include "models/data/render.hpp"

namespace ql {

int64_t Dataset::n_tokens() const {
    int64_t n = 0;
    for (const TokenSample & s : samples) n += static_cast<int64_t>(s.tokens.size());
    return n;
}

int64_t Dataset::n_trained() const {
    int64_t n = 0;
    for (const TokenSample & s : samples) n += s.n_trained();
    return n;
}

uint64_t Dataset::fingerprint() const {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a over 32-bit words
    const auto mix = [&](uint32_t v) { hash = (hash ^ v) * 0x100000001b3; };
    for (const TokenSample & s : samples) {
        mix(static_cast<uint32_t>(s.tokens.size()));
        for (size_t i = 0; i < s.tokens.size(); ++i) mix(static_cast<uint32_t>(s.tokens[i]) << 1 | s.trained[i]);
    }
    return hash;
}

Result<std::string> Dataset::prompt(size_t i, std::string & answer) const {
    if (sources.empty())
        return error(QL_INVALID_ARGUMENT, "%s: a plain text has no questions and answers", path.c_str());
    const Sample & s = sources[i];
    if (s.kind == Sample::Kind::text)
        return error(QL_INVALID_ARGUMENT, "%s:%lld: a plain text has no question and answer", path.c_str(),
                     static_cast<long long>(s.line));
    if (s.kind == Sample::Kind::completion) {
        answer = s.text;
        return s.prompt;
    }
    if (!chat_template) return error(QL_INVALID_ARGUMENT, "%s: the model has no chat template", path.c_str());
    const std::vector<std::string> ends = end_token_texts(*model->tokenizer());
    QL_ASSIGN(const Rendered rendered, chat_template->render_for_training(s.messages, ends));
    if (rendered.trained.empty())
        return error(QL_INVALID_ARGUMENT, "%s:%lld: the sample has no answer", path.c_str(),
                     static_cast<long long>(s.line));
    // As the template writes it (trimmed, with a space before it), without the end of turn: so a model will write it.
    const Span last = rendered.trained.back();
    answer = rendered.text.substr(last.begin, last.end - last.begin);
    for (const std::string & end : ends) {
        if (end.empty() || !answer.ends_with(end)) continue;
        answer.resize(answer.size() - end.size());
        break;
    }
    return rendered.text.substr(0, last.begin);
}

}  // namespace ql
