#include "models/infer/generate.hpp"

#include "models/infer/growing_answer.hpp"
#include "ql/os.h"

namespace ql {
namespace {

AnswerRules rules_of(const Session & session, const ql_generate_options & options) {
    return {options.n_predict, session.ctx(), options.n_top, options.sampling};
}

GrowingAnswer::OnToken callback(const ql_generate_options & o) {
    if (!o.on_token) return {};
    return [&o](const ql_generated & token) { return o.on_token(o.user, &token) != 0; };
}

/// Whether the session reads the token chosen last: one that the caller has seen, or that ends the turn, is a part of
/// what a conversation goes on from, where there is room for it.
bool is_read(const GrowingAnswer & answer, const Session & session, int64_t n_predict) {
    if (session.position() >= session.ctx()) return false;
    return answer.n_generated() != n_predict || answer.end() == QL_ANSWER_TURN;
}

}  // namespace

Result<Generated> generate(Session & session, std::span<const int32_t> prompt, const ql_generate_options & options) {
    const AnswerRules rules = rules_of(session, options);
    QL_TRY(check_rules(session.model(), rules));
    Generated out;
    double start = ql_os_seconds();
    QL_TRY(session.eval(prompt, [&] { return options.cancelled && options.cancelled(options.user) != 0; }));
    out.prompt_seconds = ql_os_seconds() - start;
    start = ql_os_seconds();
    GrowingAnswer answer(session.model(), rules, callback(options));
    while (!answer.has_ended()) {
        QL_TRY(answer.choose(session.logits(), session.tokens()));
        const int32_t token = answer.token();
        if (is_read(answer, session, options.n_predict)) QL_TRY(session.eval({&token, 1}));
    }
    QL_TRY(session.model().check_files());
    out.text = answer.text();
    out.n_generated = answer.n_generated();
    out.ended = answer.end() == QL_ANSWER_TURN;
    out.generation_seconds = ql_os_seconds() - start;
    return out;
}

}  // namespace ql
