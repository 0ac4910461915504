#include "models/infer/applied_adapter.hpp"

#include <algorithm>
#include <set>

#include "models/graph/dora_rows.hpp"
#include "models/model/weight_values.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// y + rows (W x)
class RowsBranch : public Branch {
  public:
    explicit RowsBranch(ql_tensor * rows) : rows_(rows) {}
    ql_tensor * add_to(GraphBuilder & b, const LinearSite & site) const override {
        return ql_add(b.graph(), site.y, ql_mul(b.graph(), site.base, rows_));
    }

  private:
    ql_tensor * rows_;
};

/// c of a DoRA, and with it what applying it with a factor adds. Its base leaves memory again under a budget.
Result<AppliedDora> apply_dora(const Model & model, ql_device * device, const LoraMatrix & m, float factor,
                               bool has_budget) {
    GraphPtr graph;
    QL_TRY(ql_graph_create(out(graph)));
    ql_graph * g = graph.get();
    const Weight & w = *model.find(m.weight);
    ql_device_info info{sizeof(info)};
    QL_TRY(ql_device_describe(device, &info));
    QL_ASSIGN(const std::vector<float> squares, def_of(m.kind).rows(w, std::max(1, info.threads)));
    const auto leaf = [&](const char * part, int n_dims, std::initializer_list<int64_t> ne, const float * data) {
        return ql_weight(g, (m.weight + part).c_str(), QL_F32, n_dims, ne.begin(), data);
    };
    ql_tensor * c = dora_rows(g, leaf(".magnitude", 1, {m.m}, m.magnitude.data()),
                              ql_weight(g, m.weight.c_str(), w.dtype, w.n_dims, w.ne, w.data), w.scale,
                              leaf(".squares", 1, {m.m}, squares.data()), leaf(".a", 2, {m.k, m.r}, m.a.data()),
                              leaf(".b", 2, {m.r, m.m}, m.b.data()), m.scale);
    QL_TRY(ql_graph_status(g));
    ql_plan_options options{};
    options.size = sizeof(options);
    options.memory = has_budget ? UINT64_MAX : 0;
    QL_ASSIGN(const PlanPtr plan, make_plan(graph, device, {&c, 1}, options));
    QL_TRY(ql_plan_run(plan.get()));
    AppliedDora applied{std::vector<float>(static_cast<size_t>(m.m)), m.b};
    QL_TRY(read_output(plan, c, applied.rows));
    const auto r = static_cast<size_t>(m.r);
    for (size_t i = 0; i < applied.b.size(); ++i) applied.b[i] *= applied.rows[i / r];
    for (float & v : applied.rows) v = factor * (v - 1);
    return applied;
}

/// values += factor (norm - the model's); empty values are the model's.
Status add_norm(const Model & model, const TrainedNorm & norm, float factor, std::vector<float> & values) {
    const Weight & w = *model.find(norm.weight);
    std::vector<float> base(norm.values.size());
    QL_TRY(read_values(w, 0, w.elements(), base.data()));
    if (values.empty() && factor == 1) return values = norm.values, Status();
    if (values.empty()) values = base;
    for (size_t i = 0; i < base.size(); ++i) values[i] += factor * (norm.values[i] - base[i]);
    return {};
}

/// The rows of a weight that some of the adapters replace.
Result<AppliedRows> apply_rows(const Model & model, const std::string & weight,
                               std::span<const AppliedAdapter> adapters) {
    std::set<int32_t> tokens;
    for (const AppliedAdapter & a : adapters)
        for (const TokenRows & own : a.adapter->rows)
            if (own.weight == weight) tokens.insert(own.ids.begin(), own.ids.end());
    QL_ASSIGN(TokenRows base, rows_of(model, weight, {tokens.begin(), tokens.end()}));
    AppliedRows rows{base.ids, base.values, std::move(base.values)};
    for (float & v : rows.minus) v = -v;
    const size_t n = rows.values.size() / rows.ids.size();
    for (const AppliedAdapter & a : adapters)
        for (const TokenRows & own : a.adapter->rows)
            for (size_t i = 0; own.weight == weight && i < own.values.size(); ++i) {
                const auto slot = std::lower_bound(rows.ids.begin(), rows.ids.end(), own.ids[i / n]);
                const size_t at = static_cast<size_t>(slot - rows.ids.begin()) * n + i % n;
                const float own_now = rows.values[at] + a.factor * (own.values[i] + rows.minus[at]);
                const bool whole = a.factor == 1 && rows.values[at] == -rows.minus[at];
                rows.values[at] = whole ? own.values[i] : own_now;
            }
    return rows;
}

void attach_rows(GraphBuilder & b, const std::string & weight, const AppliedRows & rows, size_t first) {
    const auto n_rows = static_cast<int64_t>(rows.ids.size());
    const int64_t ne[] = {static_cast<int64_t>(rows.values.size()) / n_rows, n_rows};
    const std::string name = weight + ".lora" + std::to_string(first);
    const OwnRows leaves{ql_weight(b.graph(), (name + "_rows").c_str(), QL_F32, 2, ne, rows.values.data()),
                         ql_weight(b.graph(), (name + "_minus").c_str(), QL_F32, 2, ne, rows.minus.data()),
                         ql_weight(b.graph(), (name + "_ids").c_str(), QL_I32, 1, &n_rows, rows.ids.data())};
    b.replace_rows(weight, leaves, rows.ids);
    if (weight == b.model().head().name) b.attach(weight, own_rows_branch(leaves));
}

}  // namespace

Status check_factor(size_t i, float factor) {
    const auto f = static_cast<double>(factor);
    if (std::fabs(f) <= kMostFactor) return {};
    return error(QL_INVALID_ARGUMENT, "adapter %zu: its scale is %g, -%g to %g are possible", i, f, kMostFactor,
                 kMostFactor);
}

Result<AppliedParts> apply_parts(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 bool has_budget) {
    AppliedParts parts;
    for (const AppliedAdapter & a : adapters) {
        for (const LoraMatrix & m : a.adapter->matrices) {
            if (m.kind != LoraKind::dora) continue;
            QL_ASSIGN(AppliedDora dora, apply_dora(model, device, m, a.factor, has_budget));
            parts.doras.push_back(std::move(dora));
        }
        for (const TrainedNorm & norm : a.adapter->norms)
            QL_TRY(add_norm(model, norm, a.factor, parts.norms[norm.weight]));
    }
    for (const AppliedAdapter & a : adapters)
        for (const TokenRows & own : a.adapter->rows)
            if (!parts.rows.count(own.weight)) {
                QL_ASSIGN(parts.rows[own.weight], apply_rows(model, own.weight, adapters));
            }
    return parts;
}

void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters, const AppliedParts & parts,
                     size_t first) {
    for (const auto & [weight, values] : parts.norms) {
        const auto n = static_cast<int64_t>(values.size());
        const std::string name = weight + ".lora" + std::to_string(first);
        b.replace(weight, ql_weight(b.graph(), name.c_str(), QL_F32, 1, &n, values.data()));
    }
    for (const auto & [weight, rows] : parts.rows) attach_rows(b, weight, rows, first);
    auto dora = parts.doras.begin();
    for (size_t i = 0; i < adapters.size(); ++i) {
        const int activation = adapters[i].adapter->invocation.empty() ? kAlways : b.add_activation();
        for (const LoraMatrix & l : adapters[i].adapter->matrices) {
            const std::string name = l.weight + ".lora" + std::to_string(first + i);
            const int64_t a[] = {l.k, l.r}, bb[] = {l.r, l.m};
            const float * up = l.b.data();
            if (l.kind == LoraKind::dora) {
                b.attach(l.weight, std::make_unique<RowsBranch>(ql_weight(b.graph(), (name + "_rows").c_str(), QL_F32,
                                                                          1, &l.m, dora->rows.data())));
                up = (dora++)->b.data();
            }
            b.attach(l.weight, lora_branch(ql_weight(b.graph(), (name + "_a").c_str(), QL_F32, 2, a, l.down().data()),
                                           ql_weight(b.graph(), (name + "_b").c_str(), QL_F32, 2, bb, up),
                                           l.scale * adapters[i].factor, activation));
        }
    }
}

}  // namespace ql
