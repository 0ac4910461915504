// y = c (W x + s B (A x)), c_i = g_i / |W_i + s (B A)_i| by rows of W: direction and magnitude of each row are trained apart.
// The norm is a constant for the gradient.                                                     (DoRA, Liu et al. 2024)
#include <algorithm>
#include <cmath>

#include "models/adapter/kinds/kind.hpp"
#include "models/base/parallel.hpp"
#include "models/graph/builder.hpp"
#include "models/graph/dora_rows.hpp"
#include "models/model/weight_values.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr int64_t kRowsAtOnce = 64;

/// |W_i|^2 of rows [first, last).
Status squares_of_rows(const Weight & weight, int64_t first, int64_t last, float * squares) {
    const int64_t k = weight.ne[0];
    std::vector<float> row(static_cast<size_t>(k));
    for (int64_t i = first; i < last; ++i) {
        QL_TRY(read_values(weight, i * k, k, row.data()));
        double sum = 0;
        for (const float w : row) sum += static_cast<double>(w) * static_cast<double>(w);
        squares[i] = static_cast<float>(sum);
    }
    return {};
}

/// |W_i|^2. A row is one thread's alone.
Result<std::vector<float>> row_squares(const Weight & weight, int threads) {
    const int64_t m = weight.ne[1], n = (m + kRowsAtOnce - 1) / kRowsAtOnce;
    std::vector<float> squares(static_cast<size_t>(m));
    std::vector<Status> done(static_cast<size_t>(n));
    parallel_for(threads, n, [&](int64_t unit) {
        const int64_t first = unit * kRowsAtOnce;
        done[static_cast<size_t>(unit)] =
            squares_of_rows(weight, first, std::min(first + kRowsAtOnce, m), squares.data());
    });
    for (const Status & status : done) QL_TRY(status);
    return squares;
}

class DoraBranch : public Branch {
  public:
    DoraBranch(std::span<ql_tensor * const> l, float scale)
        : a_(l[0]), b_(l[1]), magnitude_(l[2]), squares_(l[3]), scale_(scale) {}

    ql_tensor * add_to(GraphBuilder & b, const LinearSite & site) const override {
        ql_graph * g = b.graph();
        ql_tensor * c = dora_rows(g, magnitude_, site.w, site.w_scale, squares_, a_, b_, scale_);
        return ql_mul(g, ql_lora(g, site.y, b.dropped(site.x), a_, b_, scale_), c);
    }

  private:
    ql_tensor *a_, *b_, *magnitude_, *squares_;
    float scale_;
};

std::vector<Part> parts_dora(const LoraMatrix & m) {
    std::vector<Part> list = kind::lora.parts(m);
    list.push_back({"lora_magnitude", &LoraMatrix::magnitude, {m.m}});
    return list;
}

BranchPtr branch_dora(const LoraMatrix & m, std::span<ql_tensor * const> leaves) {
    return std::make_unique<DoraBranch>(leaves, m.scale);
}

void finish_row(const LoraMatrix & m, int64_t i, float * row) {
    double squares = 0;
    for (int64_t j = 0; j < m.k; ++j) squares += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    const double g = static_cast<double>(m.magnitude[static_cast<size_t>(i)]);
    const double c = squares > 0 ? g / std::sqrt(squares) : 0;
    for (int64_t j = 0; j < m.k; ++j) row[j] = static_cast<float>(static_cast<double>(row[j]) * c);
}

Status start_dora(LoraMatrix & m, const Weight & weight, uint64_t seed, int threads) {
    QL_TRY(kind::lora.start(m, weight, seed, threads));
    QL_ASSIGN(m.base_squares, row_squares(weight, threads));
    for (const float squares : m.base_squares) m.magnitude.push_back(std::sqrt(squares));
    return {};
}

}  // namespace

const KindDef kind::dora = {.kind = LoraKind::dora,
                            .name = "dora",
                            .parts = parts_dora,
                            .rows = row_squares,
                            .branch = branch_dora,
                            .finish_row = finish_row,
                            .start = start_dora};

}  // namespace ql
