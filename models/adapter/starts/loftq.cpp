// LoftQ for a base that stays as it was quantised: A and B start as the best approximation of W - deq(Q(W)), so that
// base and adapter together begin nearer to the model that was quantised (one iteration of the paper's). The unquantised
// weights are read from the model's file again, one matrix at a time.                                  (Li et al. 2023)
#include <cmath>

#include "models/adapter/starts/principal.hpp"
#include "models/adapter/starts/start.hpp"
#include "models/load/open_model.hpp"

namespace ql {
namespace {

constexpr double kMostLoss = 0.7;  // of a weight's norm: 2 bits lose less, and another model's weights differ by more

double norm(const std::vector<float> & values) {
    double squares = 0;
    for (const float v : values) squares += static_cast<double>(v) * static_cast<double>(v);
    return std::sqrt(squares);
}

/// The unquantised weight of the model's file.
Result<const Weight *> source_of(const Weight & w, const Model & model, const Model & file) {
    const Weight * source = file.find(w.name);
    if (!source || source->ne[0] != w.ne[0] || source->ne[1] != w.ne[1])
        return error(QL_INVALID_ARGUMENT, "%s has changed since the model was opened: '%s' is another one",
                     model.path().c_str(), w.name.c_str());
    if (ql_dtype_block_length(source->dtype) == 1) return source;
    return error(QL_INVALID_ARGUMENT,
                 "a loftq start needs the unquantised weights, and '%s' is %s in %s itself; give an f32, f16 or bf16 "
                 "model, which is quantised when it is opened, or choose another start",
                 w.name.c_str(), ql_dtype_name(source->dtype), model.path().c_str());
}

/// W - deq(Q(W)) of a weight.
Result<std::vector<float>> lost_by(const Weight & w, const Weight & source, const Model & model) {
    QL_ASSIGN(std::vector<float> lost, weight_values(source));
    const double before = norm(lost);
    QL_ASSIGN(const std::vector<float> kept, weight_values(w));
    for (size_t i = 0; i < lost.size(); ++i) lost[i] -= kept[i];
    if (norm(lost) <= kMostLoss * before) return lost;
    return error(QL_INVALID_ARGUMENT, "%s has changed since the model was opened: '%s' is another one",
                 model.path().c_str(), w.name.c_str());
}

}  // namespace

Status start_loftq(Adapter & adapter, const Model & model, const StartOptions & options) {
    QL_ASSIGN(const std::unique_ptr<Model> file,
              open_model(model.path(), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP}));
    bool lost_any = false;
    for (LoraMatrix & m : adapter.matrices) {
        const Weight & w = *model.find(m.weight);
        QL_ASSIGN(const Weight * const source, source_of(w, model, *file));
        if (source->dtype == w.dtype) continue;  // it could not take the type, and has lost nothing
        QL_ASSIGN(const std::vector<float> lost, lost_by(w, *source, model));
        set_principal(m, lost, options.threads);
        lost_any = true;
    }
    if (lost_any) return {};
    return error(QL_INVALID_ARGUMENT,
                 "a loftq start makes up for what quantising loses, and the base has lost nothing: it is used in %s as "
                 "its file has it; quantise it when it is opened (base type nf4_dq, say), or choose another start",
                 model.base_type().c_str());
}

}  // namespace ql
