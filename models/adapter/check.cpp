// What makes an adapter sound for a model: the same for every format that it is read from or written to.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "models/adapter/formats.hpp"
#include "models/adapter/invocation.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/base/date.hpp"
#include "models/files/weight_names.hpp"
#include "models/model/architecture.hpp"
#include "models/text/template_kwargs.hpp"

namespace ql {
namespace {

bool takes_lora(const Model & model, const std::string & weight) {
    if (weight == kHead) return !model.tied();
    const auto linears = model.architecture().linears();
    return model.find(weight) && std::find(linears.begin(), linears.end(), linear_of(weight)) != linears.end();
}

Status check_values(const std::string & name, const std::vector<float> & values) {
    const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    if (bad == values.end()) return {};
    return error(QL_NON_FINITE, "adapter: '%s' holds %g at element %td", name.c_str(), static_cast<double>(*bad),
                 bad - values.begin());
}

Status check_norm_fits(const Model & model, const TrainedNorm & norm) {
    const Weight * w = model.find(norm.weight);
    if (w && is_norm(norm.weight) && w->elements() == static_cast<int64_t>(norm.values.size())) return {};
    return error(QL_BAD_FILE, "'%.64s' of %zu values is no norm of the model '%s'; is it an adapter for another model?",
                 norm.weight.c_str(), norm.values.size(), model.name().c_str());
}

Status check_matrix(const LoraMatrix & matrix) {
    if (matrix.r < 1)
        return error(QL_BAD_SHAPE, "adapter: '%s' has rank %lld", matrix.weight.c_str(),
                     static_cast<long long>(matrix.r));
    if (matrix.r > std::max(matrix.k, matrix.m))
        return error(QL_BAD_SHAPE, "adapter: '%s' has rank %lld, more than both sides of its weight [%lld, %lld]",
                     matrix.weight.c_str(), static_cast<long long>(matrix.r), static_cast<long long>(matrix.k),
                     static_cast<long long>(matrix.m));
    const auto n_a = static_cast<size_t>(matrix.k * matrix.r), n_b = static_cast<size_t>(matrix.m * matrix.r);
    const std::vector<float> & a = matrix.down();
    if (a.size() != n_a || matrix.b.size() != n_b)
        return error(QL_BAD_SHAPE, "adapter: '%s' has %zu and %zu values, its shapes need %zu and %zu",
                     matrix.weight.c_str(), a.size(), matrix.b.size(), n_a, n_b);
    if (!std::isfinite(matrix.scale))
        return error(QL_NON_FINITE, "adapter: the scale of '%s' is not finite", matrix.weight.c_str());
    const size_t n_magnitude = matrix.kind == LoraKind::dora ? static_cast<size_t>(matrix.m) : 0;
    if (matrix.magnitude.size() != n_magnitude)
        return error(QL_BAD_SHAPE, "adapter: '%s' has %zu magnitudes, a %s of its shape has %zu", matrix.weight.c_str(),
                     matrix.magnitude.size(), def_of(matrix.kind).name, n_magnitude);
    QL_TRY(check_values(matrix.weight + ".lora_magnitude", matrix.magnitude));
    QL_TRY(check_values(matrix.weight + ".lora_a", a));
    return check_values(matrix.weight + ".lora_b", matrix.b);
}

}  // namespace

Status check_fits(const Model & model, const std::string & weight, int64_t k, int64_t m, const std::string & what) {
    if (weight == kHead && model.tied())
        return error(QL_UNSUPPORTED, "'%.80s': the head of the model '%s' is its embedding, which takes no LoRA",
                     what.c_str(), model.name().c_str());
    if (!takes_lora(model, weight))
        return error(
            QL_BAD_FILE,
            "'%.80s' belongs to '%.64s', which is no linear of the model '%s'; is it an adapter for another model?",
            what.c_str(), weight.c_str(), model.name().c_str());
    const Weight & w = *model.find(weight);
    if (w.ne[0] == k && w.ne[1] == m) return {};
    return error(QL_BAD_FILE,
                 "'%.80s' is for a weight [%lld, %lld], but '%s' of the model '%s' is [%lld, %lld]; is it an adapter "
                 "for another model?",
                 what.c_str(), static_cast<long long>(k), static_cast<long long>(m), weight.c_str(),
                 model.name().c_str(), static_cast<long long>(w.ne[0]), static_cast<long long>(w.ne[1]));
}

Status check_chat_date(const char * key, const std::string & date) {
    if (date.empty()) return {};
    const Result<Date> read = read_date(date);
    return read.ok() ? Status() : error(QL_BAD_FILE, "%s: %s", key, read.message().c_str());
}

Status check_chat_kwargs(const char * key, const std::string & kwargs) {
    const auto read = read_template_kwargs(kwargs);
    return read.ok() ? Status() : error(QL_BAD_FILE, "%s: %s", key, read.message().c_str());
}

Status check_base(const Adapter & adapter, const std::string & base_name, const BaseIdentity & base) {
    const BaseIdentity & was = adapter.origin.base;
    if (was.model.empty() || base.model.empty() || was.model == base.model) return {};
    const auto named = [](const std::string & name) { return name.empty() ? "without a name" : name.c_str(); };
    return error(QL_BAD_FILE,
                 "the adapter was trained on another base: '%.80s' (identity %s), this model is '%.80s' (%s)",
                 named(adapter.base_name), was.model.c_str(), named(base_name), base.model.c_str());
}

Status check_adapter(const Adapter & adapter, const Model * model) {
    if (model && adapter.architecture != model->hparams().arch)
        return error(QL_BAD_FILE, "the adapter is for architecture '%.40s', the model '%s' is '%s'",
                     adapter.architecture.c_str(), model->name().c_str(), model->hparams().arch.c_str());
    if (adapter.matrices.empty()) return error(QL_BAD_FILE, "the adapter holds no matrices");
    std::unordered_set<std::string> seen;
    for (const LoraMatrix & matrix : adapter.matrices) {
        if (model) QL_TRY(check_fits(*model, matrix.weight, matrix.k, matrix.m, matrix.weight));
        QL_TRY(check_matrix(matrix));
        if (!seen.insert(matrix.weight).second)
            return error(QL_BAD_FILE, "the adapter changes '%s' twice", matrix.weight.c_str());
    }
    for (const TrainedNorm & norm : adapter.norms) {
        if (model) QL_TRY(check_norm_fits(*model, norm));
        QL_TRY(check_values(norm.weight, norm.values));
        if (!seen.insert(norm.weight).second)
            return error(QL_BAD_FILE, "the adapter changes '%s' twice", norm.weight.c_str());
    }
    QL_TRY(check_invocation(adapter, model));
    for (const TokenRows & rows : adapter.rows) {
        QL_TRY(check_token_rows(rows, model));
        if (!seen.insert(rows.weight).second)
            return error(QL_BAD_FILE, "the adapter changes '%s' twice", rows.weight.c_str());
    }
    return {};
}

}  // namespace ql
