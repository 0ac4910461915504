#include "models/infer/session.hpp"

namespace ql {

Result<std::unique_ptr<Session>> Session::create(const Model & model, ql_device * device,
                                                 std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                 ql_dtype cache_type) {
    QL_ASSIGN(auto engine, Engine::create(model, device, {{adapters}}, {.ctx = ctx, .cache_type = cache_type}));
    return std::unique_ptr<Session>(new Session(std::move(engine)));
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
