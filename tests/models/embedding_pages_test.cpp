// What of a mapped embedding is in memory: the pages of the rows that occur.
#include "models/train/embedding_pages.hpp"

#include <numeric>
#include <set>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

/// A model with an embedding of some hundred KiB.
class UnmappedEmbedding : public TrainerFixture {
  protected:
    Model * open_tiny(bool tied, int linears, int embedding) {
        TinyModelOptions o;
        o.tied = tied, o.n_embd = 1024, o.n_layer = 1;
        model_path_ = folder_.path("model.gguf");
        tiny::Writer(o).write(model_path_);
        auto model = open_model(model_path_, {sizeof(ql_model_options), linears, embedding});
        EXPECT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        return model_.get();
    }
};

/// How much comes into memory with a page is the system's choice: two megabytes of the file at most.
TEST_F(UnmappedEmbedding, IsNoPageOfARowThatOccurs) {
    for (const int linears : {int{QL_BASE_KEEP}, int{QL_NF4_DQ}}) {
        const Model * model = open_tiny(false, linears, QL_BASE_KEEP);
        const Weight & table = *model->find("token_embd.weight");
        const auto n_rows = static_cast<int32_t>(table.ne[1]);
        ASSERT_EQ(table.bytes, static_cast<size_t>(n_rows) * 4096);
        const auto unmapped = [&](int32_t rows) {
            std::vector<int32_t> tokens(static_cast<size_t>(rows));
            std::iota(tokens.begin(), tokens.end(), 0);
            return unmapped_embedding(*model, tokens);
        };
        constexpr uint64_t kSlack = 16 * 1024;  // the first and the last page, and what measuring takes
        ASSERT_GT(table.bytes, 50 * kSlack);
        EXPECT_GE(unmapped(0), table.bytes - kSlack);
        EXPECT_GE(unmapped_embedding(*model, std::vector<int32_t>{-1, n_rows, INT32_MIN, INT32_MAX}),
                  table.bytes - kSlack);
        EXPECT_LE(unmapped(n_rows / 2), table.bytes / 2 + kSlack);
        EXPECT_LE(unmapped(n_rows), kSlack);
    }
}

TEST_F(UnmappedEmbedding, IsNothingWhereAllOfItIsUsedOrInMemory) {
    EXPECT_EQ(0u, unmapped_embedding(*open_tiny(true, QL_BASE_KEEP, QL_BASE_KEEP), {}));
    EXPECT_EQ(0u, unmapped_embedding(*open_tiny(false, QL_BASE_KEEP, QL_F16), {}));
}

TEST_F(UnmappedEmbedding, IsLeftOutOfThePlanOfARun) {
    const Model * model = open_tiny(false, QL_BASE_KEEP, QL_BASE_KEEP);
    data_ = open(folder_.path("data.jsonl"));
    eval_ = open(folder_.path("eval.jsonl"));
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    const auto weights_of = [&](const Dataset & data, const Dataset * eval, uint64_t memory) {
        ql_train_options o = options();
        o.memory = memory;
        const auto trainer = Trainer::create(*model, device.get(), a, data, eval, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        return trainer.ok() ? (*trainer)->describe().weight_bytes : 0;
    };
    std::set<int32_t> occur = {0};  // padding
    for (const TokenSample & s : data_.samples) occur.insert(s.tokens.begin(), s.tokens.end());
    const std::vector<int32_t> tokens(occur.begin(), occur.end());
    EXPECT_NEAR(static_cast<double>(weights_of(data_, &eval_, 0)),
                static_cast<double>(model->weight_bytes() - unmapped_embedding(*model, tokens)), 64 * 1024);
    EXPECT_LE(weights_of(data_, &eval_, 0), model->weight_bytes());
    EXPECT_GE(weights_of(data_, nullptr, uint64_t{1} << 32), model->weight_bytes()) << "a budget's copy is whole";
}

}  // namespace
}  // namespace ql::test
