#include "models/train/merge_aware.hpp"

#include <cmath>

#include "models/adapter/exact_merge.hpp"
#include "models/adapter/frozen.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/quantize/policy.hpp"
#include "models/quantize/weight_type.hpp"
#include "ql/dither.h"

namespace ql {
namespace {

/// alpha / r in f32, as a file's reader computes it; the one alpha comes from the first branch, as its writer does it.
/// Rounding s * r and dividing again settles after a time or two.
Status settle_scales(Adapter & adapter) {
    if (adapter.matrices.empty()) return {};
    float alpha = 0;
    LoraMatrix & first = adapter.matrices[0];
    for (int i = 0; i < 4; ++i) {
        alpha = first.scale * static_cast<float>(first.r);
        first.scale = alpha / static_cast<float>(first.r);
    }
    for (LoraMatrix & m : adapter.matrices) {
        const float scale = alpha / static_cast<float>(m.r);
        if (!(std::fabs(scale / m.scale - 1) < 1e-6f))
            return error(QL_INVALID_ARGUMENT,
                         "merge-aware: '%s' has scale %g and rank %lld, '%s' %g and %lld: a file has one alpha for "
                         "all, so a merge of it would differ",
                         first.weight.c_str(), static_cast<double>(first.scale), static_cast<long long>(first.r),
                         m.weight.c_str(), static_cast<double>(m.scale), static_cast<long long>(m.r));
        m.scale = scale;
    }
    return {};
}

bool is_merge_aware(const ql_train_options & options) {
    return options.merge_type != QL_MERGE_NONE;
}

const char * rounding_asked(const ql_train_options & options) {
    if (options.merge_rounding == QL_MERGE_NEAREST) return "";
    return options.merge_rounding == QL_MERGE_DITHERED ? kAllDithered : kDithered;
}

}  // namespace

Result<std::vector<MergeTarget>> prepare_merge(const Model & model, Adapter & adapter,
                                               const ql_train_options & options) {
    std::vector<MergeTarget> targets;
    adapter.origin.merge.rounding.clear();
    if (!is_merge_aware(options)) return targets;
    const int64_t type = options.merge_type;
    if (type != QL_BASE_KEEP) QL_TRY(weight_type("merge-aware", type).status());
    if (options.lora_dropout > 0)
        return error(QL_INVALID_ARGUMENT,
                     "merge-aware: lora-dropout %g drops inputs of a branch, and a merged weight has none; give one of "
                     "the two",
                     options.lora_dropout);
    if (has_frozen(adapter))
        return error(QL_UNSUPPORTED, "merge-aware: the adapter has a part that is not trained (a start such as pissa)");
    if (!adapter.invocation.empty()) return error(QL_UNSUPPORTED, "merge-aware: an activated LoRA cannot be merged");
    if (!adapter.rows.empty())
        return error(QL_UNSUPPORTED,
                     "merge-aware: the adapter has rows of tokens, which a merge rounds to the type of '%s'",
                     adapter.rows[0].weight.c_str());
    for (const LoraMatrix & m : adapter.matrices)
        if (model.find(m.weight)->scale != 1)
            return error(
                QL_UNSUPPORTED,
                "merge-aware: '%s' has a scale of the whole tensor, which a merged weight has not; convert the "
                "base (--base-type)",
                m.weight.c_str());
    for (const LoraMatrix & m : adapter.matrices)
        if (m.kind != LoraKind::lora)
            return error(QL_UNSUPPORTED, "merge-aware: a %s is not trained for a merge; plain LoRA is",
                         def_of(m.kind).name);
    if (const Status changed = refuse_converted(adapter, model, type, QL_BASE_KEEP); !changed.ok())
        return error(QL_INVALID_ARGUMENT,
                     "merge-aware: %s, which training would not see; train all linears, or let the base have that "
                     "type from the start (--base-type)",
                     changed.message().c_str());
    QL_TRY(settle_scales(adapter));
    const ExactMerge asked{.type = {}, .base = {}, .rounding = rounding_asked(options)};
    bool any = false;
    for (const LoraMatrix & m : adapter.matrices) {
        const ql_dtype from = model.find(m.weight)->dtype;
        if (type == QL_BASE_KEEP) QL_TRY(weight_type(("merge-aware: " + m.weight).c_str(), from).status());
        const ql_dtype target = type == QL_BASE_KEEP ? from : static_cast<ql_dtype>(type);
        const ql_dtype to = choose_type(m.weight, from, m.k, target).dtype;
        targets.push_back({to, is_dithered(asked, from, to)});
        any |= targets.back().is_dithered;
    }
    if (any) adapter.origin.merge.rounding = asked.rounding;
    return targets;
}

Status note_merge(Adapter & adapter, const Model & model, const ql_train_options & options) {
    adapter.origin.merge = {.type = {}, .base = {}, .rounding = adapter.origin.merge.rounding};
    if (!is_merge_aware(options)) return {};
    QL_ASSIGN(adapter.origin.merge.base, merge_base_of(model));
    adapter.origin.merge.type = merge_type_name(options.merge_type);
    return {};
}

void MergedLinears::add(GraphBuilder & b, const LoraMatrix & matrix, const LoraLeaves & branch,
                        const MergeTarget & target) {
    const int64_t ne[] = {matrix.k, matrix.m};
    ql_tensor * packed = ql_state(b.graph(), (matrix.weight + ".merged").c_str(), target.dtype, 2, ne);
    const auto key = target.is_dithered ? std::optional(dither_key(matrix.weight)) : std::nullopt;
    linears_.push_back({packed, b.weight(matrix.weight), branch, key});
    b.attach_merged(matrix.weight, {packed, branch});
}

ql_tensor * MergedLinears::pack(ql_graph * g, size_t i, ql_tensor * a, ql_tensor * b) const {
    const Linear & l = linears_[i];
    if (l.dither) return ql_lora_merge_dithered(g, l.packed, l.base, a, b, l.branch.scale, *l.dither);
    return ql_lora_merge(g, l.packed, l.base, a, b, l.branch.scale);
}

Status MergedLinears::plan(const GraphPtr & graph, ql_device * device, ql_plan * arena) {
    if (linears_.empty()) return {};
    std::vector<ql_tensor *> outputs;
    for (size_t i = 0; i < linears_.size(); ++i)
        outputs.push_back(pack(graph.get(), i, linears_[i].branch.a, linears_[i].branch.b));
    QL_TRY(ql_graph_status(graph.get()));
    QL_ASSIGN(plan_, make_plan(graph, device, outputs, arena));
    return {};
}

}  // namespace ql
