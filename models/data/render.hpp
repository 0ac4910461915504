// From a sample to tokens with a loss mask.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "models/data/forms.hpp"
#include "models/data/sample.hpp"
#include "models/text/chat_template.hpp"
#include "models/text/tokenizer.hpp"
#include "ql/status.hpp"

namespace ql {

/// The texts of all tokens that end a turn or a text.
std::vector<std::string> end_token_texts(const Tokenizer & tokenizer);
/// The special tokens as templates write them.
TemplateTokens template_tokens(const Tokenizer & tokenizer);
/// The template of this text with the tokenizer's special tokens, told this date and kwargs.
/// errors  QL_NOT_FOUND: no text; as ChatTemplate::parse
Result<ChatTemplate> open_chat_template(const std::string & source, const Tokenizer & tokenizer, std::string date,
                                        std::string kwargs = "");

class SampleRenderer {
  public:
    /// chat may be null: then a conversation is an error that names --chat-template. Both must outlive the renderer.
    SampleRenderer(const Tokenizer & tokenizer, const ChatTemplate * chat, const TrainedParts & parts = {});

    /// Text and trained bytes. A text that is to end with EOS has open_end set.
    Result<Rendered> render(const Sample & sample) const;
    /// The same where only the conversation's last answer is to be trained: the others are not looked at.
    Result<Rendered> render_last(const Sample & sample) const;
    /// Tokens and labels. Each answer, and each text between two, is tokenised by itself, as at inference, where the
    /// prompt is tokenised without knowing the answer: no token crosses a border, and an answer's tokens are what
    /// generation must write after the prompt's. A token carries loss where its first byte lies in a trained span. BOS
    /// comes first where the model wants one and the text does not begin with it. EOS ends a text with open_end that
    /// does not end in an end token; it is trained as the byte before it is.
    TokenSample tokenize(const Rendered & rendered, int64_t line) const;
    /// Windows of ctx tokens over a plain text and an EOS after it, all trained; BOS comes first in each where the
    /// model wants one. Control tokens in the text are plain text. If one token is left over, its window begins one
    /// token earlier.
    std::vector<TokenSample> windows(const std::string & text, int64_t ctx) const;

  private:
    Result<Rendered> render_parts(const Sample & sample, const TrainedParts & parts) const;
    Encoding encode_behind(const std::vector<int32_t> & before, std::string_view piece, bool is_answer) const;
    /// The tokens of the rendered text's bytes.
    void append(const Rendered & rendered, Span bytes, bool is_answer, TokenSample & sample) const;
    bool wants_bos() const;

    const Tokenizer & tokenizer_;
    const ChatTemplate * chat_;
    TrainedParts parts_;
    std::vector<std::string> end_tokens_;
};

/// The sample's text as its tokens spell it, the trained ones between the marks; control characters are made visible.
std::string marked_text(const TokenSample & sample, const Tokenizer & tokenizer, const std::string & mark_begin,
                        const std::string & mark_end);

}  // namespace ql
