#include "ggml/plan/pages.hpp"

#include <algorithm>

namespace ql {
namespace {

/// A weight, and the phases that use it, in order.
struct Uses {
    Tensor * weight;
    std::vector<size_t> phases;
};

std::vector<Uses> uses_of(const PlanList & list, const std::vector<size_t> & begins) {
    std::vector<Uses> uses;
    std::unordered_map<const Tensor *, size_t> index;
    for (size_t i = 0; i < list.nodes.size(); ++i)
        for (const Operand * s : list.nodes[i]->src) {
            if (!s || s->root()->kind != TensorKind::weight) continue;
            Tensor * weight = root_of(s)->tensor;
            const auto [it, is_new] = index.try_emplace(weight, uses.size());
            if (is_new) uses.push_back({weight, {}});
            std::vector<size_t> & phases = uses[it->second].phases;
            const size_t phase = phase_of(begins, i);
            if (phases.empty() || phases.back() != phase) phases.push_back(phase);
        }
    return uses;
}

/// The stays that uses need if a weight is kept only from one phase to the next.
void add_stays(const Uses & use, bool ahead, std::vector<PageStay> & stays) {
    for (const size_t phase : use.phases) {
        if (!stays.empty() && stays.back().weight == use.weight && phase <= stays.back().last + 1)
            stays.back().last = phase;
        else
            stays.push_back({use.weight, phase && ahead ? phase - 1 : phase, phase, phase});
    }
}

class Planner {
  public:
    Planner(const PlanList & list, size_t alignment)
        : alignment_(alignment), begins_(phase_begins(list)), uses_(uses_of(list, begins_)) {
        // Those that are read most often in a run come first: each byte that stays saves most there.
        std::stable_sort(uses_.begin(), uses_.end(), [](const Uses & a, const Uses & b) { return rank(a) > rank(b); });
    }

    size_t weights() const { return uses_.size(); }
    Paging with_first(size_t n, bool ahead) const {
        std::set<Tensor *> resident;
        for (size_t i = 0; i < n; ++i) resident.insert(uses_[i].weight);
        return with(resident, ahead);
    }
    Paging with(const std::set<Tensor *> & resident, bool ahead) const {
        Paging paging;
        paging.ahead = ahead;
        paging.begins = begins_;
        for (const Uses & use : uses_) {
            if (use.weight->bytes() >= kSmallestPage && !resident.count(use.weight)) {
                add_stays(use, ahead, paging.stays);
                continue;
            }
            paging.resident.insert(use.weight);
            paging.resident_bytes += padded(use.weight->bytes(), alignment_);
        }
        place(paging);
        return paging;
    }

  private:
    static size_t rank(const Uses & use) {
        std::vector<PageStay> stays;
        add_stays(use, true, stays);
        return use.weight->bytes() < kSmallestPage ? std::numeric_limits<size_t>::max() : stays.size();
    }

    void place(Paging & paging) const {
        std::vector<Buffer> buffers;
        for (const PageStay & stay : paging.stays) {
            buffers.push_back({nullptr, stay.weight->bytes(), static_cast<int64_t>(stay.read),
                               static_cast<int64_t>(stay.last), Region::pages});
            paging.read_bytes += stay.weight->bytes();
        }
        paging.page_bytes = place_buffers(buffers, nullptr, alignment_).of(Region::pages);
        for (size_t i = 0; i < buffers.size(); ++i) paging.stays[i].offset = buffers[i].offset;
        std::stable_sort(paging.stays.begin(), paging.stays.end(),
                         [](const PageStay & a, const PageStay & b) { return a.first < b.first; });
    }

    const size_t alignment_;
    const std::vector<size_t> begins_;
    std::vector<Uses> uses_;
};

}  // namespace

Paging plan_pages(const PlanList & list, size_t limit, size_t alignment) {
    const Planner planner(list, alignment);
    Paging best = planner.with_first(planner.weights(), true);
    if (best.bytes() <= limit) return best;
    best = planner.with_first(0, true);
    if (best.bytes() > limit) best = planner.with_first(0, false);
    const bool ahead = best.ahead;
    for (size_t low = 0, high = planner.weights(); low + 1 < high;) {
        const size_t middle = (low + high) / 2;
        Paging paging = planner.with_first(middle, ahead);
        if (paging.bytes() <= limit) {
            best = std::move(paging);
            low = middle;
        } else {
            high = middle;
        }
    }
    return best;
}

Paging plan_pages(const PlanList & list, const Paging & other, size_t alignment) {
    return Planner(list, alignment).with(other.resident, other.ahead);
}

}  // namespace ql
