#include "models/infer/generate.hpp"

#include <cmath>

#include "models/base/utf8.hpp"
#include "models/infer/sampling.hpp"
#include "ql/os.h"

namespace ql {
namespace {

constexpr size_t kPenaltyWindow = 64;

std::span<const int32_t> recent_tokens(const Session & s) {
    const std::span<const int32_t> all(s.tokens());
    return all.size() > kPenaltyWindow ? all.last(kPenaltyWindow) : all;
}

Status check(const Session & session, const ql_generate_options & o) {
    if (!session.model().tokenizer()) return error(QL_INVALID_ARGUMENT, "generation: the model has no tokenizer");
    if (o.n_top < 0 || o.n_top > 100)
        return error(QL_INVALID_ARGUMENT, "logprobs: %d is out of range, 0 to 100 are possible", o.n_top);
    return check_sampling(o.sampling);
}

Status not_finite(const Model & model) {
    QL_TRY(model.check_files());
    return error(
        QL_NON_FINITE,
        "generation: the logits are not finite: the model's weights are damaged, or a key or a value is beyond "
        "65504, which the cache of f16 cannot hold");
}

}  // namespace

Result<Generated> generate(Session & session, std::span<const int32_t> prompt, const ql_generate_options & options) {
    QL_TRY(check(session, options));
    const Tokenizer & tokenizer = *session.model().tokenizer();
    Generated out;
    double start = ql_os_seconds();
    QL_TRY(session.eval(prompt, [&] { return options.cancelled && options.cancelled(options.user) != 0; }));
    out.prompt_seconds = ql_os_seconds() - start;
    start = ql_os_seconds();
    Utf8Stream stream;
    while (options.n_predict < 0 || out.n_generated < options.n_predict) {
        const double lse = log_sum_exp(session.logits());
        if (!std::isfinite(lse)) return not_finite(session.model());
        const int32_t id = sample(session.logits(), recent_tokens(session), options.sampling, session.position());
        out.ended = tokenizer.is_end_of_generation(id);
        const std::string piece = out.ended ? "" : stream.push(tokenizer.piece(id));
        out.text += piece;
        ++out.n_generated;
        const auto top = options.n_top ? top_logprobs(session.logits(), options.n_top) : std::vector<ql_logprob>();
        const auto logprob = static_cast<float>(static_cast<double>(session.logits()[static_cast<size_t>(id)]) - lse);
        const ql_generated token{sizeof(ql_generated), id,         logprob,
                                 piece.c_str(),        top.data(), static_cast<int>(top.size())};
        const bool stop = options.on_token && options.on_token(options.user, &token) != 0;
        const bool full = session.position() >= session.ctx(), last = out.n_generated == options.n_predict;
        if (full || (last && !out.ended)) break;
        QL_TRY(session.eval({&id, 1}));
        if (out.ended || stop) break;
    }
    QL_TRY(session.model().check_files());
    out.text += stream.flush();
    out.generation_seconds = ql_os_seconds() - start;
    return out;
}

}  // namespace ql
