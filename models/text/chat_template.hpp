// Chat templates: messages to text, the same for training and for inference. A model's own template is a program in
// Jinja (tokenizer.chat_template of a GGUF file); jinja/ runs it. For training the renderer also tells which bytes
// of the text the model is to learn: its own answers with their end of turn, and nothing of what others say.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql {

struct Message {
    std::string role;               // "system", "user", "assistant", "tool"
    std::string content;            // UTF-8
    std::string name = {};          // of the speaker or the tool; templates see it where there is one
    bool trained = true;            // the assistant's: false leaves the answer out of the loss
    bool has_content = true;        // templates tell a missing key from an empty text, beside calls of tools
    std::string reasoning = {};     // the assistant's thoughts before the content, where they are kept apart from it
    std::string tool_calls = {};    // the assistant's, JSON: [{"type", "id", "function": {"name", "arguments"}}, ...]
    std::string tool_call_id = {};  // of a tool's answer
};

/// Bytes [begin, end) of a text.
struct Span {
    size_t begin = 0, end = 0;
    bool operator==(const Span &) const = default;
};

/// The texts of special tokens that templates write; empty where the model has none.
struct TemplateTokens {
    std::string bos, eos;
    std::string unknown = {}, padding = {};
};

/// What of a conversation carries loss.
struct TrainedParts {
    // Of what the assistant writes:
    bool words = true;  // its content, and the end of turn after it
    bool reasoning = true;
    bool calls = true;       // of tools, and the end of turn after them
    bool last_only = false;  // in its last message alone
    bool all = false;        // every token, whoever wrote it

    bool whole_answers() const { return words && reasoning && calls; }
};

struct Rendered {
    std::string text;
    /// What the assistant writes, with its end of turn: the answers that are to be trained. Sorted, disjoint.
    std::vector<Span> answers;
    std::vector<Span> trained;  // the bytes that carry loss: the answers or parts of them, or all. Sorted, disjoint.
    /// The template writes no end-of-turn token after the last answer. The caller puts the model's EOS there;
    /// otherwise the model would never learn to stop.
    bool open_end = false;
    /// Answers (indices of messages) that the template shortens once others follow, as it does with earlier thoughts.
    /// They are not trained here: a model that answers sees and writes them whole, so each needs a sample that ends
    /// with it.
    std::vector<size_t> shortened = {};
};

class ChatTemplate {
  public:
    /// Parses the whole template. `date` ("YYYY-MM-DD") is what strftime_now() tells the template; without one that
    /// function does not exist, and templates fall back on a date of their own. `kwargs`, a JSON object, are values that
    /// the template may ask for by name (template_kwargs.hpp).
    /// errors  QL_UNSUPPORTED: a construct that is not known, named with its line; a text that has no tag in it;
    ///         QL_INVALID_ARGUMENT: kwargs
    static Result<ChatTemplate> parse(std::string source, TemplateTokens tokens, std::string date = "",
                                      std::string kwargs = "");

    /// The text of the messages; with add_generation_prompt followed by what stands before the assistant's next answer.
    /// The text begins with BOS if and only if the template writes it: the tokenizer must not add a second one.
    /// errors  QL_INVALID_ARGUMENT: the template refuses the messages;  QL_UNSUPPORTED: see parse
    /// `tools`: a JSON list of what the model may call, "" for none.
    Result<std::string> render(std::span<const Message> messages, bool add_generation_prompt,
                               const std::string & tools = {}) const;

    /// The text, and the bytes of the assistant's messages in it. A span begins where the generation prompt ends (so at
    /// inference the model writes all of it), and ends after the first of `end_tokens` after the message.
    /// errors  as render; QL_UNSUPPORTED: an answer cannot be found in the text; the template writes no tools, calls or
    ///         thoughts, and the messages have some
    Result<Rendered> render_for_training(std::span<const Message> messages, std::span<const std::string> end_tokens,
                                         const TrainedParts & parts = {}, const std::string & tools = {}) const;

    const std::string & source() const;
    /// The date that parse() was given if the template asks for one (strftime_now), else "".
    std::string told_date() const;
    /// The kwargs that parse() was given, in one form.
    const std::string & kwargs() const;
    /// Where llama.cpp's own Jinja would render plain conversations differently, so that what it serves is not what
    /// is trained: one note for each kind, with the template's line. docs/data.md has the table of differences.
    std::vector<std::string> notes() const;

    struct Impl;  // chat_template_impl.hpp

  private:
    std::shared_ptr<const Impl> impl_;  // immutable, so copies share it
};

/// A template that comes with the program.
struct NamedTemplate {
    const char * name;
    const char * source;
    const char * note;  // for which models
};
std::span<const NamedTemplate> named_templates();

/// The source of `--chat-template NAME|FILE`: a built-in name, else the content of a file. Only for what a user wrote:
/// a template that came with a file is its text already, and may look like a path. errors  QL_NOT_FOUND: neither a name
/// nor a file; lists the names
Result<std::string> chat_template_source(const std::string & name_or_file);

}  // namespace ql
