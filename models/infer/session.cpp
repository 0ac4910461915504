#include "models/infer/session.hpp"

#include <algorithm>

#include "models/adapter/invocation.hpp"

namespace ql {

Result<std::unique_ptr<Session>> Session::create(const Model & model, ql_device * device,
                                                 std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                 ql_dtype cache_type, uint64_t memory) {
    std::vector<const Adapter *> list;
    std::vector<AppliedAdapter> fixed;
    std::vector<std::string> beyond;
    std::vector<float> factors;
    for (const AppliedAdapter & a : adapters) {
        beyond.push_back(beyond_branches(*a.adapter));
        factors.push_back(a.factor);
        beyond.back().empty() ? list.push_back(a.adapter) : fixed.push_back(a);
    }
    QL_ASSIGN(auto engine,
              Engine::create(model, device, list, {.ctx = ctx, .cache_type = cache_type, .memory = memory}, fixed));
    std::unique_ptr<Session> session(new Session(std::move(engine)));
    session->fixed_ = std::move(beyond);
    for (const Adapter * adapter : list) session->invocations_.push_back(adapter->invocation);
    session->factors_ = factors;
    QL_TRY(session->set_factors(factors));
    return session;
}

Status Session::set_factors(std::span<const float> factors) {
    if (factors.size() != factors_.size())
        return error(QL_INVALID_ARGUMENT, "%zu factors for %zu adapters", factors.size(), factors_.size());
    std::vector<float> of_engine;
    for (size_t i = 0; i < factors.size(); ++i) {
        if (fixed_[i].empty())
            of_engine.push_back(factors[i]);
        else if (factors[i] != factors_[i])
            return error(QL_UNSUPPORTED,
                         "adapter %zu has %s: it is applied with the scale %g that the session was made with, not %g; "
                         "make another session",
                         i, fixed_[i].c_str(), static_cast<double>(factors_[i]), static_cast<double>(factors[i]));
    }
    QL_TRY(engine_->set_factors(0, of_engine));
    factors_.assign(factors.begin(), factors.end());
    return {};
}

/// Sets where adapters begin. Tokens on which one has acted and no longer does, or the other way round, go in front of
/// those that are read next.
void Session::place_invocations(std::vector<int32_t> & tokens) {
    const int64_t before = position();
    std::vector<int32_t> all(tokens_.begin(), tokens_.begin() + before);
    all.insert(all.end(), tokens.begin(), tokens.end());
    const auto were = engine_->starts(0);
    std::vector<int64_t> starts;
    int64_t again = before;  // from here on
    for (size_t i = 0; i < invocations_.size(); ++i) {
        starts.push_back(last_invocation(all, invocations_[i]));
        if (starts[i] != were[i] && engine_->factors(0)[i] != 0) again = std::min({again, starts[i], were[i]});
    }
    engine_->truncate(0, again);
    engine_->set_starts(0, starts);
    tokens.assign(all.begin() + again, all.end());
}

Status Session::eval(std::span<const int32_t> tokens, const std::function<bool()> & stop) {
    std::vector<int32_t> next(tokens.begin(), tokens.end());
    const bool activated =
        std::any_of(invocations_.begin(), invocations_.end(), [](const auto & list) { return !list.empty(); });
    const bool fits =
        position() + std::ssize(tokens) <= ctx() &&  // what the engine will refuse changes nothing
        std::all_of(tokens.begin(), tokens.end(), [&](int32_t t) { return t >= 0 && t < model().hparams().n_vocab; });
    if (activated && fits && !tokens.empty()) {
        if (stop && stop()) return error(QL_CANCELLED, "stopped before any of %zu tokens was read", tokens.size());
        place_invocations(next);
    }
    const SequenceTokens batch[] = {{.tokens = next}};
    const auto before = static_cast<size_t>(position());
    const Status read = engine_->read(batch, stop);
    const size_t n_read = static_cast<size_t>(position()) - before;
    tokens_.resize(before);
    tokens_.insert(tokens_.end(), next.begin(), next.begin() + static_cast<int64_t>(n_read));
    return read;
}

}  // namespace ql
