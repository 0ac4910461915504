#include "ggml/plan/pages.hpp"

#include <algorithm>

#include "ggml/core/os/os.hpp"

namespace ql {

size_t PagePlanner::Uses::room() const {
    return padded(shift + weight->bytes(), os::kPageBytes);
}

PagePlanner::Uses PagePlanner::uses_of(Tensor * weight) {
    const os::FileRange file = os::mapped_range(weight->storage.data, weight->bytes());
    return {weight, file.offset % os::kPageBytes, file.fd >= 0 && weight->bytes() >= kSmallestPage};
}

std::vector<PagePlanner::Uses> PagePlanner::uses_of(const PlanList & list, const std::vector<size_t> & begins) {
    std::vector<Uses> uses;
    std::unordered_map<const Tensor *, size_t> index;
    for (size_t i = 0; i < list.nodes.size(); ++i)
        for (const Operand * s : list.nodes[i]->src) {
            if (!s || s->root()->kind != TensorKind::weight) continue;
            Tensor * weight = root_of(s)->tensor;
            const auto [it, is_new] = index.try_emplace(weight, uses.size());
            if (is_new) uses.push_back(uses_of(weight));
            std::vector<size_t> & phases = uses[it->second].phases;
            const size_t phase = phase_of(begins, i);
            if (phases.empty() || phases.back() != phase) phases.push_back(phase);
        }
    return uses;
}

/// The stays that uses need if a weight is kept only from one phase to the next.
void PagePlanner::add_stays(const Uses & use, bool ahead, std::vector<PageStay> & stays) {
    for (const size_t phase : use.phases) {
        if (!stays.empty() && stays.back().weight == use.weight && phase <= stays.back().last + 1)
            stays.back().last = phase;
        else
            stays.push_back({use.weight, phase && ahead ? phase - 1 : phase, phase, phase, use.shift, use.room()});
    }
}

/// How often a weight is read in a run: each byte that stays saves most where that is most.
size_t PagePlanner::rank(const Uses & use) {
    std::vector<PageStay> stays;
    add_stays(use, true, stays);
    return use.can_page ? stays.size() : std::numeric_limits<size_t>::max();
}

PagePlanner::PagePlanner(const PlanList & list, size_t alignment)
    : alignment_(alignment), begins_(phase_begins(list)), uses_(uses_of(list, begins_)) {
    std::stable_sort(uses_.begin(), uses_.end(), [](const Uses & a, const Uses & b) { return rank(a) > rank(b); });
    ahead_ = with_first(0, true);
    least_ = with_first(0, false);
}

Paging PagePlanner::with_first(size_t n, bool ahead) const {
    std::set<Tensor *> resident;
    for (size_t i = 0; i < n; ++i) resident.insert(uses_[i].weight);
    return with(resident, ahead);
}

Paging PagePlanner::with(const std::set<Tensor *> & resident, bool ahead) const {
    Paging paging;
    paging.ahead = ahead;
    paging.begins = begins_;
    for (const Uses & use : uses_) {
        if (use.can_page && !resident.count(use.weight)) {
            add_stays(use, ahead, paging.stays);
            continue;
        }
        paging.resident.insert(use.weight);
        paging.resident_bytes += padded(use.weight->bytes(), alignment_);
    }
    place(paging);
    return paging;
}

void PagePlanner::place(Paging & paging) {
    std::vector<Buffer> buffers;
    for (const PageStay & stay : paging.stays) {
        buffers.push_back(
            {nullptr, stay.room, static_cast<int64_t>(stay.read), static_cast<int64_t>(stay.last), Region::pages});
        paging.read_bytes += stay.weight->bytes();
    }
    paging.page_bytes = place_buffers(buffers, nullptr, os::kPageBytes).of(Region::pages);
    for (size_t i = 0; i < buffers.size(); ++i) paging.stays[i].offset += buffers[i].offset;
    std::stable_sort(paging.stays.begin(), paging.stays.end(),
                     [](const PageStay & a, const PageStay & b) { return a.first < b.first; });
}

Paging PagePlanner::within(size_t limit) const {
    Paging best = with_first(uses_.size(), true);
    if (best.bytes() <= limit) return best;
    best = ahead_.bytes() <= limit ? ahead_ : least_;
    const bool ahead = best.ahead;
    if (best.bytes() > limit) return best;
    for (size_t low = 0, high = uses_.size(); low + 1 < high;) {
        const size_t middle = (low + high) / 2;
        Paging paging = with_first(middle, ahead);
        if (paging.bytes() <= limit) {
            best = std::move(paging);
            low = middle;
        } else {
            high = middle;
        }
    }
    return best;
}

}  // namespace ql
