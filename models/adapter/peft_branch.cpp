// PEFT's A (r, in) and B (out, r) have our layout, innermost first [in, r] and [r, out], and its MiSS block (r, out) is our
// B transposed; but what belongs to rows of the weight changes order with them in q and k of llama-type models.
#include <algorithm>

#include "models/adapter/formats.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/peft_names.hpp"
#include "models/adapter/peft_tensors.hpp"
#include "models/files/weight_names.hpp"
#include "models/hf/rope_order.hpp"
#include "models/model/architecture.hpp"
#include "models/model/weight_values.hpp"

namespace ql {
namespace {

/// A value or more for each row, in the order of the model's rows.
std::vector<float> in_model_order(std::vector<float> values, const LoraMatrix & m, const Model & model) {
    if (!model.architecture().permuted(linear_of(m.weight))) return values;
    std::vector<float> ordered(values.size());
    rows_to_gguf_order(values.data(), ordered.data(), m.m, values.size() / static_cast<size_t>(m.m) * sizeof(float),
                       model.hparams().head_dim);
    return ordered;
}

/// D = W' - W: one factor is D itself, the other the identity of the smaller side.
Result<LoraMatrix> read_whole(const SafeTensor & t, LoraMatrix m, const PeftConfig & config, const Model & model) {
    if (config.kind() != LoraKind::lora)
        return error(QL_UNSUPPORTED,
                     "tensor '%.120s' is a whole weight beside a %s, which one adapter cannot hold; merge it in PEFT "
                     "(merge_and_unload) and use the model that makes",
                     t.name.c_str(), def_of(config.kind()).name);
    if (t.shape.size() != 2)
        return error(QL_BAD_FILE, "tensor '%.120s' has the shape %s, two dimensions are needed", t.name.c_str(),
                     t.shape_text().c_str());
    m.k = t.shape[1], m.m = t.shape[0];
    QL_TRY(check_fits(model, m.weight, m.k, m.m, t.name));
    m.r = std::min(m.k, m.m);
    QL_ASSIGN(std::vector<float> delta, read_f32(t));
    delta = in_model_order(std::move(delta), m, model);
    const Weight & base = *model.find(m.weight);
    std::vector<float> row(static_cast<size_t>(m.k));
    for (int64_t i = 0; i < m.m; ++i) {
        QL_TRY(read_values(base, i * m.k, m.k, row.data()));
        for (int64_t j = 0; j < m.k; ++j) delta[static_cast<size_t>(i * m.k + j)] -= row[static_cast<size_t>(j)];
    }
    std::vector<float> identity(static_cast<size_t>(m.r * m.r));
    for (int64_t i = 0; i < m.r; ++i) identity[static_cast<size_t>(i * m.r + i)] = 1;
    m.a = std::move(m.r == m.k ? identity : delta);
    m.b = std::move(m.r == m.k ? delta : identity);
    return m;
}

/// That the module has the tensors of its kind, and no others.
Status check_parts(const std::string & module, const ModuleTensors & t, LoraKind kind) {
    const auto wrong = [&](const char * what) {
        return error(QL_BAD_FILE, "module '%.120s' has %s", module.c_str(), what);
    };
    if (kind == LoraKind::miss && (t.a || t.b || t.magnitude)) return wrong("LoRA matrices, but peft_type is MISS");
    if (kind == LoraKind::miss) return {};
    if (t.block) return wrong("a miss_block, but peft_type is LORA");
    if (!t.a || !t.b) return wrong("only one of lora_A and lora_B");
    if (kind == LoraKind::dora && !t.magnitude) return wrong("no lora_magnitude_vector, but use_dora is true");
    if (kind == LoraKind::lora && t.magnitude) return wrong("a lora_magnitude_vector, but use_dora is not true");
    return {};
}

Status read_shape(const ModuleTensors & t, LoraMatrix & m, const Model & model) {
    const Weight * const w = model.find(m.weight);
    m.k = t.a ? t.a->shape[1] : w ? w->ne[0] : 0;
    m.m = t.b ? t.b->shape[0] : t.block->shape[1];
    m.r = t.a ? t.a->shape[0] : t.block->shape[0];
    QL_TRY(check_fits(model, m.weight, m.k, m.m, (t.a ? t.a : t.block)->name));
    if (!t.magnitude || t.magnitude->shape[0] == m.m) return {};
    return error(QL_BAD_FILE, "tensor '%.120s' has %lld values, but '%s' has %lld rows", t.magnitude->name.c_str(),
                 static_cast<long long>(t.magnitude->shape[0]), m.weight.c_str(), static_cast<long long>(m.m));
}

Status check_ranks(const std::string & module, const ModuleTensors & t, int64_t r, int64_t said) {
    if (t.block && r != said)
        return error(QL_BAD_FILE, "module '%.120s': miss_block has rank %lld, adapter_config.json says %lld",
                     module.c_str(), static_cast<long long>(r), static_cast<long long>(said));
    if (t.block || (r == t.b->shape[1] && r == said)) return {};
    return error(QL_BAD_FILE, "module '%.120s': lora_A has rank %lld, lora_B %lld, adapter_config.json says %lld",
                 module.c_str(), static_cast<long long>(r), static_cast<long long>(t.b->shape[1]),
                 static_cast<long long>(said));
}

/// B of the transposed block; A is for the kind to fill.
Status read_block(const SafeTensor & block, LoraMatrix & m, const Model & model) {
    QL_ASSIGN(const std::vector<float> values, read_f32(block));
    QL_TRY(def_of(LoraKind::miss).start(m, *model.find(m.weight), 0, 1));
    m.b.resize(values.size());
    for (int64_t j = 0; j < m.r; ++j)
        for (int64_t i = 0; i < m.m; ++i)
            m.b[static_cast<size_t>(i * m.r + j)] = values[static_cast<size_t>(j * m.m + i)];
    return {};
}

Status read_values(const ModuleTensors & t, LoraMatrix & m, const Model & model) {
    if (t.block) {
        QL_TRY(read_block(*t.block, m, model));
    } else {
        QL_ASSIGN(m.a, read_f32(*t.a));
        QL_ASSIGN(m.b, read_f32(*t.b));
    }
    m.b = in_model_order(std::move(m.b), m, model);
    if (!t.magnitude) return {};
    QL_ASSIGN(std::vector<float> magnitude, read_f32(*t.magnitude));
    m.magnitude = in_model_order(std::move(magnitude), m, model);
    return {};
}

}  // namespace

Result<LoraMatrix> read_branch(const std::string & module, const ModuleTensors & tensors, const PeftConfig & config,
                               const Model & model) {
    const bool whole = tensors.weight && !tensors.a && !tensors.b && !tensors.block && !tensors.magnitude;
    if (!whole) QL_TRY(check_parts(module, tensors, config.kind()));
    const auto weight = model.architecture().hf_names().gguf_name(module + std::string(kPeftWeight));
    if (!weight)
        return error(QL_BAD_FILE, "module '%.120s' is none that the model '%s' has", module.c_str(),
                     model.name().c_str());
    LoraMatrix m;
    m.weight = *weight, m.kind = config.kind();
    if (tensors.weight && !(whole && config.modules().saves(module)))
        return error(QL_BAD_FILE,
                     "tensor '%.120s' is a whole weight, but modules_to_save of adapter_config.json does not name its "
                     "module, or there are LoRA matrices, too",
                     tensors.weight->name.c_str());
    if (whole) return read_whole(*tensors.weight, std::move(m), config, model);
    QL_TRY(read_shape(tensors, m, model));
    QL_ASSIGN(const auto target, config.modules().target(module));
    if (!target)
        return error(
            QL_UNSUPPORTED,
            "module '%.120s' has LoRA matrices, but target_modules of adapter_config.json does not name it, or "
            "other fields leave it out, and so would PEFT; name it there, or take its tensors out",
            module.c_str());
    QL_ASSIGN(const PeftConfig::Scaling scaling, config.scaling(*target));
    QL_TRY(check_ranks(module, tensors, m.r, scaling.r));
    m.scale = scaling.scale;
    QL_TRY(read_values(tensors, m, model));
    return m;
}

}  // namespace ql
