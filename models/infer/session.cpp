#include "models/infer/session.hpp"

namespace ql {

Result<std::unique_ptr<Session>> Session::create(const Model & model, ql_device * device,
                                                 std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                 ql_dtype cache_type) {
    std::vector<const Adapter *> list;
    std::vector<AppliedAdapter> fixed;
    std::vector<bool> is_fixed;
    std::vector<float> factors;
    for (const AppliedAdapter & a : adapters) {
        is_fixed.push_back(!is_sum(*a.adapter));
        factors.push_back(a.factor);
        is_fixed.back() ? fixed.push_back(a) : list.push_back(a.adapter);
    }
    QL_ASSIGN(auto engine, Engine::create(model, device, list, {.ctx = ctx, .cache_type = cache_type}, fixed));
    std::unique_ptr<Session> session(new Session(std::move(engine)));
    session->is_fixed_ = std::move(is_fixed);
    session->factors_ = factors;
    QL_TRY(session->set_factors(factors));
    return session;
}

Status Session::set_factors(std::span<const float> factors) {
    if (factors.size() != factors_.size())
        return error(QL_INVALID_ARGUMENT, "%zu factors for %zu adapters", factors.size(), factors_.size());
    std::vector<float> of_engine;
    for (size_t i = 0; i < factors.size(); ++i) {
        if (!is_fixed_[i])
            of_engine.push_back(factors[i]);
        else if (factors[i] != factors_[i])
            return error(
                QL_UNSUPPORTED,
                "adapter %zu has a DoRA, or trained norms: it is applied with the scale %g that the session was "
                "made with, not %g; make another session",
                i, static_cast<double>(factors_[i]), static_cast<double>(factors[i]));
    }
    QL_TRY(engine_->set_factors(0, of_engine));
    factors_.assign(factors.begin(), factors.end());
    return {};
}

Status Session::eval(std::span<const int32_t> tokens) {
    const SequenceTokens batch[] = {{.tokens = tokens}};
    const auto before = static_cast<size_t>(position());
    const Status read = engine_->read(batch);
    const size_t n_read = static_cast<size_t>(position()) - before;
    tokens_.resize(before);
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.begin() + static_cast<int64_t>(n_read));
    return read;
}

}  // namespace ql
