#include "examples/chat/answer_stream.hpp"

#include <cstdio>

#include "tools/cli/escape.hpp"
#include "tools/cli/program.hpp"

namespace ql::cli {

ql_generate_result AnswerStream::generate(const ModelPtr & model, const SessionPtr & session,
                                          const std::vector<int32_t> & tokens, ql_generate_options options,
                                          bool shows) {
    options.user = this;
    options.on_token = [](void * self, const ql_generated * t) {
        return static_cast<AnswerStream *>(self)->take(*t) ? 0 : 1;
    };
    options.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
    tokenizer_ = ql_model_tokenizer(model.get());
    shows_ = shows, has_logprobs_ = options.n_top > 0;
    shown_.clear();
    stop_.reset();
    if (!stops_.empty()) stop_.emplace(stops_);
    auto generated = ql::generate(session, tokens, options);
    is_cancelled_ = generated.code() == QL_CANCELLED;
    if (is_cancelled_) return {.text = ""};
    const ql_generate_result result = run_of(std::move(generated));
    if (stop_) show(stop_->rest());
    return result;
}

/// False: the answer ends here.
bool AnswerStream::take(const ql_generated & token) {
    const std::string piece = token.piece ? token.piece : "";
    show(stop_ ? stop_->feed(piece) : piece);
    if (is_stopped()) return false;
    if (shows_ && !flush_results()) return false;  // nobody reads stdout
    if (has_logprobs_) logprobs_.add(token, tokenizer_);
    return g_interrupt == 0;
}

void AnswerStream::show(const std::string & text) {
    shown_ += text;
    if (shows_ && !text.empty()) std::fputs(escape_text(text).c_str(), stdout);
}

}  // namespace ql::cli
