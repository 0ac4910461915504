// A chat that grows: each turn reads only the text that the cache does not hold yet.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ql/models.hpp"

namespace ql::cli {

class Conversation {
  public:
    struct Rendering {
        std::string chat_template;  // Jinja text, empty for the model's own
        std::string date;           // that the model is told
        std::string kwargs;         // that the template reads by name, JSON
    };
    Conversation(const ql_model * model, ql_session * session, int64_t ctx, Rendering rendering,
                 const std::string & system);

    struct Question {
        std::vector<int32_t> tokens;  // that the session has to read so that it can answer
        int forgotten = 0;            // oldest turns that are read no more, as the context is full
        bool fits = true;             // false: the message alone is longer than the context; nothing has changed
    };
    /// A status: the chat template refuses the conversation with this message; nothing has changed.
    Result<Question> ask(const std::string & message);
    /// How the answer in the session came to its end.
    struct Answer {
        std::string text;
        bool ended = true;  // the session has read an end-of-turn token behind it
        bool whole = true;  // false: it was broken off
    };
    void answered(const Answer & answer);
    /// Takes back what was asked, and is not answered.
    void withdraw();

    struct Message {
        std::string role, content;
        bool whole = true;
    };
    using Messages = std::vector<Message>;
    /// What was said so far, the system message first where there is one; with the turns that the context has lost.
    const Messages & messages() const { return messages_; }
    /// Forgets all but the system message.
    void reset();
    void set_system(const std::string & text);
    /// Takes the last message and its answer back; nothing if there is none.
    std::optional<std::string> undo();
    /// The same for a message that is asked again: withdraw() brings both back.
    std::optional<std::string> retry();
    /// Another conversation: a system message, or none, then messages and answers in turn.
    void restore(Messages messages);
    /// The next message is asked with all of the conversation: the session has forgotten what it read.
    void forget_cache() { cached_.clear(); }

  private:
    struct State {
        Messages messages;
        size_t forgotten;
    };

    /// What ask() does, but for a message that is asked again.
    Result<Question> add(const std::string & message);
    size_t first() const { return has_system_ ? 1 : 0; }
    Result<std::string> render(const Messages & messages, size_t forgotten) const;
    /// The whole conversation anew, without the oldest turns where they do not fit. *forgotten: how many
    /// these are, at least those that were forgotten before.
    Result<Question> start_over(const Messages & messages, std::string & text, size_t * forgotten) const;
    /// The same for one number of forgotten turns: *q has the tokens, and whether they leave room for an answer.
    Status render_without(size_t forgotten, const Messages & messages, std::string & text, Question * q,
                          bool * has_room) const;
    /// Tokens for the rest of `text` behind what the cache holds, or nothing if the cache holds something else.
    bool continue_from_cache(const std::string & text, std::vector<int32_t> & tokens) const;

    const ql_model * model_;
    const ql_tokenizer * tokenizer_;
    ql_session * session_;
    int64_t ctx_;
    Rendering rendering_;
    bool has_system_;
    Messages messages_;
    size_t forgotten_ = 0;          // turns, a question and its answer each, that no longer fit in the context
    State before_{};                // what withdraw() goes back to
    std::optional<State> retried_;  // the same, of a message that is asked next
    std::string cached_;            // the text whose tokens the session has read
    bool cached_end_ = false;       // and the end-of-turn token behind it
};

}  // namespace ql::cli
