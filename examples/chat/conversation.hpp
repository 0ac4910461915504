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
    };
    Conversation(const ql_model * model, ql_session * session, int64_t ctx, Rendering rendering,
                 const std::string & system);

    struct Question {
        std::vector<int32_t> tokens;  // that the session has to read so that it can answer
        int forgotten = 0;            // oldest turns, dropped because the full context had no room for them
        bool fits = true;             // false: the message alone is longer than the context; nothing has changed
    };
    Question ask(const std::string & message);
    /// Takes in what the session answered; `ended`: the session has read an end-of-turn token behind the answer.
    void answered(const std::string & text, bool ended);
    struct Turns {
        std::vector<std::string> roles, contents;
    };
    /// What was said so far, the system message first where there is one.
    const Turns & turns() const { return turns_; }
    /// Forgets all but the system message.
    void reset();
    void set_system(const std::string & text);
    /// Takes the last message and its answer back; nothing if there is none.
    std::optional<std::string> undo();
    /// Another conversation: a system message, or none, then messages and answers in turn.
    void restore(Turns turns);
    /// The next message is asked with all of the conversation: the session has forgotten what it read.
    void forget_cache() { cached_.clear(); }

  private:
    std::string render(const Turns & turns) const;
    /// The whole conversation anew, without the oldest turns where they do not fit.
    Question start_over(Turns & turns, std::string & text) const;
    /// Tokens for the rest of `text` behind what the cache holds, or nothing if the cache holds something else.
    bool continue_from_cache(const std::string & text, std::vector<int32_t> & tokens) const;

    const ql_model * model_;
    const ql_tokenizer * tokenizer_;
    ql_session * session_;
    int64_t ctx_;
    Rendering rendering_;
    bool has_system_;
    Turns turns_;
    std::string cached_;       // the text whose tokens the session has read
    bool cached_end_ = false;  // and the end-of-turn token behind it
};

}  // namespace ql::cli
