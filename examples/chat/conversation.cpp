#include "examples/chat/conversation.hpp"

#include <algorithm>
#include <utility>

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
    if (has_system_) messages_.push_back({"system", system});
}

Result<std::string> Conversation::render(const Messages & messages, size_t forgotten) const {
    std::vector<const char *> roles, contents;
    for (size_t i = 0; i < messages.size(); ++i) {
        if (i >= first() && i < first() + 2 * forgotten) continue;
        roles.push_back(messages[i].role.c_str()), contents.push_back(messages[i].content.c_str());
    }
    CharsPtr text;
    auto options = defaults<ql_chat_options>();
    if (!rendering_.chat_template.empty()) options.chat_template = rendering_.chat_template.c_str();
    options.date = rendering_.date.c_str();
    options.chat_template_kwargs = rendering_.kwargs.c_str();
    QL_TRY(ql_chat_render(model_, &options, roles.data(), contents.data(), static_cast<int>(roles.size()), out(text)));
    return std::string(text.get());
}

bool Conversation::continue_from_cache(const std::string & text, std::vector<int32_t> & tokens) const {
    if (cached_.empty() || !text.starts_with(cached_)) return false;
    tokens = tokenize(tokenizer_, text.substr(cached_.size()), !cached_end_);  // as training has it after an answer
    if (cached_end_ && !tokens.empty() && ql_tokenizer_is_end(tokenizer_, tokens.front())) tokens.erase(tokens.begin());
    return ql_session_position(session_) + static_cast<int64_t>(tokens.size()) + kRoomForAnswer <= ctx_;
}

Status Conversation::render_without(size_t forgotten, const Messages & messages, std::string & text, Question * q,
                                    bool * has_room) const {
    QL_ASSIGN(text, render(messages, forgotten));
    q->tokens = tokenize_prompt(tokenizer_, text);
    *has_room = static_cast<int64_t>(q->tokens.size()) + kRoomForAnswer <= ctx_;
    return {};
}

Result<Conversation::Question> Conversation::start_over(const Messages & messages, std::string & text,
                                                        size_t * forgotten) const {
    Question q;
    bool has_room = false;
    QL_TRY(render_without(*forgotten, messages, text, &q, &has_room));
    if (!has_room) {
        size_t few = *forgotten, many = (messages.size() - first()) / 2;  // all turns before the message that is asked
        while (few + 1 < many) {  // each forgotten turn makes room: the fewest lie between the two
            const size_t middle = few + (many - few) / 2;
            QL_TRY(render_without(middle, messages, text, &q, &has_room));
            (has_room ? many : few) = middle;
        }
        *forgotten = many;
        QL_TRY(render_without(many, messages, text, &q, &has_room));
    }
    q.fits = static_cast<int64_t>(q.tokens.size()) <= ctx_;
    return q;
}

Result<Conversation::Question> Conversation::ask(const std::string & message) {
    const bool again = retried_.has_value();
    before_ = again ? *std::exchange(retried_, {}) : State{messages_, forgotten_};
    Result<Question> q = add(message);
    if (again && (!q.ok() || !q->fits)) withdraw();  // else nothing has changed, and the session may go on
    return q;
}

Result<Conversation::Question> Conversation::add(const std::string & message) {
    Messages messages = messages_;
    messages.push_back({"user", message});
    QL_ASSIGN(std::string text, render(messages, forgotten_));
    Question q;
    if (!continue_from_cache(text, q.tokens)) {
        size_t forgotten = forgotten_;
        QL_ASSIGN(q, start_over(messages, text, &forgotten));
        if (!q.fits) return q;
        q.forgotten = static_cast<int>(forgotten - forgotten_);
        forgotten_ = forgotten;
        ql_session_reset(session_);
    }
    messages_ = std::move(messages);
    cached_ = text;
    cached_end_ = false;
    return q;
}

void Conversation::answered(const Answer & answer) {
    messages_.push_back({"assistant", answer.text, answer.whole});
    cached_ += answer.text;
    cached_end_ = answer.ended;
}

void Conversation::withdraw() {
    messages_ = before_.messages, forgotten_ = before_.forgotten;
    forget_cache();
}

std::optional<std::string> Conversation::retry() {
    State before{messages_, forgotten_};
    const auto question = undo();
    if (question) retried_ = std::move(before);
    return question;
}

void Conversation::reset() {
    messages_.resize(first());
    forgotten_ = 0;
    forget_cache();
}

void Conversation::set_system(const std::string & text) {
    if (has_system_) messages_.erase(messages_.begin());
    has_system_ = !text.empty();
    if (has_system_) messages_.insert(messages_.begin(), {"system", text});
    forget_cache();
}

std::optional<std::string> Conversation::undo() {
    if (messages_.size() < first() + 2) return {};
    const std::string question = messages_[messages_.size() - 2].content;
    messages_.resize(messages_.size() - 2);
    forgotten_ = std::min(forgotten_, (messages_.size() - first()) / 2);
    forget_cache();
    return question;
}

void Conversation::restore(Messages messages) {
    messages_ = std::move(messages);
    has_system_ = !messages_.empty() && messages_[0].role == "system";
    forgotten_ = 0;
    forget_cache();
}

}  // namespace ql::cli
