#include "models/model/weight_values.hpp"

namespace ql {

Status read_values(const Weight & w, int64_t first, int64_t count, float * to) {
    QL_TRY(ql_decode(w.dtype, w.data, w.elements(), first, count, to));
    if (w.scale != 1)
        for (int64_t i = 0; i < count; ++i) to[i] *= w.scale;
    return {};
}

}  // namespace ql
