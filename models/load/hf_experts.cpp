#include "models/load/hf_experts.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace ql {
namespace {

using Matrices = std::map<int64_t, Weight>;

Status check(const std::string & name, const Matrices & matrices) {
    const Weight & first = matrices.begin()->second;
    int64_t expected = 0;
    for (const auto & [expert, matrix] : matrices) {
        if (expert != expected)
            return error(QL_BAD_FILE, "expert %lld of '%s' is missing, but expert %lld is there ('%.80s')",
                         static_cast<long long>(expected), name.c_str(), static_cast<long long>(expert),
                         matrix.name.c_str());
        if (matrix.dtype != first.dtype || !std::equal(std::begin(matrix.ne), std::end(matrix.ne), first.ne))
            return error(QL_BAD_FILE, "tensor '%.80s' differs in type or shape from '%.80s', the first expert",
                         matrix.name.c_str(), first.name.c_str());
        ++expected;
    }
    return {};
}

}  // namespace

Status HfExperts::add(const HfExpert & place, const Weight & matrix) {
    if (matrix.n_dims != 2)
        return error(QL_BAD_FILE, "tensor '%.80s' has one dimension; an expert's matrix has two", matrix.name.c_str());
    if (stacks_[place.stack].emplace(place.expert, matrix).second) return {};
    return error(QL_BAD_FILE, "tensor '%.80s' is in two files", matrix.name.c_str());
}

Status HfExperts::stack(ModelParts & parts) const {
    for (const auto & [name, matrices] : stacks_) {
        QL_TRY(check(name, matrices));
        Weight w = matrices.begin()->second;
        const size_t one = w.bytes;
        w.name = name;
        w.n_dims = 3;
        w.ne[2] = static_cast<int64_t>(matrices.size());
        w.bytes = one * matrices.size();
        AlignedBytes memory = aligned_bytes(w.bytes);
        if (!memory) return error(QL_NO_MEMORY, "no memory for tensor '%s', %zu bytes", name.c_str(), w.bytes);
        std::byte * to = memory.get();
        for (const auto & [expert, matrix] : matrices)
            std::memcpy(to + static_cast<size_t>(expert) * one, matrix.data, one);
        w.data = to;
        parts.owned.push_back(std::move(memory));
        parts.weights.push_back(std::move(w));
    }
    return {};
}

}  // namespace ql
