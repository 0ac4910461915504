#include "models/data/render.hpp"

#include <algorithm>

namespace ql {

std::vector<std::string> end_token_texts(const Tokenizer & tokenizer) {
    std::vector<std::string> texts;
    for (int32_t id = 0; id < tokenizer.n_tokens(); ++id)
        if (tokenizer.is_end_of_generation(id) && !tokenizer.piece(id).empty()) texts.push_back(tokenizer.piece(id));
    return texts;
}

TemplateTokens template_tokens(const Tokenizer & tokenizer) {
    const auto text = [&](int32_t id) { return id < 0 ? std::string() : tokenizer.piece(id); };
    return {text(tokenizer.bos()), text(tokenizer.eos()), text(tokenizer.unknown()), text(tokenizer.padding())};
}

Result<ChatTemplate> open_chat_template(const std::string & source, const Tokenizer & tokenizer) {
    if (source.empty())
        return error(QL_NOT_FOUND, "the model has no chat template; give one with --chat-template NAME|FILE");
    return ChatTemplate::parse(source, template_tokens(tokenizer));
}

SampleRenderer::SampleRenderer(const Tokenizer & tokenizer, const ChatTemplate * chat)
    : tokenizer_(tokenizer), chat_(chat), end_tokens_(end_token_texts(tokenizer)) {}

Result<Rendered> SampleRenderer::render(const Sample & sample) const {
    if (sample.kind == Sample::Kind::chat) {
        if (!chat_)
            return error(QL_NOT_FOUND,
                         "a conversation needs a chat template, and the model has none; give one with --chat-template "
                         "NAME|FILE");
        QL_ASSIGN(Rendered rendered, chat_->render_for_training(sample.messages, end_tokens_));
        if (rendered.open_end && !rendered.trained.empty())
            rendered.text.resize(rendered.trained.back().end);  // EOS comes there
        return rendered;
    }
    Rendered rendered;
    rendered.text = sample.prompt + sample.text;
    rendered.trained = {{sample.prompt.size(), rendered.text.size()}};
    rendered.open_end = true;
    return rendered;
}

TokenSample SampleRenderer::tokenize(const Rendered & rendered, int64_t line) const {
    Encoding encoding = tokenizer_.encode_with_spans(rendered.text, true, true);
    TokenSample sample;
    sample.line = line;
    sample.tokens = std::move(encoding.tokens);
    sample.trained.reserve(sample.tokens.size() + 1);
    size_t next = 0;  // spans and tokens are both in order
    for (const TokenSpan & bytes : encoding.spans) {
        while (next < rendered.trained.size() && rendered.trained[next].end <= bytes.begin) ++next;
        const bool inside =
            bytes.begin < bytes.end && next < rendered.trained.size() && rendered.trained[next].begin <= bytes.begin;
        sample.trained.push_back(inside);
    }
    // An EOS of the tokenizer's own has no bytes: it belongs behind an open end, and nowhere else.
    const int32_t eos = tokenizer_.eos();
    const bool added = tokenizer_.add_eos() && sample.tokens.size() > 1 && sample.tokens.back() == eos &&
                       encoding.spans.back().begin == encoding.spans.back().end;
    if (added) sample.tokens.pop_back(), sample.trained.pop_back();
    const bool ended = !sample.tokens.empty() && tokenizer_.is_end_of_generation(sample.tokens.back());
    if (rendered.open_end && eos >= 0 && !ended) sample.tokens.push_back(eos), sample.trained.push_back(1);
    return sample;
}

std::vector<TokenSample> SampleRenderer::windows(const std::string & text, int64_t ctx) const {
    const std::vector<int32_t> tokens = tokenizer_.encode(text, false, false);
    const bool bos = tokenizer_.add_bos() && tokenizer_.bos() >= 0;
    const auto room = static_cast<size_t>(std::max<int64_t>(ctx - bos, 1));
    std::vector<TokenSample> samples;
    int64_t line = 1;
    for (size_t at = 0; at < tokens.size(); at += room) {
        const size_t end = std::min(tokens.size(), at + room);
        TokenSample sample;
        sample.line = line;
        if (bos) sample.tokens.push_back(tokenizer_.bos()), sample.trained.push_back(0);
        for (size_t i = at; i < end; ++i) {
            sample.tokens.push_back(tokens[i]);
            sample.trained.push_back(1);
            const std::string & piece = tokenizer_.piece(tokens[i]);
            line += std::count(piece.begin(), piece.end(), '\n');
        }
        if (sample.n_trained() > 0) samples.push_back(std::move(sample));
    }
    return samples;
}

std::string marked_text(const TokenSample & sample, const Tokenizer & tokenizer, const std::string & mark_begin,
                        const std::string & mark_end) {
    std::string out;
    bool open = false;
    for (size_t i = 0; i < sample.tokens.size(); ++i) {
        const bool trained = i > 0 && sample.trained[i];  // the first token is predicted from nothing
        if (trained != open) out += trained ? mark_begin : mark_end;
        open = trained;
        for (const char c : tokenizer.piece(sample.tokens[i])) {
            const auto byte = static_cast<unsigned char>(c);
            const bool hidden = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;  // it could command a terminal
            out += hidden ? format("\\x%02x", byte) : std::string(1, c);
        }
    }
    return open ? out + mark_end : out;
}

}  // namespace ql
