// Where a plan's operands lie: what its steps are bound to, and what reading an output or writing an input means.
#include <algorithm>

#include "ggml/plan/leaves.hpp"
#include "ggml/plan/plan.hpp"

using ql::Status;

void * ql_plan::address(size_t buffer, size_t lane, size_t node) const {
    const ql::Buffer * b = &list_.buffers[buffer];
    while (b->continued != ql::kNoBuffer && static_cast<int64_t>(node) >= b->continued_from)
        b = &list_.buffers[b->continued];
    const Memory & memory = *memory_on(b->device);
    const size_t before = lane % ql::memories_of(b->region, lanes_.size()) * memory.layout.of(b->region);
    return static_cast<std::byte *>(memory.of(b->region).data) + before + b->offset;
}

void * ql_plan::address(const ql::Operand * t, size_t lane, size_t node) const {
    const ql::Value & root = *ql::root_of(t);
    if (!root.is_leaf()) return address(root.buffer, lane, node);
    if ((root.kind == ql::TensorKind::weight && choice_.paged) || ql::is_paged_out(*root.tensor))
        if (void * page = page_address(*root.tensor, node)) return page;
    if (lane > 0)
        if (const auto it = std::find(inputs_.begin(), inputs_.end(), &root); it != inputs_.end())
            return lanes_[lane].inputs[static_cast<size_t>(it - inputs_.begin())];
    return ql::leaf_address(root);
}

/// Where a leaf that is a page lies while a node uses it; null if it always stays.
void * ql_plan::page_address(const ql_tensor & leaf, size_t node) const {
    for (const ql::RowReader & rows : rows_)
        if (rows.use().table == &leaf && rows.use().node == node) return rows.table();
    const size_t phase = ql::phase_of(choice_.paging.begins, node);
    for (const ql::PageStay & stay : choice_.paging.stays)
        if (stay.leaf == &leaf && phase >= stay.first && phase <= stay.last)
            return static_cast<std::byte *>(memory_[0].of(ql::Region::pages).data) + stay.offset;
    return nullptr;
}

void ql_plan::bind() {
    for (size_t lane = 0; lane < lanes_.size(); ++lane)
        for (size_t i = 0; i < list_.nodes.size(); ++i) bind(lanes_[lane].steps.emplace_back(), i, lane);
}

void ql_plan::bind(ql::Step & step, size_t node, size_t lane) {
    const ql::PlanNode & n = *list_.nodes[node];
    step.node = &n;
    step.kernel = n.kernel;
    for (const ql::Operand * t : n.src) step.src.push_back(t ? address(t, lane, node) : nullptr);
    for (const ql::Operand * t : n.out) step.out.push_back(address(t, lane, node));
    if (n.scratch != ql::kNoBuffer) step.scratch = static_cast<std::byte *>(address(n.scratch, lane, node));
    if (ql::is_copy(n))
        step.copy = {step.out[0], step.src[0], n.out[0]->bytes(), ql::memory_kind(*ql::root_of(n.out[0])),
                     ql::memory_kind(*ql::root_of(n.src[0]))};
}

Status ql_plan::read(const ql_tensor & output, void * dst, size_t offset, size_t bytes, int lane) const {
    const auto it = std::find_if(list_.outputs.begin(), list_.outputs.end(),
                                 [&](const ql::PlanList::Output & o) { return o.tensor == &output; });
    if (it == list_.outputs.end())
        return ql::error(QL_INVALID_ARGUMENT, "plan read: %s is no output of this plan", ql::describe(output).c_str());
    if (lane < 0 || lane >= choice_.lanes)
        return ql::error(QL_INVALID_ARGUMENT, "plan read: lane %d, the plan has %d", lane, choice_.lanes);
    QL_TRY(ql::check_bytes(output, offset, bytes, "plan read"));
    const ql_tensor * root = ql::root_of(it->value)->tensor;
    if (const ql::os::FileRange * file = root ? root->graph->file_of(*root) : nullptr)
        return ql::os::read_range({file->fd, file->offset + offset, bytes}, dst);
    const auto * from =
        static_cast<const std::byte *>(address(it->value, static_cast<size_t>(lane), list_.nodes.size())) + offset;
    ql_device & device = *ql::root_of(it->value)->device;
    return ql::download(device, dst, from, bytes);
}

Status ql_plan::write(const ql_tensor & input, const void * src, size_t offset, size_t bytes, int lane) {
    if (input.kind != ql::TensorKind::input)
        return ql::error(QL_INVALID_ARGUMENT, "plan write: %s is no input", ql::describe(input).c_str());
    if (lane < 0 || lane >= choice_.lanes)
        return ql::error(QL_INVALID_ARGUMENT, "plan write: lane %d, the plan has %d", lane, choice_.lanes);
    QL_TRY(ql::check_bytes(input, offset, bytes, "plan write"));
    const std::vector<const ql::Value *> leaves = list_.leaves();
    const auto it =
        std::find_if(leaves.begin(), leaves.end(), [&](const ql::Value * v) { return v->tensor == &input; });
    if (it == leaves.end())
        return ql::error(QL_INVALID_ARGUMENT, "plan write: the plan does not read %s", ql::describe(input).c_str());
    auto * to = static_cast<std::byte *>(address(*it, static_cast<size_t>(lane), 0)) + offset;
    return ql::upload(*(*it)->device, to, src, bytes);
}
