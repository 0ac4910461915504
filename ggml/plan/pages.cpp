#include "ggml/plan/pages.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "ggml/core/os/os.hpp"
#include "ggml/graph/graph.hpp"

namespace ql {
namespace {

bool changes(const PlanNode & n, const Operand * leaf) {
    return std::any_of(n.out.begin(), n.out.end(), [&](const Operand * t) { return t->root() == leaf; });
}

/// The numbers below n, so that those of each beginning of the list are spread evenly: 0, 4, 2, 6, 1, 5, 3, 7.
std::vector<size_t> spread(size_t n) {
    std::vector<size_t> order(n);
    for (size_t i = 0; i < n; ++i) order[i] = i;
    const auto reversed = [](size_t i) {
        size_t bits = 0;
        for (int b = 0; b < 32; ++b) bits |= (i >> b & 1) << (31 - b);
        return bits;
    };
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return reversed(a) < reversed(b); });
    return order;
}

}  // namespace

size_t PagePlanner::Uses::room() const {
    return padded(shift + leaf->bytes(), os::kPageBytes);
}

PagePlanner::Uses PagePlanner::uses_of(Tensor * weight) {
    const os::FileRange file = os::mapped_range(weight->storage.data, weight->bytes());
    return {weight, file.offset % os::kPageBytes, file.fd >= 0 && weight->bytes() >= kSmallestPage};
}

std::vector<PagePlanner::Uses> PagePlanner::uses_of(const PlanList & list, const std::vector<size_t> & begins) {
    std::vector<Uses> uses;
    std::unordered_map<const Tensor *, size_t> index;
    for (size_t i = 0; i < list.nodes.size(); ++i)
        for (size_t s = 0; s < list.nodes[i]->src.size(); ++s) {
            const PlanNode & n = *list.nodes[i];
            if (!n.src[s] || n.src[s]->root()->kind != TensorKind::weight) continue;
            Tensor * weight = root_of(n.src[s])->tensor;
            const auto [it, is_new] = index.try_emplace(weight, uses.size());
            if (is_new) uses.push_back(uses_of(weight));
            Uses & use = uses[it->second];
            const size_t phase = phase_of(begins, i);
            if (reads_rows(n, s))
                use.rows.push_back(row_use(n, i, phase));
            else if (use.phases.empty() || use.phases.back().phase != phase)
                use.phases.push_back({phase});
        }
    return uses;
}

std::vector<PagePlanner::Uses> PagePlanner::leaf_uses_of(const PlanList & list, const std::vector<size_t> & begins) {
    std::vector<Uses> uses;
    std::unordered_map<const Tensor *, size_t> index;
    for (size_t i = 0; i < list.nodes.size(); ++i)
        for (const Operand * s : list.nodes[i]->src) {
            if (!s || !s->root()->is_leaf()) continue;
            Tensor * leaf = root_of(s)->tensor;
            if (!is_paged_out(*leaf)) continue;
            const auto [it, is_new] = index.try_emplace(leaf, uses.size());
            if (is_new) uses.push_back({leaf});
            std::vector<Use> & phases = uses[it->second].phases;
            const size_t phase = phase_of(begins, i);
            if (phases.empty() || phases.back().phase != phase) phases.push_back({phase});
            phases.back().changes |= changes(*list.nodes[i], s->root());
        }
    return uses;
}

/// The stays that uses need if a leaf is kept only from one phase to the next; one that was changed to the next but one, as
/// it cannot be read again before it is written.
void PagePlanner::add_stays(const Uses & uses, bool ahead, std::vector<PageStay> & stays) {
    for (const Use & use : uses.phases) {
        const size_t phase = use.phase;
        if (!stays.empty() && stays.back().leaf == uses.leaf && phase <= held_until(stays.back()) + 1)
            stays.back().last = phase;
        else
            stays.push_back({uses.leaf, phase && ahead ? phase - 1 : phase, phase, phase, uses.shift, uses.room()});
        stays.back().dirty |= use.changes;
    }
}

/// How often a weight is read in a run: each byte that stays saves most where that is most.
size_t PagePlanner::rank(const Uses & use) {
    std::vector<PageStay> stays;
    add_stays(use, true, stays);
    return use.can_page ? stays.size() : std::numeric_limits<size_t>::max();
}

/// Of the weights that are read equally often some of every layer come first, so that there is something to read while each
/// layer computes.
PagePlanner::PagePlanner(const PlanList & list, size_t alignment)
    : alignment_(alignment), begins_(phase_begins(list)), leaf_uses_(leaf_uses_of(list, begins_)) {
    const std::vector<Uses> all = uses_of(list, begins_);
    for (const size_t i : spread(all.size())) uses_.push_back(all[i]);
    std::stable_sort(uses_.begin(), uses_.end(), [](const Uses & a, const Uses & b) { return rank(a) > rank(b); });
}

Paging PagePlanner::with_first(size_t n, bool ahead) const {
    std::set<Tensor *> resident;
    for (size_t i = 0; i < n; ++i) resident.insert(uses_[i].leaf);
    return with(resident, ahead);
}

/// like   a paging whose places are taken over if it has the same stays
Paging PagePlanner::with(const std::set<Tensor *> & resident, bool ahead, const Paging * like) const {
    Paging paging;
    paging.ahead = ahead;
    paging.begins = begins_;
    for (const Uses & use : uses_) {
        if (use.can_page && !resident.count(use.leaf)) {
            add_stays(use, ahead, paging.stays);
            paging.rows.insert(paging.rows.end(), use.rows.begin(), use.rows.end());
            continue;
        }
        paging.resident.insert(use.leaf);
        paging.resident_bytes += padded(use.leaf->bytes(), alignment_);
    }
    for (const Uses & use : leaf_uses_) add_stays(use, ahead, paging.stays);
    if (!like || !place_as(*like, paging)) place(paging);
    sort(paging);
    return paging;
}

Paging PagePlanner::leaves() const {
    Paging paging;
    paging.begins = begins_;
    for (const Uses & use : leaf_uses_) add_stays(use, paging.ahead, paging.stays);
    place(paging);
    sort(paging);
    return counted(std::move(paging), 1);
}

void PagePlanner::sort(Paging & paging) {
    std::stable_sort(paging.stays.begin(), paging.stays.end(),
                     [](const PageStay & a, const PageStay & b) { return a.first < b.first; });
}

/// What a paging reads in a run of so many lanes, and the memory of rows, which one lane has after the other.
Paging PagePlanner::counted(Paging paging, int lanes) {
    const auto n_lanes = static_cast<size_t>(lanes);
    paging.read_bytes = paging.leaf_read_bytes = paging.leaf_written_bytes = paging.row_bytes = 0;
    for (const PageStay & stay : paging.stays) {
        (is_paged_out(*stay.leaf) ? paging.leaf_read_bytes : paging.read_bytes) += stay.leaf->bytes();
        if (stay.dirty) paging.leaf_written_bytes += stay.leaf->bytes();
    }
    std::map<size_t, size_t> by_phase;
    for (const RowUse & rows : paging.rows) {
        paging.row_bytes = std::max(paging.row_bytes, by_phase[rows.phase] += row_memory(rows));
        paging.read_bytes += rows.row_bytes * std::min(rows.n_ids, rows.n_rows) * n_lanes;
    }
    return paging;
}

/// A plan of a part of another's phases keeps within its region. False: some stay is none of the other's.
bool PagePlanner::place_as(const Paging & like, Paging & paging) {
    const auto key = [](const PageStay & s) { return std::tuple(s.leaf, s.read, s.first, s.last); };
    std::map<decltype(key(PageStay())), size_t> offsets;
    for (const PageStay & stay : like.stays) offsets[key(stay)] = stay.offset;
    std::vector<PageStay> stays = paging.stays;
    for (PageStay & stay : stays) {
        const auto it = offsets.find(key(stay));
        if (it == offsets.end()) return false;
        stay.offset = it->second;
    }
    paging.stays = std::move(stays);
    paging.page_bytes = paging.stays.empty() ? 0 : like.page_bytes;
    return true;
}

void PagePlanner::place(Paging & paging) {
    std::vector<Buffer> buffers;
    for (const PageStay & stay : paging.stays)
        buffers.push_back({nullptr, stay.room, static_cast<int64_t>(stay.read), static_cast<int64_t>(held_until(stay)),
                           Region::pages});
    paging.page_bytes = place_buffers(buffers, nullptr, os::kPageBytes).of(Region::pages);
    for (size_t i = 0; i < buffers.size(); ++i) paging.stays[i].offset += buffers[i].offset;
}

/// With the first n weights resident; found once, as the pagings of different limits are sought among the same.
size_t PagePlanner::bytes_of(size_t n, bool ahead) const {
    const auto [it, is_new] = bytes_.try_emplace({n, ahead});
    if (is_new) it->second = counted(with_first(n, ahead), 1).bytes();
    return it->second;
}

Paging PagePlanner::within(size_t limit, int lanes) const {
    if (bytes_of(uses_.size(), true) <= limit) return counted(with_first(uses_.size(), true), lanes);
    const bool ahead = bytes_of(0, true) <= limit;
    size_t low = 0;
    for (size_t high = uses_.size(); low + 1 < high;) {
        const size_t middle = (low + high) / 2;
        (bytes_of(middle, ahead) <= limit ? low : high) = middle;
    }
    return counted(with_first(low, ahead), lanes);
}

}  // namespace ql
