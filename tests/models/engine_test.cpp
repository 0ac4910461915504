// Several sequences on one engine: weights and plans once, each sequence as if it were alone.
#include "models/infer/engine.hpp"

#include "models/golden.hpp"
#include "models/infer/session.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Tokens = std::vector<int32_t>;
using Logits = std::vector<float>;

class EngineTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto model = open_model(write_tiny_model(folder_.path("tiny.gguf")),
                                {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        auto engine = Engine::create(*model_, device_.get(), {}, {64, 3, QL_F32});
        ASSERT_TRUE(engine.ok()) << engine.message();
        engine_ = std::move(engine).value();
    }

    static Tokens tokens(int32_t n, int32_t seed) {
        Tokens list;
        for (int32_t i = 0; i < n; ++i) list.push_back((i * 37 + 11 * seed + 5) % 256);
        return list;
    }
    static Tokens both(Tokens first, const Tokens & second) {
        first.insert(first.end(), second.begin(), second.end());
        return first;
    }

    /// The logits that a session of its own has after these tokens.
    Logits alone(const Tokens & list) const {
        const auto session = Session::create(*model_, device_.get(), {}, 64, QL_F32);
        EXPECT_TRUE((*session)->eval(list).ok());
        return {(*session)->logits().begin(), (*session)->logits().end()};
    }
    void expect_as_alone(int64_t sequence, const Tokens & list) const {
        const auto logits = engine_->logits(sequence);
        EXPECT_LE(nmse({logits.begin(), logits.end()}, alone(list)), 1e-11) << "sequence " << sequence;
        EXPECT_EQ(engine_->position(sequence), static_cast<int64_t>(list.size()));
    }

    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    std::unique_ptr<Model> model_;
    std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, SequencesThatAreReadTogetherAreReadAsIfAlone) {
    const Tokens a = tokens(20, 1), b = tokens(33, 2), c = tokens(5, 3), a2 = tokens(1, 4), c2 = tokens(40, 5);
    const SequenceTokens prompts[] = {{2, c}, {0, a}, {1, b}};
    ASSERT_TRUE(engine_->read(prompts).ok());
    expect_as_alone(0, a);
    expect_as_alone(1, b);
    expect_as_alone(2, c);
    const SequenceTokens next[] = {{0, a2}, {2, c2}};
    ASSERT_TRUE(engine_->read(next).ok());
    expect_as_alone(0, both(a, a2));
    expect_as_alone(1, b);
    expect_as_alone(2, both(c, c2));
}

TEST_F(EngineTest, ASequenceStartsAgainBesideTheOthers) {
    const Tokens a = tokens(64, 1), b = tokens(30, 2), again = tokens(9, 3), b2 = tokens(2, 4);
    const SequenceTokens prompts[] = {{0, a}, {1, b}};
    ASSERT_TRUE(engine_->read(prompts).ok());
    engine_->truncate(0, 0);
    const SequenceTokens next[] = {{1, b2}, {0, again}};
    ASSERT_TRUE(engine_->read(next).ok());
    expect_as_alone(0, again);
    expect_as_alone(1, both(b, b2));
}

TEST_F(EngineTest, ABatchThatCannotBeReadWholeIsNotRead) {
    const Tokens some = tokens(3, 1), many = tokens(65, 2), none, outside = {1, 2, 100000};
    const auto refused = [&](std::vector<SequenceTokens> batch, const char * message) {
        const Status s = engine_->read(batch);
        EXPECT_EQ(s.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(s.message().find(message), std::string::npos) << s.message();
        EXPECT_EQ(engine_->position(0) + engine_->position(1) + engine_->position(2), 0);
    };
    refused({{0, some}, {1, many}}, "65 tokens do not fit: 0 of the context of 64 are taken");
    refused({{0, some}, {1, none}}, "no tokens to read");
    refused({{0, some}, {1, outside}}, "token 100000 is outside the vocabulary");
    refused({{0, some}, {0, some}}, "sequence 0 is named twice");
    refused({{0, some}, {3, some}}, "sequence 3 is none of the engine's");
    refused({{0, some}, {-1, some}}, "sequence -1 is none of the engine's");
}

TEST_F(EngineTest, HasAtLeastOneSequence) {
    for (const int64_t n : {int64_t{0}, int64_t{-1}, int64_t{1} << 40}) {
        const auto engine = Engine::create(*model_, device_.get(), {}, {64, n, QL_F32});
        EXPECT_EQ(engine.code(), QL_INVALID_ARGUMENT) << n;
    }
}

}  // namespace
}  // namespace ql::test
