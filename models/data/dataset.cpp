#include "models/data/dataset.hpp"

#include <algorithm>

#include "models/data/render.hpp"
#include "models/model/model.hpp"

namespace ql {

bool Dataset::has_conversations() const {
    return std::any_of(sources.begin(), sources.end(), [](const Sample & s) { return s.kind == Sample::Kind::chat; });
}

int64_t Dataset::n_untemplated() const {
    if (!chat_template) return 0;
    return std::count_if(sources.begin(), sources.end(),
                         [](const Sample & s) { return s.kind == Sample::Kind::completion; });
}

std::string Dataset::told_date() const {
    return has_conversations() ? chat_template->told_date() : "";
}

std::string Dataset::told_kwargs() const {
    return has_conversations() ? chat_template->kwargs() : "";
}

std::vector<std::string> Dataset::notes() const {
    return has_conversations() ? chat_template->notes() : std::vector<std::string>();
}

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

Status Dataset::check_fits(int64_t ctx) const {
    size_t longest = 0;
    for (const TokenSample & s : samples) longest = std::max(longest, s.tokens.size());
    if (static_cast<int64_t>(longest) <= ctx) return {};
    return error(QL_INVALID_ARGUMENT,
                 "%s: a sample has %zu tokens, the ctx here is %lld; open the dataset with this ctx, and choose there "
                 "what happens to longer samples",
                 path.c_str(), longest, static_cast<long long>(ctx));
}

Result<Question> Dataset::question(size_t i) const {
    const Sample & s = sources[i];
    const std::string & file = files[static_cast<size_t>(s.file)];
    const std::string place = s.line > 0 ? file + ":" + std::to_string(s.line) : file;
    if (s.kind == Sample::Kind::text)
        return error(QL_INVALID_ARGUMENT, "%s: a plain text has no question and answer", place.c_str());
    const SampleRenderer renderer(*model->tokenizer(), chat_template ? &*chat_template : nullptr);
    QL_ASSIGN(Rendered rendered, renderer.render(s));
    if (rendered.answers.empty()) return error(QL_INVALID_ARGUMENT, "%s: the sample has no answer", place.c_str());
    const Span last = rendered.answers.back();
    Question question;
    question.prompt = rendered.text.substr(0, last.begin);
    question.answer = rendered.text.substr(last.begin, last.end - last.begin);
    for (const std::string & end : end_token_texts(*model->tokenizer())) {
        if (!question.answer.ends_with(end)) continue;
        question.answer.resize(question.answer.size() - end.size());
        break;
    }
    // Earlier answers are tokenised apart here, too.
    rendered.text = question.prompt;
    rendered.answers.pop_back();
    rendered.trained.clear();
    rendered.open_end = false;
    question.tokens = renderer.tokenize(rendered, s.line).tokens;
    if (question.tokens.empty())
        return error(QL_INVALID_ARGUMENT,
                     "%s: the prompt is empty, and this model has no BOS token: there is nothing to ask it with",
                     place.c_str());
    return question;
}

}  // namespace ql
