#include "examples/chat/conversation.hpp"

#include "tools/cli/stop.hpp"
#include "tools/cli/tokens.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kRoomForAnswer = 32;  // fewer tokens than that are no answer: rather forget a turn

}  // namespace

Conversation::Conversation(const ql_model * model, ql_session * session, int64_t ctx, std::string chat_template,
                           const std::string & system)
    : model_(model),
      tokenizer_(ql_model_tokenizer(model)),
      session_(session),
      ctx_(ctx),
      template_(std::move(chat_template)),
      has_system_(!system.empty()) {
    if (has_system_) roles_.emplace_back("system"), contents_.push_back(system);
}

std::string Conversation::render() const {
    std::vector<const char *> roles, contents;
    for (size_t i = 0; i < roles_.size(); ++i)
        roles.push_back(roles_[i].c_str()), contents.push_back(contents_[i].c_str());
    char * text = nullptr;
    ql_chat_options options;
    ql_chat_options_init(&options);
    if (!template_.empty()) options.chat_template = template_.c_str();
    check_input(ql_chat_render(model_, &options, roles.data(), contents.data(), static_cast<int>(roles.size()), &text));
    const Text owner(text);
    return text;
}

bool Conversation::continue_from_cache(const std::string & text, std::vector<int32_t> & tokens) const {
    if (cached_.empty() || !text.starts_with(cached_)) return false;
    tokens = tokenize(tokenizer_, text.substr(cached_.size()));
    if (cached_end_ && !tokens.empty() && ql_tokenizer_is_end(tokenizer_, tokens.front())) tokens.erase(tokens.begin());
    return ql_session_position(session_) + static_cast<int64_t>(tokens.size()) + kRoomForAnswer <= ctx_;
}

std::vector<int32_t> Conversation::ask(const std::string & message, int * forgotten) {
    roles_.emplace_back("user");
    contents_.push_back(message);
    *forgotten = 0;
    std::string text = render();
    std::vector<int32_t> tokens;
    if (!continue_from_cache(text, tokens)) {
        ql_session_reset(session_);
        const size_t first = has_system_ ? 1 : 0;
        for (tokens = tokenize_prompt(tokenizer_, text);
             static_cast<int64_t>(tokens.size()) + kRoomForAnswer > ctx_ && roles_.size() > first + 2;
             text = render(), tokens = tokenize_prompt(tokenizer_, text)) {
            const auto at = static_cast<std::ptrdiff_t>(first);
            roles_.erase(roles_.begin() + at, roles_.begin() + at + 2);
            contents_.erase(contents_.begin() + at, contents_.begin() + at + 2);
            ++*forgotten;
        }
    }
    cached_ = text;
    cached_end_ = false;
    return tokens;
}

void Conversation::answered(const std::string & text, bool ended) {
    roles_.emplace_back("assistant");
    contents_.push_back(text);
    cached_ += text;
    cached_end_ = ended;
}

}  // namespace ql::cli
