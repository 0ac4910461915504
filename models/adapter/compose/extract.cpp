#include "models/adapter/compose/extract.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "models/adapter/compose/from_svd.hpp"
#include "models/base/parallel.hpp"
#include "models/model/weight_values.hpp"

namespace ql {
namespace {

/// A weight of either model.
struct Pair {
    const Weight * base = nullptr;
    const Weight * tuned = nullptr;
    bool takes_branch = false;

    const Weight & any() const { return base ? *base : *tuned; }
};

Status check_same_shape(const Pair & p) {
    if (!p.base || !p.tuned) {
        if (!p.takes_branch) return {};
        return error(QL_BAD_FILE, "extract: only the %s model has '%s'", p.base ? "base" : "tuned",
                     p.any().name.c_str());
    }
    if (std::equal(p.base->ne, p.base->ne + 4, p.tuned->ne)) return {};
    return error(QL_BAD_SHAPE, "extract: '%s' is [%lld, %lld] in the base and [%lld, %lld] in the tuned model",
                 p.base->name.c_str(), static_cast<long long>(p.base->ne[0]), static_cast<long long>(p.base->ne[1]),
                 static_cast<long long>(p.tuned->ne[0]), static_cast<long long>(p.tuned->ne[1]));
}

Result<std::vector<Pair>> pair_up(const Model & base, const Model & tuned) {
    if (base.hparams().arch != tuned.hparams().arch)
        return error(QL_BAD_FILE, "extract: the base is '%.40s', the tuned model '%.40s'", base.hparams().arch.c_str(),
                     tuned.hparams().arch.c_str());
    if (base.hparams().n_layer() != tuned.hparams().n_layer())
        return error(QL_BAD_SHAPE, "extract: the base has %lld layers, the tuned model %lld",
                     static_cast<long long>(base.hparams().n_layer()),
                     static_cast<long long>(tuned.hparams().n_layer()));
    const std::vector<std::string> names = base.lora_weights();
    const std::unordered_set<std::string> branches(names.begin(), names.end());
    std::vector<Pair> pairs;
    for (const Weight & w : base.weights())
        pairs.push_back({&w, tuned.find(w.name), w.n_dims == 2 && branches.count(w.name) > 0});
    for (const Weight & w : tuned.weights())
        if (!base.find(w.name)) pairs.push_back({nullptr, &w, false});
    for (const Pair & p : pairs) QL_TRY(check_same_shape(p));
    return pairs;
}

int64_t highest_rank(const std::vector<Pair> & pairs) {
    int64_t highest = 0;
    for (const Pair & p : pairs)
        if (p.takes_branch) highest = std::max(highest, std::min(p.base->ne[0], p.base->ne[1]));
    return highest;
}

/// tuned - base, handed over in pieces: use(first, values, n).
template <typename Use>
Status difference(const Pair & p, const Use & use) {
    constexpr int64_t kPiece = 64 * 256;  // whole blocks of every type
    const int64_t n = p.base->elements();
    std::vector<float> from(kPiece), to(kPiece);
    for (int64_t first = 0; first < n; first += kPiece) {
        const int64_t count = std::min(kPiece, n - first);
        QL_TRY(read_values(*p.base, first, count, from.data()));
        QL_TRY(read_values(*p.tuned, first, count, to.data()));
        for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
            to[i] -= from[i];
            if (!std::isfinite(to[i]))
                return error(QL_NON_FINITE, "extract: element %lld of '%s' is not finite in one of the models",
                             static_cast<long long>(first) + static_cast<long long>(i), p.base->name.c_str());
        }
        use(static_cast<size_t>(first), to.data(), static_cast<size_t>(count));
    }
    return {};
}

/// Of a weight that no adapter holds.
Status compare(const Pair & p, AdapterChange & change) {
    if (!p.base || !p.tuned) {
        change.note = p.base ? "only the base has it" : "only the tuned model has it";
        return {};
    }
    double squares = 0;
    QL_TRY(difference(p, [&](size_t, const float * d, size_t n) {
        for (size_t i = 0; i < n; ++i) squares += static_cast<double>(d[i]) * static_cast<double>(d[i]);
    }));
    change.norm = change.error = std::sqrt(squares);
    if (squares > 0) change.note = "it differs, and is no linear that an adapter changes";
    return {};
}

Status approximate(const Pair & p, const ExtractOptions & o, AdapterChange & change, LoraMatrix & branch) {
    std::vector<float> d(static_cast<size_t>(change.k * change.m));
    QL_TRY(difference(p, [&](size_t first, const float * values, size_t n) {
        std::copy_n(values, n, d.begin() + static_cast<std::ptrdiff_t>(first));
    }));
    const int64_t rank = std::min({o.rank, change.k, change.m});
    const ThinSvd svd = svd_of_matrix({d.data(), change.m, change.k}, rank, o.threads);
    change.norm = std::sqrt(svd.squares);
    change.error = std::sqrt(std::max(svd.squares - svd.kept(), 0.0));
    change.r = static_cast<int64_t>(svd.s.size());
    if (change.r > 0) branch = from_svd(svd, change.weight, change.k, change.m);
    return {};
}

}  // namespace

Result<Adapter> extract_adapter(const Model & base, const Model & tuned, const ExtractOptions & options,
                                const OnChange & on_change) {
    QL_ASSIGN(const std::vector<Pair> pairs, pair_up(base, tuned));
    QL_TRY(check_rank("extract", options.rank, highest_rank(pairs), 1));
    int64_t bytes = 1;
    for (const Pair & p : pairs)
        if (p.takes_branch) bytes = std::max(bytes, 2 * p.base->elements() * static_cast<int64_t>(sizeof(float)));
    const Shares shares = share_threads(options.threads, bytes);
    const ExtractOptions each{options.rank, shares.of_each};
    const auto n = static_cast<int64_t>(pairs.size());
    std::vector<AdapterChange> changes(pairs.size());
    std::vector<LoraMatrix> branches(pairs.size());
    Ahead ahead(shares.at_once, n, 2 * shares.at_once, [&](int64_t unit) {
        const auto i = static_cast<size_t>(unit);
        const Weight & w = pairs[i].any();
        changes[i] = {w.name, w.ne[0], w.ne[1], 0, 0, 0, 0, ""};
        return pairs[i].takes_branch ? approximate(pairs[i], each, changes[i], branches[i])
                                     : compare(pairs[i], changes[i]);
    });
    Adapter made;
    made.architecture = base.hparams().arch;
    made.name = tuned.name();
    made.base_name = base.name();
    made.chat_template = tuned.chat_template();
    made.origin.base = base.identity();
    made.origin.base_type = base.base_type();
    made.origin.composed = "extract, rank " + std::to_string(options.rank) + ": " +
                           (tuned.name().empty() ? "unnamed" : tuned.name()) + " - its base";
    for (int64_t i = 0; i < n; ++i) {
        QL_TRY(ahead.wait());
        LoraMatrix & branch = branches[static_cast<size_t>(i)];
        if (branch.r > 0) made.matrices.push_back(std::move(branch));
        if (on_change) QL_TRY(on_change(changes[static_cast<size_t>(i)], i, n));
        ahead.release();
    }
    if (made.matrices.empty()) return error(QL_BAD_FILE, "extract: the linears of the two models are the same");
    return made;
}

}  // namespace ql
