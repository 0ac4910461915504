#include "models/graph/spans.hpp"

#include <algorithm>

#include "ql/ql.hpp"

namespace ql {

std::vector<int32_t> windowed(const std::vector<int32_t> & span, int64_t window) {
    std::vector<int32_t> list = span;
    for (size_t i = 0; window > 0 && i < list.size(); i += 2)
        list[i] = static_cast<int32_t>(std::max<int64_t>(list[i], list[i + 1] - window));
    return list;
}

Status write_spans(const StreamInputs & inputs, const std::vector<int32_t> & span) {
    for (const StreamSpan & s : inputs.spans) QL_TRY(write_tensor(s.span, windowed(span, s.window)));
    return {};
}

}  // namespace ql
