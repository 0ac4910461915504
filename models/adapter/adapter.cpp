#include "models/adapter/adapter.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <numeric>

#include "models/adapter/formats.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/low_rank/panels.hpp"
#include "models/adapter/low_rank/vectors.hpp"

namespace ql {
namespace {

/// The dot products of r vectors of n numbers with each other, the upper half by panels; number c of vector i lies at
/// i vector + c number.
Panels gram_of(const float * values, int64_t r, int64_t n, int64_t vector, int64_t number) {
    constexpr int64_t kNumbers = 512;  // at a time
    Panels gram(Panels::padded(r), r);
    for (int64_t first = 0; first < n; first += kNumbers) {
        const int64_t count = std::min(kNumbers, n - first);
        Panels x(count, r);
        for (int64_t i = 0; i < r; ++i)
            for (int64_t c = 0; c < count; ++c)
                x.at(c, i) = static_cast<double>(values[i * vector + (first + c) * number]);
        add_gram(x, gram);
    }
    return gram;
}

/// The sum of the products of the elements of two such, which is the trace of their product.
double trace_of_product(const Panels & a, const Panels & b) {
    double trace = 0;
    for (int64_t p = 0; p < a.panels(); ++p)
        for (int64_t q = 0; q <= p; ++q) {
            const double *x = a.panel(p) + q * Panels::kWidth * Panels::kWidth,
                         *y = b.panel(p) + q * Panels::kWidth * Panels::kWidth;
            const double sum = dot(x, y, Panels::kWidth * Panels::kWidth);
            trace += q < p ? 2 * sum : sum;
        }
    return trace;
}

}  // namespace

int64_t Adapter::n_parameters() const {
    int64_t n = 0;
    for (const LoraMatrix & matrix : matrices)
        for (const Part & part : def_of(matrix.kind).parts(matrix))
            n += std::accumulate(part.ne.begin(), part.ne.end(), int64_t{1}, std::multiplies<>());
    for (const LoraMatrix & matrix : matrices) n -= (matrix.k + matrix.m) * matrix.frozen;
    for (const TrainedNorm & norm : norms) n += static_cast<int64_t>(norm.values.size());
    for (const TokenRows & r : rows) n += static_cast<int64_t>(r.values.size());
    return n;
}

Adapter without_matrices(const Adapter & adapter) {
    Adapter rest;
    rest.architecture = adapter.architecture;
    rest.name = adapter.name;
    rest.base_name = adapter.base_name;
    rest.chat_template = adapter.chat_template;
    rest.chat_date = adapter.chat_date;
    rest.chat_kwargs = adapter.chat_kwargs;
    rest.origin = adapter.origin;
    rest.origin.merge = {};
    return rest;
}

double delta_norm(const LoraMatrix & m) {
    const Panels of_a = gram_of(m.down().data(), m.r, m.k, m.k, 1), of_b = gram_of(m.b.data(), m.r, m.m, 1, m.r);
    return std::fabs(static_cast<double>(m.scale)) * std::sqrt(std::max(trace_of_product(of_a, of_b), 0.0));
}

bool is_sum(const Adapter & adapter) {
    return adapter.invocation.empty() && is_branches(adapter);
}

std::string beyond_branches(const Adapter & adapter) {
    if (!adapter.norms.empty()) return "trained norms";
    if (!adapter.rows.empty()) return "rows of tokens";
    const auto is_dora = [](const LoraMatrix & m) { return m.kind == LoraKind::dora; };
    return std::any_of(adapter.matrices.begin(), adapter.matrices.end(), is_dora) ? "a DoRA" : "";
}

bool is_branches(const Adapter & adapter) {
    return beyond_branches(adapter).empty();
}

Status check_is_sum(const Adapter & adapter, const char * what) {
    if (is_sum(adapter)) return {};
    if (!adapter.invocation.empty())
        return error(QL_UNSUPPORTED,
                     "%s: an activated LoRA acts from its invocation on, and no sum of matrices does; apply it beside "
                     "others",
                     what);
    const std::string more = beyond_branches(adapter);
    if (more == "a DoRA")
        return error(QL_UNSUPPORTED,
                     "%s: a DoRA scales the rows of its base, which is more than a sum of matrices; merge it, apply it "
                     "beside others, or make a plain LoRA of it (to-lora)",
                     what);
    return error(QL_UNSUPPORTED,
                 "%s: %s replace those of the base, which is more than a sum of matrices; merge the adapter, or apply "
                 "it beside others",
                 what, more.c_str());
}

namespace {

double parse(const std::string & digits) {
    double value = 0;
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

/// The number of fewest decimal digits near scale * r that `gives_back` the scale; scale * r itself if none does.
template <typename GivesBack>
double fewest_digits(double exact, GivesBack gives_back) {
    for (int digits = 1; digits < 17; ++digits)
        if (const double value = parse(format("%.*g", digits, exact)); gives_back(value)) return value;
    return exact;
}

}  // namespace

double plain_alpha(const LoraMatrix & m) {
    const auto r = static_cast<double>(m.r);
    return fewest_digits(static_cast<double>(m.scale) * r,
                         [&](double alpha) { return static_cast<float>(alpha / r) == m.scale; });
}

float plain_gguf_alpha(const LoraMatrix & m) {
    const auto r = static_cast<float>(m.r);
    return static_cast<float>(fewest_digits(static_cast<double>(m.scale) * static_cast<double>(m.r),
                                            [&](double alpha) { return static_cast<float>(alpha) / r == m.scale; }));
}

Result<Adapter> read_adapter(const std::string & path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        QL_TRY(check_peft_folder(path));
        return error(QL_INVALID_ARGUMENT,
                     "%s: a PEFT directory is read with its base model at hand, which says how rows are ordered",
                     path.c_str());
    }
    return load_gguf_adapter(path, nullptr, BaseRule::kAny);
}

Result<Adapter> load_adapter(const std::string & path, const Model & model, BaseRule rule) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored) ? load_peft_adapter(path, model, rule)
                                                        : load_gguf_adapter(path, &model, rule);
}

}  // namespace ql
