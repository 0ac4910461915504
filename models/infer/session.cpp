#include "models/infer/session.hpp"

#include <algorithm>

#include "models/adapter/invocation.hpp"

namespace ql {

Result<std::unique_ptr<Session>> Session::create(const Model & model, ql_device * device,
                                                 std::span<const AppliedAdapter> adapters,
                                                 const EngineOptions & options) {
    std::vector<const Adapter *> list;
    std::vector<AppliedAdapter> fixed;
    std::vector<std::string> beyond;
    std::vector<float> factors;
    for (const AppliedAdapter & a : adapters) {
        beyond.push_back(beyond_branches(*a.adapter));
        factors.push_back(a.factor);
        beyond.back().empty() ? list.push_back(a.adapter) : fixed.push_back(a);
    }
    QL_ASSIGN(auto engine, Engine::create(model, device, list, options, fixed));
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
    for (int64_t i = 0; i < engine_->n_sequences(); ++i) QL_TRY(engine_->set_factors(i, of_engine));
    factors_.assign(factors.begin(), factors.end());
    return {};
}

/// Sets where adapters begin. Tokens on which one has acted and no longer does, or the other way round, go in front of
/// those that are read next.
void Session::place_invocations(int64_t sequence, std::vector<int32_t> & tokens) {
    const int64_t before = position(sequence);
    const std::vector<int32_t> & read = this->tokens(sequence);
    std::vector<int32_t> all(read.begin(), read.begin() + before);
    all.insert(all.end(), tokens.begin(), tokens.end());
    const auto were = engine_->starts(sequence);
    std::vector<int64_t> starts;
    int64_t again = before;  // from here on
    for (size_t i = 0; i < invocations_.size(); ++i) {
        starts.push_back(last_invocation(all, invocations_[i]));
        if (starts[i] != were[i] && engine_->factors(sequence)[i] != 0) again = std::min({again, starts[i], were[i]});
    }
    engine_->truncate(sequence, again);
    engine_->set_starts(sequence, starts);
    tokens.assign(all.begin() + again, all.end());
}

bool Session::is_activated() const {
    return std::any_of(invocations_.begin(), invocations_.end(), [](const auto & list) { return !list.empty(); });
}

/// What the engine will refuse changes nothing.
bool Session::fits(const SequenceTokens & part) const {
    return !part.tokens.empty() && position(part.sequence) + std::ssize(part.tokens) <= ctx() &&
           std::all_of(part.tokens.begin(), part.tokens.end(),
                       [&](int32_t t) { return t >= 0 && t < model().hparams().n_vocab; });
}

Status Session::eval(std::span<const SequenceTokens> batch, const std::function<bool()> & stop) {
    const bool places = is_activated() && std::all_of(batch.begin(), batch.end(),
                                                      [&](const SequenceTokens & part) { return fits(part); });
    if (places && stop && stop())
        return error(QL_CANCELLED, "stopped before any of %zu tokens was read", batch[0].tokens.size());
    std::vector<std::vector<int32_t>> next;
    std::vector<SequenceTokens> parts(batch.begin(), batch.end());
    for (SequenceTokens & part : parts) {
        next.emplace_back(part.tokens.begin(), part.tokens.end());
        if (places) place_invocations(part.sequence, next.back());
        tokens_[static_cast<size_t>(part.sequence)].resize(static_cast<size_t>(position(part.sequence)));
        part.tokens = next.back();
    }
    const Status read = engine_->read(parts, stop);
    for (const SequenceTokens & part : parts) {
        std::vector<int32_t> & own = tokens_[static_cast<size_t>(part.sequence)];
        const auto n_read = position(part.sequence) - std::ssize(own);
        own.insert(own.end(), part.tokens.begin(), part.tokens.begin() + n_read);
    }
    return read;
}

}  // namespace ql
