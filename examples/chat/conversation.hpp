// A chat that grows: each turn only the text that the cache does not hold yet is read.
#pragma once
#include <string>
#include <vector>

#include "tools/cli/handles.hpp"

namespace ql::cli {

class Conversation {
  public:
    /// chat_template: Jinja text, empty for the model's own.
    Conversation(const ql_model * model, ql_session * session, int64_t ctx, std::string chat_template,
                 const std::string & system);

    /// The tokens that the session has to read so that it can answer the user's message. Forgets the oldest turns if
    /// the context is full; `forgotten` counts them.
    std::vector<int32_t> ask(const std::string & message, int * forgotten);
    /// What the session answered; `ended`: it has read an end-of-turn token behind it.
    void answered(const std::string & text, bool ended);

  private:
    std::string render() const;
    /// Tokens for the rest of `text` behind what the cache holds, or nothing if the cache holds something else.
    bool continue_from_cache(const std::string & text, std::vector<int32_t> & tokens) const;

    const ql_model * model_;
    const ql_tokenizer * tokenizer_;
    ql_session * session_;
    int64_t ctx_;
    std::string template_;
    bool has_system_;
    std::vector<std::string> roles_, contents_;
    std::string cached_;       // the text whose tokens the session has read
    bool cached_end_ = false;  // and the end-of-turn token behind it
};

}  // namespace ql::cli
