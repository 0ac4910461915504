// A fresh adapter.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/adapter/adapter.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/targets.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// The norms of a model, as they are.
Result<std::vector<TrainedNorm>> norms_of(const Model & model) {
    std::vector<TrainedNorm> norms;
    for (const Weight & w : model.weights()) {
        if (!is_norm(w.name)) continue;
        TrainedNorm & norm = norms.emplace_back();
        norm.weight = w.name;
        norm.values.resize(static_cast<size_t>(w.elements()));
        QL_TRY(ql_decode(w.dtype, w.data, w.elements(), 0, w.elements(), norm.values.data()));
    }
    return norms;
}

Status check_options(const LoraOptions & options, const Model & model, const std::vector<std::string> & targets) {
    int64_t largest = 0;  // beyond the smaller side of every target a higher rank adds nothing
    for (const std::string & name : targets)
        largest = std::max(largest, std::min(model.find(name)->ne[0], model.find(name)->ne[1]));
    if (options.r < 1 || options.r > largest)
        return error(QL_INVALID_ARGUMENT, "LoRA r is %d, 1 to %lld are possible with these targets", options.r,
                     static_cast<long long>(largest));
    if (!(options.alpha > 0 && options.alpha <= 1e6f))
        return error(QL_INVALID_ARGUMENT, "LoRA alpha is %g, it must be greater than 0 and at most 1e6",
                     static_cast<double>(options.alpha));
    return {};
}

/// Whether A is what a plain LoRA or a DoRA starts with.
bool is_start_of_a(const LoraMatrix & matrix, uint64_t seed) {
    LoraMatrix start{matrix.weight, matrix.k, matrix.m, matrix.r, matrix.scale, {}, {}};
    return kind::lora.start(start, Weight(), seed).ok() && matrix.a == start.a;
}

bool is_zero(const std::vector<float> & values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

}  // namespace

MatrixState matrix_state(const Origin & origin, const LoraMatrix & matrix) {
    if (is_zero(matrix.b)) return MatrixState::kZeroB;
    if (is_zero(matrix.a)) return MatrixState::kZeroA;
    if (matrix.scale == 0) return MatrixState::kZeroScale;
    uint64_t seed = 0;
    const auto read = std::from_chars(origin.seed.data(), origin.seed.data() + origin.seed.size(), seed);
    if (origin.init != kUniformStart || read.ec != std::errc()) return MatrixState::kTrained;
    return is_start_of_a(matrix, seed) ? MatrixState::kStartA : MatrixState::kTrained;
}

Result<Adapter> new_adapter(const Model & model, const LoraOptions & options) {
    QL_ASSIGN(const std::vector<std::string> targets, select_targets(model, options.targets));
    QL_TRY(check_options(options, model, targets));
    Adapter adapter;
    adapter.architecture = model.hparams().arch;
    adapter.base_name = model.name();
    adapter.name = model.name().empty() ? "" : model.name() + " LoRA";
    adapter.chat_template = model.chat_template();
    adapter.origin.base = model.identity();
    adapter.origin.base_type = model.base_type();
    adapter.origin.init = options.kind == LoraKind::miss ? "" : kUniformStart;  // a MiSS has its A for good
    adapter.origin.seed = std::to_string(options.seed);
    adapter.origin.options = format("kind=%s;r=%d;alpha=%g;rslora=%d;norms=%d;targets=%s", def_of(options.kind).name,
                                    options.r, static_cast<double>(options.alpha), options.rslora ? 1 : 0,
                                    options.norms ? 1 : 0, options.targets.c_str());
    const double divisor = options.rslora ? std::sqrt(static_cast<double>(options.r)) : options.r;
    const auto scale = static_cast<float>(static_cast<double>(options.alpha) / divisor);
    for (const std::string & name : targets) {
        const Weight & w = *model.find(name);
        LoraMatrix matrix{name, w.ne[0], w.ne[1], options.r, scale, {}, {}, options.kind};
        matrix.b.resize(static_cast<size_t>(matrix.m * matrix.r));
        QL_TRY(def_of(options.kind).start(matrix, w, options.seed));
        adapter.matrices.push_back(std::move(matrix));
    }
    if (options.norms) {
        QL_ASSIGN(adapter.norms, norms_of(model));
    }
    return adapter;
}

}  // namespace ql
