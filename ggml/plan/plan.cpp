// Making a plan: reach, fuse, choose kernels, find lifetimes, place buffers, bind addresses. Then running is a loop.
#include "ggml/plan/plan.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>

namespace ql {
namespace {

/// The nodes that the outputs need, in order of creation (a topological order, and the order in which operators that
/// change states in place were meant).
std::vector<const Node *> reachable(std::span<Tensor * const> outputs) {
    std::unordered_set<const GraphNode *> seen;
    std::vector<const GraphNode *> open, nodes;
    const auto visit = [&](const Tensor * t) {
        if (t && t->producer && seen.insert(t->producer).second) open.push_back(t->producer);
    };
    for (const Tensor * t : outputs) visit(t);
    while (!open.empty()) {
        const GraphNode * n = open.back();
        open.pop_back();
        nodes.push_back(n);
        for (size_t i = 0; i < n->src.size(); ++i) visit(n->source(i));
    }
    std::sort(nodes.begin(), nodes.end(), [](const GraphNode * a, const GraphNode * b) { return a->index < b->index; });
    return {nodes.begin(), nodes.end()};
}

}  // namespace
}  // namespace ql

using ql::Node;
using ql::Result;
using ql::Status;

Result<std::unique_ptr<ql_plan>> ql_plan::create(ql_graph & graph, ql_device & device,
                                                 std::span<ql_tensor * const> outputs, const ql_plan * over) {
    QL_TRY(graph.status());
    if (outputs.empty()) return ql::error(QL_INVALID_ARGUMENT, "plan: no outputs");
    for (const ql_tensor * t : outputs)
        if (!t || t->graph != &graph)
            return ql::error(QL_INVALID_ARGUMENT, "plan: an output is NULL or of another graph");

    std::unique_ptr<ql_plan> plan(new ql_plan(device));
    plan->rewrite(outputs);
    QL_TRY(plan->choose_kernels());
    plan->find_lifetimes(outputs);
    QL_TRY(plan->allocate_leaves());
    QL_TRY(plan->place(over));
    plan->bind(outputs);
    QL_TRY(device.backend->compile(*device.impl, plan->steps_, &plan->executable_));
    return plan;
}

ql_plan::~ql_plan() {
    for (const auto & [t, storage] : outputs_)
        if (!t->is_leaf() && t->storage.data == storage.data) const_cast<ql_tensor *>(t)->storage = {};
    if (executable_) device_.backend->discard(*device_.impl, executable_);
    if (!shares_arena_) ql::release(arena_);
}

void ql_plan::rewrite(std::span<ql_tensor * const> outputs) {
    fused_ = ql::fuse(ql::reachable(outputs), outputs);
    same_ = fused_.same;
    nodes_ = fused_.nodes;
    if (!device_.caps.bf16) return;
    narrowed_ = ql::narrow(fused_, device_.backend->kernels, outputs);
    nodes_ = narrowed_.nodes;
}

const Node & ql_plan::rule_node(const Node & n) const {
    const auto it = narrowed_.origin.find(&n);
    return it == narrowed_.origin.end() ? n : *it->second;
}

Status ql_plan::choose_kernels() {
    for (const Node * n : nodes_) {
        const ql::Kernel * kernel = device_.backend->kernels[ql::op_index(n->def)];
        if (!kernel->launch)
            return ql::error(QL_UNSUPPORTED, "%s: backend %s has no kernel: %s", std::string(n->def->name).c_str(),
                             device_.backend->name, kernel->missing ? kernel->missing : "no reason given");
        if (kernel->accepts) QL_TRY(kernel->accepts(*n, *device_.impl));
        kernels_.push_back(kernel);
        flops_ += n->def->flops ? n->def->flops(*n) : static_cast<double>(n->out[0]->shape.elements());
    }
    return {};
}

const ql::Operand * ql_plan::holder(const ql::Operand * t) const {
    for (;;) {
        t = t->root();
        const auto it = same_.find(t);
        if (it == same_.end()) return t;
        t = it->second;
    }
}

/// Walks the steps once for the last use of every holder, then once more to hand storage on to results that may reuse
/// it.
void ql_plan::find_lifetimes(std::span<ql_tensor * const> outputs) {
    const auto n_steps = static_cast<int64_t>(nodes_.size());
    std::unordered_map<const ql::Operand *, int64_t> last;
    for (int64_t i = 0; i < n_steps; ++i) {
        for (const ql::Operand * t : nodes_[static_cast<size_t>(i)]->src)
            if (t) last[holder(t)] = i;
        for (const ql::Operand * t : nodes_[static_cast<size_t>(i)]->out) last.try_emplace(holder(t), i);
    }
    for (const ql::Operand * t : outputs) last[holder(t)] = n_steps;

    for (int64_t i = 0; i < n_steps; ++i) {
        const Node & n = *nodes_[static_cast<size_t>(i)];
        std::vector<ql::OutSpec> specs;
        (void)n.def->infer(rule_node(n), specs);  // it passed when the node was made
        for (size_t o = 0; o < n.out.size(); ++o) {
            const ql::Operand * t = n.out[o];
            if (t->alias) continue;
            const int from = specs[o].may_reuse;
            const ql::Operand * old = from >= 0 ? holder(n.src[static_cast<size_t>(from)]) : nullptr;
            const auto uses = old ? std::count_if(n.src.begin(), n.src.end(),
                                                  [&](const ql::Operand * s) { return s && holder(s) == old; })
                                  : 0;
            const bool dies_here = old && old->kind == ql::TensorKind::result && last[old] == i && uses == 1;
            const auto buffer = dies_here ? buffer_of_.find(old) : buffer_of_.end();
            if (buffer != buffer_of_.end() && old->bytes() == t->bytes()) {
                buffers_[buffer->second].last = last[t];
                last[old] = last[t];
                same_[t] = old;
                continue;
            }
            buffer_of_[t] = buffers_.size();
            buffers_.push_back({t->bytes(), i, last[t], 0});
        }
        const ql::Kernel * kernel = kernels_[static_cast<size_t>(i)];
        const size_t scratch = kernel->scratch ? kernel->scratch(n, *device_.impl) : 0;
        scratch_of_.push_back(scratch ? buffers_.size() : SIZE_MAX);
        if (scratch) buffers_.push_back({scratch, i, i, 0});
    }
}

/// Storage for inputs, parameters and states on the device; weights are borrowed where the device reads host memory.
Status ql_plan::allocate_leaves() {
    std::unordered_set<const ql::Operand *> seen;
    for (const Node * n : nodes_) {
        for (ql::Operand * s : n->src) {
            if (!s) continue;
            if (!holder(s)->is_leaf()) continue;
            auto * leaf = const_cast<ql_tensor *>(static_cast<const ql_tensor *>(holder(s)));
            if (!seen.insert(leaf).second) continue;
            (leaf->kind == ql::TensorKind::weight ? weight_bytes_ : leaf_bytes_) += leaf->bytes();
            if (leaf->storage.data) {
                if (leaf->storage.device && leaf->storage.device != &device_)
                    return ql::error(
                        QL_INVALID_ARGUMENT,
                        "plan: %s lives on another device, where an earlier plan of this graph put it; make "
                        "a graph for each device",
                        ql::describe(*leaf).c_str());
                if (leaf->kind == ql::TensorKind::weight && !device_.backend->host_memory)
                    return ql::error(QL_UNSUPPORTED, "plan: %s is in host memory, which %s does not read",
                                     ql::describe(*leaf).c_str(), device_.backend->name);
                continue;
            }
            QL_ASSIGN(leaf->storage, ql::allocate(device_, leaf->bytes()));
        }
    }
    return {};
}

void * ql_plan::address(const ql::Operand * t) const {
    const ql::Operand * h = holder(t);
    if (h->is_leaf()) return static_cast<const ql_tensor *>(h)->storage.data;
    return static_cast<std::byte *>(arena_.data) + buffers_[buffer_of_.at(h)].offset;
}

/// Finds a place for every buffer, in another plan's arena if there is one that is large enough.
Status ql_plan::place(const ql_plan * over) {
    const size_t bytes = ql::place_buffers(buffers_, device_.caps.alignment);
    if (over && &over->device_ == &device_ && over->arena_.bytes >= bytes) {
        shares_arena_ = true;
        arena_ = {&device_, over->arena_.data, bytes};
        return {};
    }
    QL_ASSIGN(arena_, ql::allocate(device_, bytes));
    return {};
}

void ql_plan::bind(std::span<ql_tensor * const> outputs) {
    for (size_t i = 0; i < nodes_.size(); ++i) {
        ql::Step step;
        step.node = nodes_[i];
        step.kernel = kernels_[i];
        for (const ql::Operand * t : nodes_[i]->src) step.src.push_back(t ? address(t) : nullptr);
        for (const ql::Operand * t : nodes_[i]->out) step.out.push_back(address(t));
        if (scratch_of_[i] != SIZE_MAX)
            step.scratch = static_cast<std::byte *>(arena_.data) + buffers_[scratch_of_[i]].offset;
        steps_.push_back(std::move(step));
    }
    for (const ql_tensor * t : outputs) outputs_[t] = {&device_, address(t), t->bytes()};
}

Status ql_plan::run() {
    for (const auto & [t, storage] : outputs_)
        if (!t->is_leaf()) const_cast<ql_tensor *>(t)->storage = storage;
    const ql::Turns::Held turn(device_.turns);
    QL_TRY(device_.backend->run(*device_.impl, *executable_, profile_));
    return device_.backend->wait(*device_.impl);
}

ql::Storage ql_plan::output(const ql_tensor * t) const {
    const auto it = outputs_.find(t);
    return it == outputs_.end() ? ql::Storage{} : it->second;
}

void ql_plan::set_profiling(bool on) {
    profile_ = on;
    for (ql::Step & s : steps_) s.seconds = 0, s.runs = 0;
}

ql_plan_info ql_plan::describe() const {
    ql_plan_info info{};
    info.size = sizeof(info);
    info.n_nodes = static_cast<int64_t>(nodes_.size());
    info.arena_bytes = arena_.bytes;
    info.leaf_bytes = leaf_bytes_;
    info.weight_bytes = weight_bytes_;
    info.peak_bytes = info.arena_bytes + leaf_bytes_ + weight_bytes_;
    info.flops = flops_;
    info.shared_bytes = shares_arena_ ? info.arena_bytes : 0;
    return info;
}
