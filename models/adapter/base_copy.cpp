#include "models/adapter/base_copy.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/model/architecture.hpp"
#include "models/model/weight_values.hpp"
#include "models/quantize/policy.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// |copy - weight|^2 and |weight|^2.
struct Distance {
    double error = 0, norm = 0;
};

Result<Distance> distance(const Weight & w, const SafeTensor & copy) {
    QL_ASSIGN(const ql_dtype dtype, copy.weight_dtype());
    constexpr int64_t kPiece = 64 * 256;  // whole blocks of every type
    std::vector<float> ours(kPiece), theirs(kPiece), raw(kPiece);
    const int64_t n = w.elements();
    const size_t element = copy.bytes / static_cast<size_t>(n);
    Distance d;
    for (int64_t first = 0; first < n; first += kPiece) {
        const int64_t count = std::min(kPiece, n - first);
        const auto * const at = static_cast<const char *>(copy.data) + static_cast<size_t>(first) * element;
        std::memcpy(raw.data(), at, static_cast<size_t>(count) * element);  // it may lie at any byte
        QL_TRY(ql_decode(dtype, raw.data(), count, 0, count, theirs.data()));
        QL_TRY(read_values(w, first, count, ours.data()));
        for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
            const double x = static_cast<double>(ours[i]), e = static_cast<double>(theirs[i]) - x;
            d.error += e * e;
            d.norm += x * x;
        }
    }
    return d;
}

}  // namespace

std::optional<std::string> copied_weight(const Model & model, std::string_view tensor) {
    const std::string embedding = "token_embd.weight", head = "output.weight", ending = ".weight";
    for (const std::string & name : {embedding, head}) {
        std::string module = *model.architecture().hf_names().hf_name(name);
        module.resize(module.size() - ending.size());
        for (const char * layer : {"", ".base_layer"})
            if (tensor == "base_model.model." + module + layer + ending) return name == head ? model.head().name : name;
    }
    return {};
}

Status check_copy(const Model & model, const std::string & weight, const SafeTensor & copy) {
    const Weight & w = *model.find(weight);
    if (copy.shape != std::vector<int64_t>{w.ne[1], w.ne[0]})
        return error(QL_BAD_FILE,
                     "tensor '%.120s' is %s, but '%s' of the model '%s' is [%lld, %lld]; was its "
                     "vocabulary resized?",
                     copy.name.c_str(), copy.shape_text().c_str(), weight.c_str(), model.name().c_str(),
                     static_cast<long long>(w.ne[1]), static_cast<long long>(w.ne[0]));
    QL_ASSIGN(const Distance d, distance(w, copy));
    const double limit = bits_per_element(w.dtype) >= 16 ? 0.01 : 0.2;  // of rounding to 16 bits, and to four
    if (d.error <= limit * limit * d.norm) return {};
    return error(QL_BAD_FILE, "tensor '%.120s' differs from '%s' of the model '%s': another base, or trained itself",
                 copy.name.c_str(), weight.c_str(), model.name().c_str());
}

}  // namespace ql
