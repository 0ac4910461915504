#include "ggml/plan/phases.hpp"

#include <algorithm>

namespace ql {

std::vector<size_t> phase_begins(const PlanList & list) {
    std::vector<size_t> begins;
    int place = -1;
    for (size_t i = 0; i < list.nodes.size(); ++i) {
        if (!begins.empty() && list.nodes[i]->place == place) continue;
        place = list.nodes[i]->place;
        begins.push_back(i);
    }
    begins.push_back(list.nodes.size());
    return begins;
}

size_t phase_of(const std::vector<size_t> & begins, size_t node) {
    return static_cast<size_t>(std::upper_bound(begins.begin(), begins.end(), node) - begins.begin()) - 1;
}

}  // namespace ql
