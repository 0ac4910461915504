#include "models/data/render.hpp"

#include <algorithm>

#include "models/text/answer_parts.hpp"

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

Result<ChatTemplate> open_chat_template(const std::string & source, const Tokenizer & tokenizer, std::string date,
                                        std::string kwargs) {
    if (source.empty())
        return error(QL_NOT_FOUND, "the model has no chat template; give one with --chat-template NAME|FILE");
    return ChatTemplate::parse(source, template_tokens(tokenizer), std::move(date), std::move(kwargs));
}

namespace {

bool is_trained(const std::vector<Span> & spans, size_t byte) {
    const auto next =
        std::upper_bound(spans.begin(), spans.end(), byte, [](size_t b, const Span & span) { return b < span.end; });
    return next != spans.end() && next->begin <= byte;
}

/// EOS comes where the last answer ends.
void end_with_answer(Rendered & rendered) {
    rendered.text.resize(rendered.answers.back().end);
    if (!rendered.trained.empty())
        rendered.trained.back().end = std::min(rendered.trained.back().end, rendered.text.size());
}

}  // namespace

SampleRenderer::SampleRenderer(const Tokenizer & tokenizer, const ChatTemplate * chat, const TrainedParts & parts)
    : tokenizer_(tokenizer), chat_(chat), parts_(parts), end_tokens_(end_token_texts(tokenizer)) {}

Result<Rendered> SampleRenderer::render_last(const Sample & sample) const {
    TrainedParts last = parts_;
    last.last_only = true;
    return render_parts(sample, last);
}

Result<Rendered> SampleRenderer::render(const Sample & sample) const {
    return render_parts(sample, parts_);
}

Result<Rendered> SampleRenderer::render_parts(const Sample & sample, const TrainedParts & parts) const {
    if (sample.kind == Sample::Kind::chat) {
        if (!chat_)
            return error(QL_NOT_FOUND,
                         "a conversation needs a chat template, and the model has none; give one with --chat-template "
                         "NAME|FILE");
        QL_ASSIGN(Rendered rendered, chat_->render_for_training(sample.messages, end_tokens_, parts, sample.tools));
        if (rendered.open_end && !rendered.answers.empty()) end_with_answer(rendered);
        return rendered;
    }
    Rendered rendered;
    rendered.text = sample.prompt + sample.text;
    rendered.answers = {{sample.prompt.size(), rendered.text.size()}};
    rendered.trained = trained_spans(jinja::Text(rendered.text), rendered.answers, parts);
    rendered.open_end = true;
    return rendered;
}

TokenSample SampleRenderer::tokenize(const Rendered & rendered, int64_t line) const {
    TokenSample sample;
    sample.line = line;
    size_t at = 0;
    for (const Span & answer : rendered.answers) {
        append(rendered, {at, answer.begin}, false, sample);
        append(rendered, answer, true, sample);
        at = answer.end;
    }
    append(rendered, {at, rendered.text.size()}, false, sample);
    const std::vector<int32_t> & tokens = sample.tokens;
    if (wants_bos() && (tokens.empty() || tokens.front() != tokenizer_.bos())) {
        sample.tokens.insert(sample.tokens.begin(), tokenizer_.bos());
        sample.trained.insert(sample.trained.begin(), 0);
    }
    const bool ended = !tokens.empty() && tokenizer_.is_end_of_generation(tokens.back());
    const bool learns_end =
        parts_.all || parts_.whole_answers() || is_trained(rendered.trained, rendered.text.size() - 1);
    if (rendered.open_end && !ended && tokenizer_.eos() >= 0) sample.push(tokenizer_.eos(), learns_end);
    return sample;
}

/// The tokens of a piece of the text behind the tokens that are there, with their bytes of the piece.
Encoding SampleRenderer::encode_behind(const std::vector<int32_t> & before, std::string_view piece,
                                       bool is_answer) const {
    const auto encode = [&](std::string_view text, TextPlace place) {
        return tokenizer_.encode_with_spans(text, false, true, place);
    };
    if (before.empty()) return encode(piece, TextPlace::kBegin);
    if (is_answer) return encode(piece, TextPlace::kAnswer);
    const int32_t last = before.back();
    if (!tokenizer_.is_special(last)) return encode(piece, TextPlace::kMiddle);
    // A special token may swallow a space behind it, or add one: so it is encoded once more.
    const std::string & special = tokenizer_.piece(last);
    Encoding both = encode(special + std::string(piece), TextPlace::kBegin);
    if (both.tokens.front() != last) return encode(piece, TextPlace::kBegin);  // the two read as another special token
    both.tokens.erase(both.tokens.begin());
    both.spans.erase(both.spans.begin());
    for (TokenSpan & span : both.spans) span.begin = std::max(span.begin, special.size()) - special.size();
    return both;
}

void SampleRenderer::append(const Rendered & rendered, Span bytes, bool is_answer, TokenSample & sample) const {
    if (bytes.begin >= bytes.end) return;
    const std::string_view piece = std::string_view(rendered.text).substr(bytes.begin, bytes.end - bytes.begin);
    const Encoding encoding = encode_behind(sample.tokens, piece, is_answer);
    for (size_t i = 0; i < encoding.tokens.size(); ++i)
        sample.push(encoding.tokens[i], is_trained(rendered.trained, bytes.begin + encoding.spans[i].begin));
}

bool SampleRenderer::wants_bos() const {
    return tokenizer_.add_bos() && tokenizer_.bos() >= 0;
}

std::vector<TokenSample> SampleRenderer::windows(const std::string & text, int64_t ctx) const {
    std::vector<int32_t> tokens = tokenizer_.encode(text, false, false);
    if (!tokens.empty() && tokenizer_.eos() >= 0) tokens.push_back(tokenizer_.eos());
    const auto room = static_cast<size_t>(std::max<int64_t>(ctx - wants_bos(), 1));
    std::vector<TokenSample> samples;
    int64_t line = 1;
    for (size_t at = 0; at < tokens.size(); at += room) {
        const size_t end = std::min(tokens.size(), at + room);
        TokenSample sample;
        sample.line = line;
        if (wants_bos()) sample.push(tokenizer_.bos(), false);
        if (at > 0 && sample.tokens.empty() && end - at == 1) sample.push(tokens[at - 1], false);
        for (size_t i = at; i < end; ++i) {
            sample.push(tokens[i], true);
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
