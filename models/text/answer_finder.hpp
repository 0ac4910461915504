// Finding the assistant's answers in a rendered conversation, in time linear in its length.
//
// The renderer's strings know which message their bytes come from (jinja/text.hpp), so an answer is found wherever the
// template puts it, trimmed or not. Where its training begins is a matter of inference: after the generation prompt,
// which may hold more or less than the words before the content (Mistral's space, Qwen 3's empty thoughts). So the
// prompt is rendered too, and if the text starts with it, the span begins there. Rendering each answer's prompt would
// take time quadratic in the conversation: answers that stand after the same words of the template and the same role
// have the same generation prompt, so it is rendered once or twice for all of them. Empty answers leave no byte; one
// stands wherever the words of such a prompt follow the message before it.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/text/chat_template.hpp"
#include "models/text/jinja/text.hpp"

namespace ql {

class AnswerFinder {
  public:
    /// Renders messages; with `prompt` also the generation prompt after them.
    using Render = std::function<Result<jinja::Text>(std::span<const Message> messages, bool prompt)>;

    /// All arguments must outlive the finder.
    AnswerFinder(const jinja::Text & text, std::span<const Message> messages, std::span<const std::string> end_tokens,
                 Render render);

    /// The bytes of an answer with its end token; *open: none follows.
    /// errors  QL_UNSUPPORTED: it is not there, or mixed with another message
    Result<Span> find(size_t index, bool * open) const;
    /// True if less of an answer is written here than in a conversation that ends with this answer: templates of models
    /// that think leave out the thoughts of earlier answers.
    bool is_shortened(size_t index);
    /// True if bytes of the answer lie in the span.
    bool touches(size_t index, Span span) const;

  private:
    /// Where the bytes of a message lie, from the first to the last, and the bytes of others around them.
    struct Place {
        bool found = false;
        bool ended = false;  // an end token was seen behind it
        Span content;
        size_t n_bytes = 0;  // its own bytes in `content`, without those of calls: JSON and XML write them differently
        size_t before = 0;   // another message's last byte + 1
        size_t limit = 0;    // another message's next byte
        std::optional<size_t> prompt_end;
        std::optional<bool> shortened;  // once it is known
    };

    bool is_longer_at_end(size_t index) const;
    void find_places();
    bool is_repeated(const jinja::Run & run, Place & place) const;
    void find_prompts();
    void find_empty();
    /// How far the prompt of an answer reaches beyond `before`, if the text begins with that prompt.
    std::optional<size_t> prompt_tail(size_t index) const;
    Result<size_t> empty_place(size_t index) const;
    size_t next_message(size_t byte) const;
    std::vector<Message> turn_of(size_t index) const;
    bool is_mixed(size_t index, Span span) const;

    const jinja::Text & text_;
    std::span<const Message> messages_;
    std::span<const std::string> end_tokens_;
    Render render_;
    std::vector<Place> places_;  // one for each message
};

/// The first of the end tokens in text[from, to), the longest where several begin.
std::optional<Span> find_end_token(const std::string & text, size_t from, size_t to,
                                   std::span<const std::string> end_tokens);
/// The size of the longest end token that begins at a byte, 0 for none.
size_t end_token_size(std::string_view text, size_t at, std::span<const std::string> end_tokens);

}  // namespace ql
