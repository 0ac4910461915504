// A plain LoRA in place of another kind: what the change of each weight was, and what is lacking of it.
#include "models/adapter/compose/to_lora.hpp"

#include <cmath>
#include <map>

#include "models/adapter/merge.hpp"
#include "models/adapters.hpp"
#include "models/files/weight_names.hpp"
#include "ql/models.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

/// What the matrix adds to its weight of the model.
std::vector<double> change_of(const LoraMatrix & m) {
    const Weight & w = *llama().find(m.weight);
    std::vector<double> change;
    std::vector<float> before(static_cast<size_t>(m.k));
    for (int64_t i = 0; i < m.m; ++i) {
        EXPECT_EQ(ql_decode(w.dtype, w.data, w.elements(), i * m.k, m.k, before.data()), QL_OK);
        std::vector<float> row = before;
        merge_rows(m, i, 1, row.data());
        for (size_t j = 0; j < row.size(); ++j)
            change.push_back(static_cast<double>(row[j]) - static_cast<double>(before[j]));
    }
    return change;
}

double norm_of_difference(const std::vector<double> & x, const std::vector<double> & y) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return std::sqrt(sum);
}

class ToLora : public testing::Test {
  protected:
    /// golden/lora/peft-dora without its norms.
    ToLora() : dora_(load_adapter(golden_path("lora/peft-dora"), llama()).value()) { dora_.norms.clear(); }

    Result<Adapter> convert(int64_t rank, int threads = 1) {
        changes_.clear();
        return to_lora(dora_, llama(), {rank, threads}, [this](const AdapterChange & c, int64_t, int64_t) {
            changes_[c.weight] = c;
            return Status();
        });
    }
    Adapter dora_;
    std::map<std::string, AdapterChange> changes_;
};

TEST_F(ToLora, AtFullRankIsTheSameChange) {
    const Adapter made = convert(64).value();
    ASSERT_TRUE(is_sum(made));
    for (size_t i = 0; i < made.matrices.size(); ++i) {
        const std::vector<double> want = change_of(dora_.matrices[i]), got = change_of(made.matrices[i]);
        EXPECT_LE(norm_of_difference(got, want), 1e-5 * norm_of_difference(want, std::vector<double>(want.size())));
    }
}

TEST_F(ToLora, SaysWhatIsLacking) {
    for (const int64_t rank : {0, 2, 20}) {
        const Adapter made = convert(rank).value();
        ASSERT_EQ(changes_.size(), dora_.matrices.size());
        for (size_t i = 0; i < made.matrices.size(); ++i) {
            const LoraMatrix &from = dora_.matrices[i], &to = made.matrices[i];
            const AdapterChange & c = changes_.at(to.weight);
            const std::vector<double> want = change_of(from);
            EXPECT_EQ(to.kind, LoraKind::lora);
            EXPECT_EQ(to.r, rank ? rank : from.r);
            EXPECT_EQ(c.r_from, from.r);
            EXPECT_EQ(c.r, to.r);
            EXPECT_NEAR(c.norm, norm_of_difference(want, std::vector<double>(want.size())), 1e-5 * c.norm);
            EXPECT_NEAR(c.error, norm_of_difference(change_of(to), want), 1e-5 * c.norm) << to.weight;
            EXPECT_GT(c.error, 1e-3 * c.norm);
        }
    }
}

TEST_F(ToLora, DoesNotDependOnThreads) {
    const Adapter one = convert(5).value();
    expect_identical(one, convert(5, 3).value());
}

TEST_F(ToLora, AMissComesOverExactly) {
    dora_ = load_adapter(golden_path("lora/peft-miss"), llama()).value();
    const Adapter made = convert(0).value();
    for (const LoraMatrix & m : made.matrices) EXPECT_EQ(m.kind, LoraKind::lora);
    expect_identical(made, dora_);
    for (const auto & [weight, change] : changes_) EXPECT_EQ(change.error, 0) << weight;
}

TEST_F(ToLora, TrainedNormsAndRanksOutOfRangeAreRefused) {
    EXPECT_EQ(convert(-1).code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(convert(65).message().find("rank 65; 1 to 64 are possible"), std::string::npos) << convert(65).message();
    dora_ = load_adapter(golden_path("lora/peft-dora"), llama()).value();
    EXPECT_EQ(convert(4).code(), QL_UNSUPPORTED);
    EXPECT_NE(convert(4).message().find("4 trained norms, which no LoRA has a place for; merge it"), std::string::npos)
        << convert(4).message();
}

TEST_F(ToLora, RowsOfTokensAndActivatedAdaptersAreRefused) {
    dora_.rows.push_back(rows_of(llama(), kEmbedding, {3, 7}).value());
    EXPECT_NE(convert(4).message().find("rows of tokens, which no LoRA has a place for; merge it"), std::string::npos)
        << convert(4).message();
    dora_ = load_adapter(golden_path("lora/alora"), llama()).value();
    EXPECT_NE(convert(4).message().find("an activated LoRA is a plain LoRA already"), std::string::npos)
        << convert(4).message();
}

}  // namespace
}  // namespace ql::test
