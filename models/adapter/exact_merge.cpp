#include "models/adapter/exact_merge.hpp"

#include <unordered_set>

#include "models/base/named_random.hpp"
#include "models/model/base_identity.hpp"
#include "models/quantize/policy.hpp"
#include "models/quantize/weight_type.hpp"
#include "ql/dither.h"

namespace ql {

namespace {

/// Older adapters hold the model's fingerprint.
Result<bool> was_trained_over(const Adapter & adapter, const Model & base) {
    QL_ASSIGN(const std::string hash, merge_base_of(base));
    return adapter.origin.merge.base == hash ||
           adapter.origin.merge.base == format("%016llx", static_cast<unsigned long long>(base.fingerprint()));
}

}  // namespace

std::string merge_type_name(int64_t type) {
    if (type == QL_BASE_KEEP) return "keep";
    const char * name = ql_dtype_name(static_cast<ql_dtype>(type));
    return name ? name : "unknown";
}

bool is_dithered(const ExactMerge & merge, ql_dtype from, ql_dtype to) {
    if (!ql_dtype_can_dither(to)) return false;
    return merge.rounding == kAllDithered || (merge.rounding == kDithered && from == to);
}

uint32_t dither_key(std::string_view weight) {
    const uint64_t hash = hash_name(weight);
    return static_cast<uint32_t>(hash ^ hash >> 32);
}

Result<std::string> merge_base_of(const Model & base) {
    QL_ASSIGN(BaseIdentity identity, identify_base(base.hparams().arch, base.weights()));
    return std::move(identity.file);
}

Status refuse_converted(const Adapter & adapter, const Model & base, int64_t type, int64_t embedding_type) {
    std::unordered_set<std::string_view> branches;
    for (const LoraMatrix & m : adapter.matrices) branches.insert(m.weight);
    for (const Weight & w : base.weights()) {
        if (branches.count(w.name)) continue;
        const QuantizeChoice choice = choose_file_type(w.name, w.n_dims, w.dtype, w.ne[0], type, embedding_type);
        if (choice.dtype != w.dtype)
            return error(QL_INVALID_ARGUMENT, "'%.64s' has no branch: a merge would make %s of its %s", w.name.c_str(),
                         ql_dtype_name(choice.dtype), ql_dtype_name(w.dtype));
    }
    return {};
}

Status check_exact_merge(const Adapter & adapter, const Model & base, const ql_quantize_options & options) {
    if (options.type != QL_BASE_KEEP) QL_TRY(weight_type("type", options.type).status());
    const std::string type = merge_type_name(options.type);
    if (options.recipe)
        return error(QL_INVALID_ARGUMENT, "%.20s is a mix of types, and training is for a merge into one",
                     options.recipe);
    const std::string & trained_for = adapter.origin.merge.type;
    if (trained_for.empty())
        return error(QL_INVALID_ARGUMENT, "the adapter was not trained for a merge (--merge-aware)");
    if (trained_for != type)
        return error(QL_INVALID_ARGUMENT, "the adapter was trained for the merge %.20s, not %s", trained_for.c_str(),
                     type.c_str());
    const std::string & rounding = adapter.origin.merge.rounding;
    if (!rounding.empty() && rounding != kDithered && rounding != kAllDithered)
        return error(QL_UNSUPPORTED, "the adapter was trained for a merge that rounds '%.40s', which is not known here",
                     rounding.c_str());
    if (options.search)
        return error(QL_INVALID_ARGUMENT, "scales by least squared error (search) are not those of the training");
    QL_ASSIGN(const bool same_base, was_trained_over(adapter, base));
    if (!same_base)
        return error(QL_BAD_FILE,
                     "the adapter was trained for a merge into other weights than those of %s: it takes the base of "
                     "the training; where --base-type made that of a file, ql-quantize makes it too",
                     base.path().c_str());
    return refuse_converted(adapter, base, options.type, options.embedding_type);
}

}  // namespace ql
