#include "models/adapter/compose/compose.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "models/adapter/compose/compose_origin.hpp"
#include "models/adapter/compose/from_svd.hpp"
#include "models/adapter/compose/merge_rules.hpp"
#include "models/base/parallel.hpp"

namespace ql {
namespace {

using Parts = std::span<const ComposePart>;

/// The shape of the parts, with a scale of one and no numbers yet.
LoraMatrix like(Parts parts, int64_t r) {
    const LoraMatrix & first = *parts[0].matrix;
    LoraMatrix made{first.weight, first.k, first.m, r, 1.0f, {}, {}};
    made.a.resize(static_cast<size_t>(made.k * r));
    made.b.resize(static_cast<size_t>(made.m * r));
    return made;
}

/// A below A, B beside B: the sum of the products.
Result<LoraMatrix> stack(const ComposeMethod &, Parts parts, const ComposeOptions &) {
    int64_t rank = 0;
    for (const ComposePart & p : parts) rank += p.matrix->r;
    LoraMatrix made = like(parts, rank);
    int64_t done = 0;
    for (const ComposePart & p : parts) {
        const LoraMatrix & from = *p.matrix;
        const std::vector<float> & a = from.down();
        for (size_t i = 0; i < a.size(); ++i)
            made.a[static_cast<size_t>(done * made.k) + i] =
                static_cast<float>(p.strength() * static_cast<double>(a[i]));
        for (int64_t row = 0; row < from.m; ++row)
            std::copy_n(from.b.begin() + row * from.r, from.r, made.b.begin() + row * rank + done);
        done += from.r;
    }
    return made;
}

std::vector<double> merged_factor(const ComposeMethod & method, Parts parts, const ComposeOptions & options,
                                  bool is_a) {
    MergeInput input;
    for (const ComposePart & p : parts) {
        const std::vector<float> & values = is_a ? p.matrix->down() : p.matrix->b;
        input.values.emplace_back(values.begin(), values.end());
        const double root = std::sqrt(std::fabs(p.strength()));
        input.weights.push_back(is_a && p.strength() < 0 ? -root : root);
    }
    input.density = options.density;
    input.seed = options.seed;
    input.name = parts[0].matrix->weight + (is_a ? ".a" : ".b");
    return method.rule(std::move(input));
}

/// Applies the rule to the As and to the Bs, each with the root of the strength. Their product has cross terms.
Result<LoraMatrix> by_factors(const ComposeMethod & method, Parts parts, const ComposeOptions & options) {
    const int64_t rank = parts[0].matrix->r;
    for (const ComposePart & p : parts)
        if (p.matrix->r != rank)
            return error(
                QL_INVALID_ARGUMENT,
                "compose: '%s' has rank %lld in %s and %lld in %s; %s adds them element by element: take cat or svd",
                p.matrix->weight.c_str(), static_cast<long long>(rank), parts[0].adapter,
                static_cast<long long>(p.matrix->r), p.adapter, method.name);
    LoraMatrix made = like(parts, rank);
    const std::vector<double> a = merged_factor(method, parts, options, true),
                              b = merged_factor(method, parts, options, false);
    std::copy(a.begin(), a.end(), made.a.begin());
    std::copy(b.begin(), b.end(), made.b.begin());
    return made;
}

/// D = s B A, row by row.
std::vector<double> delta(const LoraMatrix & matrix, int threads) {
    constexpr int64_t kRows = 64;  // of a unit
    std::vector<double> d(static_cast<size_t>(matrix.k * matrix.m));
    parallel_for(threads, (matrix.m + kRows - 1) / kRows, [&](int64_t unit) {
        for (int64_t row = unit * kRows; row < std::min(matrix.m, (unit + 1) * kRows); ++row)
            for (int64_t j = 0; j < matrix.r; ++j) {
                const double b = static_cast<double>(matrix.scale) *
                                 static_cast<double>(matrix.b[static_cast<size_t>(row * matrix.r + j)]);
                const float * a = matrix.down().data() + j * matrix.k;
                double * to = d.data() + row * matrix.k;
                for (int64_t i = 0; i < matrix.k; ++i) to[i] += b * static_cast<double>(a[i]);
            }
    });
    return d;
}

std::vector<float> merged_delta(const ComposeMethod & method, Parts parts, const ComposeOptions & options) {
    MergeInput input{{}, {}, options.density, options.seed, parts[0].matrix->weight};
    for (const ComposePart & p : parts) {
        input.values.push_back(delta(*p.matrix, options.threads));
        input.weights.push_back(p.weight);
    }
    const std::vector<double> merged = method.rule(std::move(input));
    return {merged.begin(), merged.end()};
}

/// Where no rank is asked for: the largest of the parts.
int64_t rank_of(Parts parts, const ComposeOptions & options) {
    int64_t rank = options.rank;
    for (const ComposePart & p : parts)
        if (options.rank == 0) rank = std::max(rank, p.matrix->r);
    return std::min({rank, parts[0].matrix->k, parts[0].matrix->m});
}

/// The best approximation of the sum.
Result<LoraMatrix> by_product(const ComposeMethod &, Parts parts, const ComposeOptions & options) {
    const LoraMatrix & first = *parts[0].matrix;
    std::vector<ProductTerm> terms;
    for (const ComposePart & p : parts)
        terms.push_back({p.matrix->down().data(), p.matrix->b.data(), p.matrix->r, p.strength()});
    return from_svd(svd_of_products(terms, first.m, first.k, {rank_of(parts, options)}), first.weight, first.k, first.m);
}

/// Applies the rule to the deltas and approximates the result best at the rank.
Result<LoraMatrix> by_delta(const ComposeMethod & method, Parts parts, const ComposeOptions & options) {
    const LoraMatrix & first = *parts[0].matrix;
    const std::vector<float> merged = merged_delta(method, parts, options);
    return from_svd(svd_of_matrix({merged.data(), first.m, first.k}, rank_of(parts, options), options.threads),
                    first.weight, first.k, first.m);
}

constexpr ComposeMethod kMethods[] = {
    {"cat", "the sum of w D, exactly; the ranks add up", false, false, stack, nullptr},
    {"linear", "sums of A and of B by the roots of w: the rank stays, the product has cross terms", false, false,
     by_factors, task_arithmetic},
    {"svd", "the sum of w D, approximated at a rank", true, false, by_product, nullptr},
    {"ties", "A and B: the largest kept, signs elected, the mean of those that agree", false, true, by_factors, ties},
    {"ties_svd", "D: the same, approximated at a rank", true, true, by_delta, ties},
    {"dare_linear", "A and B: dropped at random, the rest scaled up and added", false, true, by_factors, dare_linear},
    {"dare_linear_svd", "D: the same, approximated at a rank", true, true, by_delta, dare_linear},
    {"dare_ties", "A and B: dropped at random, signs elected", false, true, by_factors, dare_ties},
    {"dare_ties_svd", "D: the same, approximated at a rank", true, true, by_delta, dare_ties},
    {"magnitude_prune", "A and B: the largest kept and added", false, true, by_factors, magnitude_prune},
    {"magnitude_prune_svd", "D: the same, approximated at a rank", true, true, by_delta, magnitude_prune},
};

Result<const ComposeMethod *> find_method(const std::string & name) {
    std::string known;
    for (const ComposeMethod & m : kMethods) {
        if (name == m.name) return &m;
        known += (known.empty() ? "" : ", ") + std::string(m.name);
    }
    return error(QL_INVALID_ARGUMENT, "compose: no method '%.40s'; there are %s", name.c_str(), known.c_str());
}

Status check_options(const ComposeMethod & method, const ComposeOptions & options) {
    if (options.rank != 0 && !method.takes_rank)
        return error(QL_INVALID_ARGUMENT, "compose: %s chooses no rank: leave it out, or take svd", method.name);
    if (options.density != 1 && !method.takes_density)
        return error(QL_INVALID_ARGUMENT, "compose: %s drops nothing: leave the density out", method.name);
    if (!(options.density > 0 && options.density <= 1))
        return error(QL_INVALID_ARGUMENT, "compose: density is %g, it must be above 0 and at most 1", options.density);
    return {};
}

Status check_adapters(std::span<const WeightedAdapter> adapters, const std::vector<std::string> & names,
                      const ComposeOptions & options) {
    if (adapters.empty()) return error(QL_INVALID_ARGUMENT, "compose: no adapters");
    const Adapter & first = *adapters[0].adapter;
    int64_t highest = 0;
    for (size_t i = 0; i < adapters.size(); ++i) {
        const WeightedAdapter & w = adapters[i];
        highest = std::max(highest, highest_rank(*w.adapter));
        if (!(std::fabs(w.weight) <= kMostFactor))
            return error(QL_INVALID_ARGUMENT, "compose: the weight of %s is %g, -%g to %g are possible",
                         names[i].c_str(), w.weight, kMostFactor, kMostFactor);
        if (w.adapter->architecture != first.architecture)
            return error(QL_BAD_FILE, "compose: %s is for architecture '%.40s', %s for '%.40s'", names[0].c_str(),
                         first.architecture.c_str(), names[i].c_str(), w.adapter->architecture.c_str());
    }
    return check_rank("compose", options.rank, highest);
}

/// The base's name, and the chat template with what it was told, of the first adapter that says them.
void take_words(std::span<const WeightedAdapter> adapters, Adapter & made) {
    bool differ = false;
    for (const WeightedAdapter & w : adapters) {
        const Adapter & a = *w.adapter;
        if (made.base_name.empty()) made.base_name = a.base_name;
        if (a.chat_template.empty()) continue;
        if (made.chat_template.empty())
            made.chat_template = a.chat_template, made.chat_date = a.chat_date, made.chat_kwargs = a.chat_kwargs;
        differ |= a.chat_template != made.chat_template || a.chat_kwargs != made.chat_kwargs;
    }
    if (differ)
        made.notes.push_back("the adapters were trained with different chat templates; the result has the first one's");
}

/// The parts of each linear, in the order in which the adapters have them.
Result<std::vector<std::vector<ComposePart>>> gather(std::span<const WeightedAdapter> adapters,
                                                     const std::vector<std::string> & names) {
    std::vector<std::vector<ComposePart>> linears;
    std::unordered_map<std::string_view, size_t> place;
    for (size_t i = 0; i < adapters.size(); ++i)
        for (const LoraMatrix & m : adapters[i].adapter->matrices) {
            const auto [it, is_new] = place.try_emplace(m.weight, linears.size());
            if (is_new) linears.emplace_back();
            std::vector<ComposePart> & parts = linears[it->second];
            parts.push_back({&m, adapters[i].weight, names[i].c_str()});
            if (m.k != parts[0].matrix->k || m.m != parts[0].matrix->m)
                return error(QL_BAD_SHAPE, "compose: '%s' is [%lld, %lld] in %s and [%lld, %lld] in %s",
                             m.weight.c_str(), static_cast<long long>(parts[0].matrix->k),
                             static_cast<long long>(parts[0].matrix->m), parts[0].adapter, static_cast<long long>(m.k),
                             static_cast<long long>(m.m), names[i].c_str());
        }
    return linears;
}

/// Weights and scales may be too much for f32.
Status check_finite(const LoraMatrix & made) {
    const auto finite = [](float v) { return std::isfinite(v); };
    if (std::all_of(made.a.begin(), made.a.end(), finite) && std::all_of(made.b.begin(), made.b.end(), finite))
        return {};
    return error(QL_NON_FINITE, "compose: '%s' is too large for f32 with these weights", made.weight.c_str());
}

/// Linears at the same time, as many as fit into some memory; the threads that are left share the work of each.
Status compose_linears(const ComposeMethod & method, const std::vector<std::vector<ComposePart>> & linears,
                       const ComposeOptions & options, std::vector<LoraMatrix> & made) {
    int64_t bytes = 1;  // of whole matrices, for one linear
    for (const std::vector<ComposePart> & parts : linears)
        if (method.compose == by_delta)
            bytes =
                std::max(bytes, parts[0].matrix->k * parts[0].matrix->m * 8 * static_cast<int64_t>(parts.size() + 2));
    const Shares shares = share_threads(options.threads, bytes);
    ComposeOptions each = options;
    each.threads = shares.of_each;
    made.resize(linears.size());
    std::vector<Status> done(linears.size());
    parallel_for(shares.at_once, static_cast<int64_t>(linears.size()), [&](int64_t unit) {
        const auto i = static_cast<size_t>(unit);
        Result<LoraMatrix> matrix = method.compose(method, linears[i], each);
        done[i] = matrix.ok() ? check_finite(*matrix) : matrix.status();
        if (done[i].ok()) made[i] = std::move(*matrix);
    });
    for (const Status & status : done) QL_TRY(status);
    return {};
}

}  // namespace

std::span<const ComposeMethod> compose_methods() {
    return kMethods;
}

Result<Adapter> compose_adapters(std::span<const WeightedAdapter> adapters, const ComposeOptions & options) {
    QL_ASSIGN(const ComposeMethod * method, find_method(options.method));
    QL_TRY(check_options(*method, options));
    const std::vector<std::string> names = names_of(adapters);
    QL_TRY(check_adapters(adapters, names, options));
    const Status same_base = check_same_base(adapters);
    if (options.base == BaseRule::kSame) QL_TRY(same_base);
    if (keeps_whole(adapters, options) && !is_sum(*adapters[0].adapter)) return *adapters[0].adapter;
    for (size_t i = 0; i < adapters.size(); ++i)
        QL_TRY(check_is_sum(*adapters[i].adapter, ("compose: " + names[i]).c_str()));
    QL_ASSIGN(const auto linears, gather(adapters, names));
    Adapter made = without_matrices(*adapters[0].adapter);
    take_words(adapters, made);
    made.origin = compose_origin(adapters, options);
    if (!same_base.ok()) {
        made.base_name.clear();
        add_other_base(made.origin, other_base_text(adapters));
        made.notes.push_back("the adapters were trained on different bases; the result names none");
    }
    QL_TRY(compose_linears(*method, linears, options, made.matrices));
    return made;
}

}  // namespace ql
