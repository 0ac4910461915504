#include "examples/chat/conversation.hpp"

#include "tools/cli/stop.hpp"
#include "tools/cli/tokens.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kRoomForAnswer = 32;  // fewer tokens than this hold no answer: forget a turn instead

}  // namespace

Conversation::Conversation(const ql_model * model, ql_session * session, int64_t ctx, Rendering rendering,
                           const std::string & system)
    : model_(model),
      tokenizer_(ql_model_tokenizer(model)),
      session_(session),
      ctx_(ctx),
      rendering_(std::move(rendering)),
      has_system_(!system.empty()) {
    if (has_system_) turns_.roles.emplace_back("system"), turns_.contents.push_back(system);
}

std::string Conversation::render(const Turns & turns) const {
    std::vector<const char *> roles, contents;
    for (size_t i = 0; i < turns.roles.size(); ++i)
        roles.push_back(turns.roles[i].c_str()), contents.push_back(turns.contents[i].c_str());
    CharsPtr text;
    auto options = defaults<ql_chat_options>();
    if (!rendering_.chat_template.empty()) options.chat_template = rendering_.chat_template.c_str();
    options.date = rendering_.date.c_str();
    check_input(
        ql_chat_render(model_, &options, roles.data(), contents.data(), static_cast<int>(roles.size()), out(text)));
    return text.get();
}

bool Conversation::continue_from_cache(const std::string & text, std::vector<int32_t> & tokens) const {
    if (cached_.empty() || !text.starts_with(cached_)) return false;
    tokens = tokenize(tokenizer_, text.substr(cached_.size()), !cached_end_);  // as training has it after an answer
    if (cached_end_ && !tokens.empty() && ql_tokenizer_is_end(tokenizer_, tokens.front())) tokens.erase(tokens.begin());
    return ql_session_position(session_) + static_cast<int64_t>(tokens.size()) + kRoomForAnswer <= ctx_;
}

Conversation::Question Conversation::start_over(Turns & turns, std::string & text) const {
    const std::ptrdiff_t first = has_system_ ? 1 : 0;
    Question q{tokenize_prompt(tokenizer_, text)};
    const auto n_tokens = [&] { return static_cast<int64_t>(q.tokens.size()); };
    while (n_tokens() + kRoomForAnswer > ctx_ && static_cast<std::ptrdiff_t>(turns.roles.size()) > first + 2) {
        for (auto * list : {&turns.roles, &turns.contents})
            list->erase(list->begin() + first, list->begin() + first + 2);  // a question and its answer
        ++q.forgotten;
        text = render(turns);
        q.tokens = tokenize_prompt(tokenizer_, text);
    }
    q.fits = n_tokens() <= ctx_;
    return q;
}

Conversation::Question Conversation::ask(const std::string & message) {
    Turns turns = turns_;
    turns.roles.emplace_back("user");
    turns.contents.push_back(message);
    std::string text = render(turns);
    Question q;
    if (!continue_from_cache(text, q.tokens)) {
        q = start_over(turns, text);
        if (!q.fits) return q;
        ql_session_reset(session_);
    }
    turns_ = std::move(turns);
    cached_ = text;
    cached_end_ = false;
    return q;
}

void Conversation::answered(const std::string & text, bool ended) {
    turns_.roles.emplace_back("assistant");
    turns_.contents.push_back(text);
    cached_ += text;
    cached_end_ = ended;
}

void Conversation::reset() {
    turns_.roles.resize(has_system_ ? 1 : 0), turns_.contents.resize(has_system_ ? 1 : 0);
    forget_cache();
}

void Conversation::set_system(const std::string & text) {
    if (has_system_) turns_.roles.erase(turns_.roles.begin()), turns_.contents.erase(turns_.contents.begin());
    has_system_ = !text.empty();
    if (has_system_)
        turns_.roles.insert(turns_.roles.begin(), "system"), turns_.contents.insert(turns_.contents.begin(), text);
    forget_cache();
}

std::optional<std::string> Conversation::undo() {
    if (turns_.roles.size() < (has_system_ ? 3u : 2u)) return {};
    const std::string question = turns_.contents[turns_.contents.size() - 2];
    turns_.roles.resize(turns_.roles.size() - 2), turns_.contents.resize(turns_.contents.size() - 2);
    forget_cache();
    return question;
}

void Conversation::restore(Turns turns) {
    turns_ = std::move(turns);
    has_system_ = !turns_.roles.empty() && turns_.roles[0] == "system";
    forget_cache();
}

}  // namespace ql::cli
