#include "models/train/step.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/adapter/frozen.hpp"
#include "models/adapter/invocation.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/files/weight_names.hpp"
#include "models/graph/spans.hpp"
#include "models/model/architecture.hpp"
#include "models/train/neftune.hpp"
#include "ql/ql.hpp"

namespace ql {

namespace {

/// Whether a token counts on which the adapter acts (everywhere, without an activation).
bool has_trained_token(const MicroBatch & batch, std::span<const float> active) {
    for (size_t t = 0; t < batch.weights.size(); ++t)
        if (batch.weights[t] > 0 && (active.empty() || active[t] > 0)) return true;
    return false;
}

std::vector<float> scaled(std::vector<float> weights, float scale) {
    for (float & w : weights) w *= scale;
    return weights;
}

/// The fused loss gives no gradient to a branch on the head.
Status refuse_head(const Model & model, const Adapter & adapter) {
    for (const LoraMatrix & l : adapter.matrices)
        if (l.weight == model.head().name)
            return error(QL_UNSUPPORTED, "the adapter changes the head ('%s'): it can be applied, not trained on",
                         l.weight.c_str());
    return {};
}

/// Gives `use` what of an adapter is trained, and the parts of its branches that are not.
template <typename Use>
Status with_split(const Adapter & adapter, Use use) {
    if (!has_frozen(adapter)) return use(adapter, {});
    const SplitAdapter split = split_frozen(adapter);
    return use(split.trained, split.frozen);
}

}  // namespace

Result<std::unique_ptr<TrainStep>> TrainStep::planned(const Model & model, ql_device * device, const Adapter & adapter,
                                                      const StepOptions & options) {
    QL_TRY(refuse_head(model, adapter));
    std::unique_ptr<TrainStep> step(new TrainStep(model, options));
    QL_TRY(with_split(adapter, [&](const Adapter & trained, const std::vector<LoraMatrix> & frozen) {
        return step->make(device, trained, frozen);
    }));
    return step;
}

Result<std::unique_ptr<TrainStep>> TrainStep::create(const Model & model, ql_device * device, const Adapter & adapter,
                                                     const StepOptions & options) {
    QL_ASSIGN(auto step, planned(model, device, adapter, options));
    QL_TRY(step->start(adapter));
    return step;
}

Status TrainStep::make(ql_device * device, const Adapter & trained, const std::vector<LoraMatrix> & frozen) {
    ql_device_info info{sizeof(info)};
    QL_TRY(ql_device_describe(device, &info));
    threads_ = std::max(1, info.threads);
    QL_TRY(build(trained, frozen));
    if (options_.train) QL_TRY(build_update());
    QL_TRY(ql_graph_status(graph_.get()));
    return plan(device);
}

Status TrainStep::start(const Adapter & adapter) {
    if (options_.scales_loss) QL_TRY(set_loss_scale(1));
    QL_TRY(write_rows());
    QL_TRY(with_split(adapter, [&](const Adapter & trained, const std::vector<LoraMatrix> & frozen) {
        QL_TRY(write_frozen(frozen));
        return write_adapter(trained);
    }));
    return merge();
}

void TrainStep::build_branch(GraphBuilder & b, const Adapter & adapter, size_t matrix) {
    const LoraMatrix & m = adapter.matrices[matrix];
    const KindDef & kind = def_of(m.kind);
    std::vector<ql_tensor *> leaves;
    for (const Part & part : kind.parts(m)) {
        TrainedParam p;
        p.name = m.weight + "." + part.name, p.index = matrix, p.part = part.values, p.is_up = part.is_up;
        p.param = ql_param(graph_.get(), p.name.c_str(), static_cast<int>(part.ne.size()), part.ne.data());
        leaves.push_back(p.param);
        params_.push_back(p);
    }
    if (kind.rows) {
        ql_tensor * rows = ql_state(graph_.get(), (m.weight + ".rows").c_str(), QL_F32, 1, &m.m);
        leaves.push_back(rows);
        if (!fingerprint_) fingerprint_ = model_.fingerprint();
        const bool known = m.squares_of == *fingerprint_;
        rows_.push_back({rows, &kind, m.weight, known ? m.base_squares : std::vector<float>()});
    }
    if (options_.merged.empty())
        b.attach(m.weight, activation_ == kAlways ? kind.branch(m, leaves)
                                                  : lora_branch(leaves[0], leaves[1], m.scale, activation_));
    else
        merged_.add(b, m, {leaves[0], leaves[1], m.scale}, options_.merged[matrix]);
}

void TrainStep::build_norm(GraphBuilder & b, const Adapter & adapter, size_t norm) {
    TrainedParam p;
    p.name = adapter.norms[norm].weight, p.of = TrainedParam::Of::norm, p.index = norm;
    const auto n = static_cast<int64_t>(adapter.norms[norm].values.size());
    p.param = ql_param(graph_.get(), p.name.c_str(), 1, &n);
    b.replace(p.name, p.param);
    params_.push_back(p);
}

void TrainStep::build_rows(GraphBuilder & b, const Adapter & adapter, size_t rows) {
    const TokenRows & r = adapter.rows[rows];
    const int64_t ne[] = {r.width(), r.n_rows()};
    TrainedParam p;
    p.name = r.weight + ".rows", p.of = TrainedParam::Of::rows, p.index = rows;
    p.param = ql_param(graph_.get(), p.name.c_str(), 2, ne);
    params_.push_back(p);
    OwnRows leaves{p.param};
    if (r.weight != kHead) leaves.minus = ql_state(graph_.get(), (r.weight + ".minus").c_str(), QL_F32, 2, ne);
    if (r.weight == model_.head().name)
        leaves.ids = ql_state(graph_.get(), (r.weight + ".row_ids").c_str(), QL_I32, 1, &ne[1]);
    b.replace_rows(r.weight, leaves, r.ids);
    token_rows_.push_back({r.weight, r.ids, leaves});
}

Status TrainStep::build(const Adapter & adapter, const std::vector<LoraMatrix> & frozen) {
    QL_TRY(ql_graph_create(out(graph_)));
    ql_graph * g = graph_.get();
    GraphBuilder b(model_, g);
    invocation_ = adapter.invocation;
    if (!invocation_.empty()) activation_ = b.add_activation();
    for (size_t i = 0; i < adapter.matrices.size(); ++i) build_branch(b, adapter, i);
    for (size_t i = 0; i < adapter.norms.size(); ++i) build_norm(b, adapter, i);
    for (size_t i = 0; i < adapter.rows.size(); ++i) build_rows(b, adapter, i);
    for (const LoraMatrix & l : frozen) {
        const int64_t a[] = {l.k, l.r}, bb[] = {l.r, l.m};
        const LoraLeaves leaves{ql_state(g, (l.weight + ".frozen_a").c_str(), QL_F32, 2, a),
                                ql_state(g, (l.weight + ".frozen_b").c_str(), QL_F32, 2, bb), l.scale};
        b.attach(l.weight, lora_branch(leaves.a, leaves.b, leaves.scale, activation_));
        frozen_.push_back(leaves);
    }
    if (options_.dropout > 0 || options_.neftune_alpha > 0) {
        const int64_t four = 4;
        key_ = ql_input(g, "random_key", QL_I32, 1, &four);
    }
    if (options_.dropout > 0) b.set_dropout({options_.dropout, key_});
    if (options_.neftune_alpha > 0) {
        noise_ = ql_input(g, "noise", QL_F32, 1, &options_.n_tokens);
        b.set_noise({noise_, key_});
    }
    inputs_ = b.start_stream(options_.n_tokens);
    targets_ = ql_input(g, "targets", QL_I32, 1, &options_.n_tokens);
    weights_ = ql_input(g, "loss_weights", QL_F32, 1, &options_.n_tokens);
    loss_ = b.loss(b.hidden(), b.head(), targets_, weights_, &nll_);
    if (key_) {  // evaluation runs without dropout and noise: a second forward pass over the same leaves
        b.set_dropout({});
        b.set_noise({});
        (void)b.loss(b.hidden(), b.head(), targets_, weights_, &nll_);
    }
    return ql_graph_status(g);
}

Status TrainStep::build_update() {
    ql_graph * g = graph_.get();
    std::vector<ql_tensor *> params, grads(params_.size());
    for (const TrainedParam & p : params_) params.push_back(p.param);
    QL_TRY(ql_gradients(g, loss_, params.data(), static_cast<int>(params.size()), options_.recompute, grads.data()));

    micro_outputs_ = {loss_};
    const int64_t one[] = {1, 1};
    if (options_.scales_loss) unscale_ = ql_state(g, "unscale", QL_F32, 2, one);
    for (size_t i = 0; i < params_.size(); ++i) {
        TrainedParam & p = params_[i];
        const int64_t ne[] = {ql_tensor_ne(p.param, 0), ql_tensor_ne(p.param, 1)};
        p.grad = grads[i];
        p.sum = ql_state(g, (p.name + ".sum").c_str(), QL_F32, 2, ne);
        p.optimizer = ParameterOptimizer(g, options_.optimizer, p.name, p.param);
        micro_outputs_.push_back(ql_accumulate(g, p.sum, unscale_ ? ql_mul(g, p.grad, unscale_) : p.grad));
    }
    const int64_t n_hyper = QL_HYPER_N;
    hyper_ = ql_input(g, "hyper", QL_F32, 1, &n_hyper);
    std::vector<ql_tensor *> sums;
    for (const TrainedParam & p : params_) sums.push_back(p.sum);
    norm_ = ql_global_norm(g, sums.data(), static_cast<int>(sums.size()));
    update_outputs_ = {norm_};
    std::vector<ql_tensor *> updated, paged;
    for (const TrainedParam & p : params_) {
        updated.push_back(
            p.optimizer.step(g, p.param, p.sum, norm_, hyper_, p.is_up ? options_.lora_plus_ratio : 1.0f));
        update_outputs_.push_back(updated.back());
        update_outputs_.push_back(ql_zero(g, p.sum));
        const std::vector<ql_tensor *> states = p.optimizer.paged_states();
        paged.insert(paged.end(), states.begin(), states.end());
    }
    for (size_t i = 0; i < merged_.size(); ++i)
        update_outputs_.push_back(merged_.pack(g, i, updated[2 * i], updated[2 * i + 1]));
    if (paged.empty()) return {};
    return ql_graph_page_out(g, paged.data(), static_cast<int>(paged.size()), options_.spill.c_str());
}

Status TrainStep::write_adapter(const Adapter & adapter) {
    for (const TrainedParam & p : params_) {
        QL_TRY(write_tensor(p.param, p.values(adapter)));
    }
    return {};
}

Status TrainStep::write_rows() {
    for (WeightRows & r : rows_) {
        if (r.known.empty()) {
            QL_ASSIGN(r.known, r.kind->rows(*model_.find(r.weight), threads_));
        }
        QL_TRY(write_tensor(r.state, std::exchange(r.known, {})));
    }
    for (const RowConstants & r : token_rows_) {
        QL_ASSIGN(TokenRows base, rows_of(model_, r.weight, r.ids));
        for (float & v : base.values) v = -v;
        if (r.leaves.minus) QL_TRY(write_tensor(r.leaves.minus, base.values));
        if (r.leaves.ids) QL_TRY(write_tensor(r.leaves.ids, r.ids));
    }
    return {};
}

Status TrainStep::write_frozen(const std::vector<LoraMatrix> & frozen) {
    for (size_t i = 0; i < frozen.size(); ++i) {
        QL_TRY(write_tensor(frozen_[i].a, frozen[i].a));
        QL_TRY(write_tensor(frozen_[i].b, frozen[i].b));
    }
    return {};
}

Status TrainStep::read_adapter(Adapter & adapter) const {
    if (has_frozen(adapter)) {
        Adapter trained = split_frozen(adapter).trained;
        QL_TRY(read_adapter(trained));
        join_trained(trained, adapter);
        return {};
    }
    for (const TrainedParam & p : params_) {
        QL_TRY(read_tensor(p.param, p.values(adapter)));
    }
    return {};
}

bool TrainStep::parameters_are_finite() const {
    std::vector<float> values;
    return std::all_of(params_.begin(), params_.end(), [&](const TrainedParam & p) {
        values.resize(static_cast<size_t>(ql_tensor_elements(p.param)));
        return read_tensor(p.param, values).ok() &&
               std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
    });
}

Status TrainStep::write_inputs(const MicroBatch & batch, ql_plan * plan, int lane) {
    const auto write = [&](ql_tensor * input, const auto & values) {
        return Status(ql_plan_write_lane(plan, lane, input, values.data(), 0, values.size() * sizeof(values[0])));
    };
    QL_TRY(write(inputs_.tokens, batch.tokens));
    if (inputs_.slots) QL_TRY(write(inputs_.slots, slots_of(inputs_.own_ids, batch.tokens)));
    QL_TRY(write(inputs_.positions, batch.positions));
    for (const StreamSpan & s : inputs_.spans) QL_TRY(write(s.span, windowed(batch.span, s.window)));
    std::vector<float> active;
    for (ql_tensor * input : inputs_.active) {
        active = activation(batch.tokens, batch.span, invocation_);
        QL_TRY(write(input, active));
    }
    if (plan == micro_.get()) has_trained_tokens_ |= has_trained_token(batch, active);
    QL_TRY(write(targets_, batch.targets));
    if (scale_ != 1 && plan == micro_.get())
        QL_TRY(write(weights_, scaled(batch.weights, scale_)));
    else
        QL_TRY(write(weights_, batch.weights));
    if (noise_ && plan == micro_.get())
        QL_TRY(write(noise_,
                     neftune_amplitudes(batch, static_cast<double>(options_.neftune_alpha), model_.hparams().n_embd)));
    return {};
}

Status TrainStep::set_loss_scale(double scale) {
    scale_ = static_cast<float>(scale);
    const float inverse[] = {1 / scale_};
    return write_tensor(unscale_, inverse);
}

Status TrainStep::accumulate(std::span<const MicroBatch> batches, uint64_t seed, int64_t step, int64_t token_offset,
                             std::span<float> losses) {
    for (size_t first = 0; first < batches.size();) {
        const size_t n = std::min(batches.size() - first, static_cast<size_t>(lanes()));
        for (size_t i = 0; i < n; ++i) {
            const auto lane = static_cast<int>(i);
            const int64_t offset = token_offset + static_cast<int64_t>(first + i) * options_.n_tokens;
            const int32_t key[] = {static_cast<int32_t>(seed), static_cast<int32_t>(seed >> 32),
                                   static_cast<int32_t>(step), static_cast<int32_t>(offset)};
            QL_TRY(write_inputs(batches[first + i], micro_.get(), lane));
            if (key_) QL_TRY(ql_plan_write_lane(micro_.get(), lane, key_, key, 0, sizeof(key)));
        }
        QL_TRY(ql_plan_run_lanes(micro_.get(), static_cast<int>(n)));
        for (size_t i = 0; i < n; ++i) {
            QL_TRY(ql_plan_read_lane(micro_.get(), static_cast<int>(i), loss_, &losses[first + i], 0, sizeof(float)));
            losses[first + i] /= scale_;
        }
        first += n;
    }
    return {};
}

Status TrainStep::update(const float (&hyper)[QL_HYPER_N], float * norm) {
    QL_TRY(write_tensor(hyper_, hyper));
    QL_TRY(ql_plan_run(update_.get()));
    has_trained_tokens_ = false;
    return read_output(update_, norm_, std::span(norm, 1));
}

Status TrainStep::discard() {
    std::vector<float> zeros;
    for (const TrainedParam & p : params_) {
        zeros.assign(static_cast<size_t>(ql_tensor_elements(p.sum)), 0.0f);
        QL_TRY(write_tensor(p.sum, zeros));
    }
    has_trained_tokens_ = false;
    return {};
}

Status TrainStep::evaluate(const MicroBatch & batch, std::vector<float> & nll) {
    QL_TRY(write_inputs(batch, eval_.get(), 0));
    QL_TRY(ql_plan_run(eval_.get()));
    nll.resize(static_cast<size_t>(options_.n_tokens));
    return read_output(eval_, nll_, nll);
}

std::vector<ql_tensor *> TrainStep::frozen() const {
    std::vector<ql_tensor *> tensors;
    for (const LoraLeaves & l : frozen_) tensors.insert(tensors.end(), {l.a, l.b});
    return tensors;
}

int64_t TrainStep::n_parameters() const {
    int64_t n = 0;
    for (const TrainedParam & p : params_) n += ql_tensor_elements(p.param);
    return n;
}

uint64_t TrainStep::optimizer_bytes() const {
    uint64_t bytes = 0;
    for (const TrainedParam & p : params_) bytes += p.optimizer.bytes();
    return bytes - optimizer_paged_bytes();
}

uint64_t TrainStep::optimizer_paged_bytes() const {
    uint64_t bytes = 0;
    for (const TrainedParam & p : params_)
        for (const ql_tensor * t : p.optimizer.paged_states()) bytes += ql_tensor_bytes(t);
    return bytes;
}

ql_plan_info TrainStep::micro() const {
    ql_plan_info info{sizeof(info)};
    (void)ql_plan_describe((micro_ ? micro_ : eval_).get(), &info);
    return info;
}

}  // namespace ql
