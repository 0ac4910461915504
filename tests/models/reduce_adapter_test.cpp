// Smaller adapters: the best of their rank, and those that lack what matters least.
#include "models/adapter/compose/reduce.hpp"

#include <map>

#include "models/adapter/compose/compose.hpp"
#include "models/adapter/low_rank/symmetric_eigen.hpp"
#include "models/adapters.hpp"

namespace ql::test {
namespace {

/// Branches of full rank whose norms differ.
Adapter uneven(int r) {
    Adapter adapter = new_adapter(llama(), {r, 6.0f, false, "all", 3}).value();
    float size = 1;
    for (LoraMatrix & m : adapter.matrices) {
        for (size_t i = 0; i < m.b.size(); ++i) m.b[i] = size * std::sin(static_cast<float>(i * i) * 0.7f + 1);
        size *= 0.9f;
    }
    return adapter;
}

/// Singular values of a product, squared, by the eigenvalues of D D^T of all its rows.
std::vector<double> squares_of_values(const LoraMatrix & matrix) {
    const std::vector<double> d = product(matrix);
    std::vector<double> g(static_cast<size_t>(matrix.m * matrix.m));
    for (int64_t p = 0; p < matrix.m; ++p)
        for (int64_t q = 0; q < matrix.m; ++q)
            for (int64_t i = 0; i < matrix.k; ++i)
                g[static_cast<size_t>(p * matrix.m + q)] +=
                    d[static_cast<size_t>(p * matrix.k + i)] * d[static_cast<size_t>(q * matrix.k + i)];
    return symmetric_eigen(g, matrix.m).values;
}

double distance(const LoraMatrix & x, const LoraMatrix & y) {
    const std::vector<double> p = product(x), q = product(y);
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) sum += (p[i] - q[i]) * (p[i] - q[i]);
    return std::sqrt(sum);
}

class Reduced : public testing::Test {
  protected:
    OnChange listen() {
        return [this](const AdapterChange & c, int64_t, int64_t) { return changes_[c.weight] = c, Status(); };
    }
    template <typename R>
    static void says(const R & result, const std::string & words) {
        ASSERT_FALSE(result.ok()) << words;
        EXPECT_EQ(result.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(result.message().find(words), std::string::npos) << result.message();
    }
    std::map<std::string, AdapterChange> changes_;
};

using ResizeAdapter = Reduced;
using PruneAdapter = Reduced;

TEST_F(ResizeAdapter, LeavesAsLittleAsAnyOfItsRank) {
    const Adapter from = uneven(6);
    const auto got = resize_adapter(from, {2, 1, 2}, listen());
    ASSERT_TRUE(got.ok()) << got.message();
    for (const LoraMatrix & m : got->matrices) {
        EXPECT_EQ(m.r, 2);
        const std::vector<double> squares = squares_of_values(*find(from, m.weight));
        double rest = 0, all = 0;
        for (size_t i = 0; i < squares.size(); ++i) all += squares[i], rest += i < 2 ? 0 : squares[i];
        const AdapterChange & c = changes_.at(m.weight);
        EXPECT_NEAR(c.norm * c.norm / all, 1, 1e-6) << m.weight;
        EXPECT_NEAR(c.error * c.error / rest, 1, 1e-6) << m.weight;
        EXPECT_NEAR(distance(m, *find(from, m.weight)) / c.error, 1, 1e-5) << m.weight;
    }
}

TEST_F(ResizeAdapter, KeepsTheEnergyWithAsFewAsPossible) {
    const Adapter from = uneven(6);
    const auto got = resize_adapter(from, {0, 0.9, 1}, listen());
    ASSERT_TRUE(got.ok()) << got.message();
    for (const LoraMatrix & m : got->matrices) {
        const std::vector<double> squares = squares_of_values(*find(from, m.weight));
        double all = 0, kept = 0;
        for (const double s : squares) all += s;
        int64_t rank = 0;
        while (kept < 0.9 * all) kept += squares[static_cast<size_t>(rank++)];
        EXPECT_EQ(m.r, rank) << m.weight;
    }
}

TEST_F(ResizeAdapter, LeavesWhatIsSmallEnough) {
    const Adapter from = uneven(3);
    const auto got = resize_adapter(from, {3, 1, 1}, listen());
    ASSERT_TRUE(got.ok()) << got.message();
    expect_identical(from, *got);
    for (const auto & [name, c] : changes_) EXPECT_EQ(c.error, 0) << name;
}

/// cat of several, brought back to the ranks that they had together.
TEST_F(ResizeAdapter, BringsTwiceTheSameBackExactly) {
    const Adapter from = uneven(3);
    const WeightedAdapter twice[] = {{&from, 0.25}, {&from, 0.75}};
    const auto got = resize_adapter(compose_adapters(twice, {"cat"}).value(), {3, 1, 1}, nullptr);
    ASSERT_TRUE(got.ok()) << got.message();
    expect_same_meaning(from, *got, 1e-5);
}

TEST_F(ResizeAdapter, KeepsARankOfOneWhereNothingIs) {
    const Adapter zero = new_adapter(llama(), {4, 6.0f, false, "all", 3}).value();
    const auto got = resize_adapter(zero, {2, 1, 1}, nullptr);
    ASSERT_TRUE(got.ok()) << got.message();
    for (const LoraMatrix & m : got->matrices) {
        EXPECT_EQ(m.r, 1);
        EXPECT_EQ(delta_norm(m), 0);
    }
}

TEST(DeltaNorm, IsThatOfTheProduct) {
    for (const int r : {1, 8, 31, 64})
        for (const LoraMatrix & m : uneven(r).matrices) {
            double squares = 0;
            for (const double v : product(m)) squares += v * v;
            EXPECT_NEAR(delta_norm(m), std::sqrt(squares), 1e-9 * std::sqrt(squares)) << m.weight << ", r " << r;
        }
}

TEST_F(ResizeAdapter, RefusesWhatCannotBe) {
    const Adapter from = uneven(3);
    says(resize_adapter(from, {}, nullptr), "to what rank?");
    says(resize_adapter(from, {-1}, nullptr), "rank -1; 1 to 64 are possible");
    says(resize_adapter(from, {65}, nullptr), "rank 65; 1 to 64 are possible");
    for (const double energy : {0.0, -0.5, 1.5, static_cast<double>(NAN)})
        says(resize_adapter(from, {2, energy}, nullptr), "energy to keep");
}

TEST_F(PruneAdapter, DropsSmallOnes) {
    const Adapter from = uneven(3);
    std::vector<double> norms;
    for (const LoraMatrix & m : from.matrices) norms.push_back(delta_norm(m));
    std::sort(norms.begin(), norms.end());
    const double middle = norms[norms.size() / 2];
    const auto got = prune_adapter(from, {"", middle, 1}, listen());
    ASSERT_TRUE(got.ok()) << got.message();
    EXPECT_EQ(got->matrices.size(), norms.size() - norms.size() / 2);
    for (const LoraMatrix & m : got->matrices) EXPECT_EQ(m.b, find(from, m.weight)->b);
    for (const LoraMatrix & m : from.matrices) {
        const AdapterChange & c = changes_.at(m.weight);
        EXPECT_EQ(c.r, c.norm < middle ? 0 : 3);
        EXPECT_EQ(c.error, c.r ? 0 : c.norm);
    }
}

TEST_F(PruneAdapter, KeepsTheEnergyWithAsFewAsPossible) {
    const Adapter from = uneven(3);
    const auto got = prune_adapter(from, {"", 0, 0.8}, listen());
    ASSERT_TRUE(got.ok()) << got.message();
    double all = 0, kept = 0, least = 1e300, largest_dropped = 0;
    for (const auto & [name, c] : changes_) {
        all += c.norm * c.norm;
        if (c.r)
            kept += c.norm * c.norm, least = std::min(least, c.norm);
        else
            largest_dropped = std::max(largest_dropped, c.norm);
    }
    EXPECT_GE(kept, 0.8 * all);
    EXPECT_LT(kept - least * least, 0.8 * all) << "one more could have gone";
    EXPECT_LE(largest_dropped, least);
}

TEST_F(PruneAdapter, DropsWhatAPatternFinds) {
    const Adapter from = uneven(3);
    const auto got = prune_adapter(from, {R"(^blk\.1\.|ffn)", 0, 1}, nullptr);
    ASSERT_TRUE(got.ok()) << got.message();
    EXPECT_FALSE(got->matrices.empty());
    for (const LoraMatrix & m : from.matrices)
        EXPECT_EQ(find(*got, m.weight) == nullptr,
                  m.weight.starts_with("blk.1.") || m.weight.find("ffn") != std::string::npos)
            << m.weight;
}

TEST_F(PruneAdapter, RefusesWhatCannotBe) {
    const Adapter from = uneven(3);
    says(prune_adapter(from, {}, nullptr), "what is to go?");
    says(prune_adapter(from, {"."}, nullptr), "would be left");
    says(prune_adapter(from, {"("}, nullptr), "(");
    says(prune_adapter(from, {"q_proj", 0, 0.5}, nullptr), "'q_proj' is found in the names of none of the ");
    says(prune_adapter(from, {"", -1}, nullptr), "least norm is -1");
    says(prune_adapter(from, {"", NAN}, nullptr), "least norm is nan");
    says(prune_adapter(from, {"", 0, 0}, nullptr), "energy to keep is 0");
    says(prune_adapter(from, {"", 1e9}, nullptr), "would be left");
}

}  // namespace
}  // namespace ql::test
