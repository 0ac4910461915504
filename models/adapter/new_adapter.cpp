// A fresh adapter.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/adapter/adapter.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/invocation.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/patterns.hpp"
#include "models/adapter/targets.hpp"
#include "models/model/weight_values.hpp"
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
        QL_TRY(read_values(w, 0, w.elements(), norm.values.data()));
    }
    return norms;
}

std::string ids_text(const std::vector<int32_t> & ids) {
    std::string text;
    for (const int32_t id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
    return text;
}

Status check_options(const LoraOptions & options, const Model & model, const std::vector<std::string> & targets) {
    int64_t largest = 0;  // beyond the smaller side of every target a higher rank adds nothing
    for (const std::string & name : targets)
        largest = std::max(largest, std::min(model.find(name)->ne[0], model.find(name)->ne[1]));
    if (options.r < 1 || options.r > largest)
        return error(QL_INVALID_ARGUMENT, "LoRA r is %lld, 1 to %lld are possible with these targets",
                     static_cast<long long>(options.r), static_cast<long long>(largest));
    if (options.kind == LoraKind::miss && (options.rslora || !options.alpha_pattern.empty()))
        return error(QL_INVALID_ARGUMENT, "%s has no meaning with a MiSS, whose scale is 1",
                     options.rslora ? "rslora" : "LoRA alpha pattern");
    return check_alpha("LoRA alpha", static_cast<double>(options.alpha));
}

/// Whether A is what a plain LoRA or a DoRA starts with.
bool is_start_of_a(const LoraMatrix & matrix, uint64_t seed) {
    LoraMatrix start{matrix.weight, matrix.k, matrix.m, matrix.r, matrix.scale, {}, {}};
    return kind::lora.start(start, Weight(), seed, 1).ok() && matrix.a == start.a;
}

bool is_zero(const std::vector<float> & values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

/// Rank and scale by weight.
class Ranks {
  public:
    static Result<Ranks> parse(const LoraOptions & options) {
        QL_ASSIGN(Patterns ranks, Patterns::parse("LoRA rank pattern", options.rank_pattern));
        QL_ASSIGN(Patterns alphas, Patterns::parse("LoRA alpha pattern", options.alpha_pattern));
        return Ranks(options, std::move(ranks), std::move(alphas));
    }

    /// A branch without values.
    Result<LoraMatrix> matrix_for(const Weight & w) {
        LoraMatrix matrix{w.name, w.ne[0], w.ne[1], options_.r, 1.0f, {}, {}, options_.kind};
        double alpha = static_cast<double>(options_.alpha);
        QL_ASSIGN(const Patterns::Pattern * const rank, ranks_.find(w.name));
        QL_ASSIGN(const Patterns::Pattern * const other, alphas_.find(w.name));
        if (rank) {
            const int64_t most = std::min(matrix.k, matrix.m);
            if (!(rank->value >= 1 && rank->value <= static_cast<double>(most)) ||
                rank->value != std::floor(rank->value))
                return error(QL_INVALID_ARGUMENT, "LoRA rank pattern '%.120s' gives %s r %g, 1 to %lld are possible",
                             rank->expression.c_str(), w.name.c_str(), rank->value, static_cast<long long>(most));
            matrix.r = static_cast<int64_t>(rank->value);
        }
        if (other) {
            alpha = other->value;
            QL_TRY(check_alpha("LoRA alpha pattern '" + other->expression + "'", alpha));
        }
        const auto r = static_cast<double>(matrix.r);
        matrix.scale = static_cast<float>(alpha / (options_.rslora ? std::sqrt(r) : r));
        return matrix;
    }

    Status check_used() const {
        QL_TRY(ranks_.check_used());
        return alphas_.check_used();
    }

  private:
    Ranks(const LoraOptions & options, Patterns ranks, Patterns alphas)
        : options_(options), ranks_(std::move(ranks)), alphas_(std::move(alphas)) {}

    const LoraOptions & options_;
    Patterns ranks_, alphas_;
};

}  // namespace

MatrixState matrix_state(const Origin & origin, const LoraMatrix & matrix) {
    const auto at_start = [&] {
        uint64_t seed = 0;
        const auto read = std::from_chars(origin.seed.data(), origin.seed.data() + origin.seed.size(), seed);
        return origin.init == kUniformStart && read.ec == std::errc() && is_start_of_a(matrix, seed);
    };
    if (matrix.kind == LoraKind::dora) {  // its magnitudes change the weight, whatever B A is
        if (!at_start()) return MatrixState::kTrained;
        return is_zero(matrix.b) ? MatrixState::kZeroB : MatrixState::kStartA;
    }
    if (is_zero(matrix.b)) return MatrixState::kZeroB;
    if (is_zero(matrix.down())) return MatrixState::kZeroA;
    if (matrix.scale == 0) return MatrixState::kZeroScale;
    return at_start() ? MatrixState::kStartA : MatrixState::kTrained;
}

Status check_alpha(const std::string & what, double alpha) {
    if (alpha > 0 && alpha <= 1e6) return {};
    return error(QL_INVALID_ARGUMENT, "%s is %g, it must be greater than 0 and at most 1e6", what.c_str(), alpha);
}

Result<Adapter> new_adapter(const Model & model, const LoraOptions & options) {
    QL_ASSIGN(const std::vector<std::string> targets, select_targets(model, options.targets, options.layers));
    QL_TRY(check_options(options, model, targets));
    QL_ASSIGN(Ranks ranks, Ranks::parse(options));
    Adapter adapter;
    adapter.start = "default";
    adapter.architecture = model.hparams().arch;
    adapter.base_name = model.name();
    adapter.name = model.name().empty() ? "" : model.name() + " LoRA";
    adapter.chat_template = model.chat_template();
    adapter.origin.base = model.identity();
    adapter.origin.base_type = model.base_type();
    adapter.origin.init = options.kind == LoraKind::miss ? "" : kUniformStart;  // a MiSS has its A for good
    adapter.origin.seed = std::to_string(options.seed);
    adapter.origin.options =
        format("kind=%s;r=%lld;alpha=%g;rslora=%d;norms=%d;targets=%s;layers=%s;ranks=%s;alphas=%s",
               def_of(options.kind).name, static_cast<long long>(options.r), static_cast<double>(options.alpha),
               options.rslora ? 1 : 0, options.norms ? 1 : 0, options.targets.c_str(), options.layers.c_str(),
               options.rank_pattern.c_str(), options.alpha_pattern.c_str());
    const uint64_t fingerprint = model.fingerprint();
    for (const std::string & name : targets) {
        const Weight & w = *model.find(name);
        QL_ASSIGN(LoraMatrix matrix, ranks.matrix_for(w));
        matrix.b.resize(static_cast<size_t>(matrix.m * matrix.r));
        const KindDef & kind = def_of(options.kind);
        QL_TRY(kind.start(matrix, w, options.seed, options.threads));
        matrix.squares_of = fingerprint;
        if (kind.fill) kind.fill(matrix, adapter.matrices);
        adapter.matrices.push_back(std::move(matrix));
    }
    if (!options.tokens.empty()) {
        QL_ASSIGN(const std::vector<int32_t> ids, parse_tokens(model, options.tokens));
        for (const std::string & weight : token_tables(model)) {
            QL_ASSIGN(TokenRows rows, rows_of(model, weight, ids));
            adapter.rows.push_back(std::move(rows));
        }
        adapter.origin.options += ";tokens=" + ids_text(ids);
    }
    if (!options.invocation.empty()) {
        QL_ASSIGN(adapter.invocation, parse_invocation(model, options.invocation));
        adapter.origin.options += ";invocation=" + ids_text(adapter.invocation);
    }
    if (options.norms) {
        QL_ASSIGN(adapter.norms, norms_of(model));
    }
    QL_TRY(ranks.check_used());
    QL_TRY(check_invocation(adapter, &model));
    return adapter;
}

}  // namespace ql
