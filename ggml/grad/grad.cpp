// Reverse accumulation over the nodes between the loss and the parameters, in reverse order of creation.
#include "ggml/grad/grad.hpp"

#include <algorithm>
#include <string>

namespace ql {

Tensor * GradBuilder::gradient(const Operand * t) const {
    const auto it = gradients_.find(t);
    return it == gradients_.end() ? nullptr : it->second;
}

bool GradBuilder::wants(const Operand * t) const {
    return t && wanted_.count(t) != 0;
}

void GradBuilder::add(const Operand * t, Tensor * contribution) {
    if (!contribution || !wants(t)) return;
    Tensor *& sum = gradients_[t];
    sum = sum ? graph_.emit(sum_, {sum, contribution}) : contribution;
}

Tensor * GradBuilder::value(Tensor * t) {
    if (recompute_ == QL_RECOMPUTE_NONE || !t->producer || !t->producer->def->cheap) return t;
    if (const auto it = again_.find(t); it != again_.end()) return it->second;
    const GraphNode & n = *t->producer;
    std::vector<Tensor *> src;
    for (size_t i = 0; i < n.src.size(); ++i) src.push_back(n.src[i] ? value(n.source(i)) : nullptr);
    if (t->alias && std::equal(src.begin(), src.end(), n.src.begin())) return t;  // the same bytes under another shape
    Tensor * copy = graph_.emit(*n.def, src, n.params);
    if (!copy) return t;  // the graph has the error
    for (size_t i = 0; i < n.out.size(); ++i) again_[n.out[i]] = copy->producer->result(i);
    return again_[t];
}

Status GradBuilder::check(Tensor * loss, std::span<Tensor * const> params) const {
    if (!loss) return error(QL_INVALID_ARGUMENT, "gradients: the loss is NULL");
    if (loss->dtype != QL_F32 || loss->shape.elements() != 1)
        return error(QL_BAD_SHAPE, "gradients: the loss must be one f32 number, got %s", describe(*loss).c_str());
    for (Tensor * p : params) {
        if (!p) return error(QL_INVALID_ARGUMENT, "gradients: a parameter is NULL");
        if (p->kind != TensorKind::param)
            return error(QL_INVALID_ARGUMENT, "gradients: %s is %s: only parameters (LoRA matrices) have gradients",
                         describe(*p).c_str(), p->kind == TensorKind::weight ? "frozen" : "no parameter");
    }
    return {};
}

void GradBuilder::mark(std::span<Tensor * const> params, int64_t n_forward) {
    for (Tensor * p : params) wanted_[p] = true;
    for (int64_t i = 0; i < n_forward; ++i) {
        const GraphNode & n = graph_.nodes()[static_cast<size_t>(i)];
        bool any = false;
        for (size_t s = 0; s < n.src.size(); ++s)
            any |= wants(n.src[s]) && (!n.def->backward || (s < 32 && n.def->differentiable >> s & 1));
        if (any)
            for (const Operand * t : n.out) wanted_[t] = true;
    }
}

Status GradBuilder::run(Tensor * loss, std::span<Tensor * const> params) {
    QL_TRY(check(loss, params));
    graph_.set_backward(true);
    const Status status = walk_back(loss, params);
    graph_.set_backward(false);
    return status;
}

Status GradBuilder::walk_back(Tensor * loss, std::span<Tensor * const> params) {
    const auto n_forward = static_cast<int64_t>(graph_.nodes().size());
    mark(params, n_forward);
    if (!wants(loss)) return error(QL_INVALID_ARGUMENT, "gradients: the loss does not depend on any of the parameters");

    const int place = graph_.place();
    static const float one = 1.0f;
    const int64_t ne = 1;
    gradients_[loss] = graph_.leaf(TensorKind::weight, "d_loss", QL_F32, 1, &ne, &one);
    for (int64_t i = n_forward - 1; i >= 0; --i) {
        const GraphNode & n = graph_.nodes()[static_cast<size_t>(i)];
        bool reached = false, wanted = false;
        for (const Operand * t : n.out) reached |= gradient(t) != nullptr, wanted |= wants(t);
        if (!reached || !wanted) continue;
        if (!n.def->backward)
            return error(QL_UNSUPPORTED, "gradients: %s has none: %s", std::string(n.def->name).c_str(),
                         n.def->no_grad ? n.def->no_grad : "no reason given");
        graph_.set_place(n.place);
        const Status status = n.def->backward(*this, n);
        graph_.set_place(place);
        QL_TRY(status);
        QL_TRY(graph_.status());
    }
    for (Tensor * p : params)
        if (!gradient(p))
            return error(QL_INVALID_ARGUMENT, "gradients: the loss does not depend on %s", describe(*p).c_str());
    return {};
}

}  // namespace ql
