// Layers that attend only to the last tokens, each to as many as its window holds, beside layers that attend to all.
#include <numeric>

#include "models/golden.hpp"
#include "models/infer/evaluate.hpp"
#include "models/infer/session.hpp"
#include "models/load/find_architecture.hpp"
#include "models/load/loaders.hpp"
#include "models/train/step.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Values = std::vector<float>;
using Ids = std::vector<int32_t>;

class AttentionWindows : public ::testing::Test {
  protected:
    /// A model with a layer for each window.
    std::unique_ptr<Model> model(const std::vector<int64_t> & windows) {
        TinyModelOptions options;
        options.n_layer = static_cast<int64_t>(windows.size());
        auto parts = load_gguf_model(write_tiny_model(folder_.path("m.gguf"), options));
        EXPECT_TRUE(parts.ok()) << parts.message();
        for (size_t i = 0; i < windows.size(); ++i) parts->hparams.layers[i].window = windows[i];
        EXPECT_TRUE(parts->hparams.check().ok());
        const auto llama = find_architecture("llama");
        return std::make_unique<Model>("m.gguf", std::move(parts).value(), **llama, std::vector<std::string>());
    }

    Values logits(const Model & model, const Ids & ids) { return logits_of(model, device_.get(), ids); }
    Values last_logits(const Model & model, const Ids & ids) {
        const Values all = logits(model, ids);
        return {all.end() - model.hparams().n_vocab, all.end()};
    }
    Values cached_logits(const Model & model, const Ids & ids, const std::vector<size_t> & parts) {
        const auto session = Session::create(model, device_.get(), {}, 64, QL_F32);
        EXPECT_TRUE(session.ok()) << session.message();
        size_t at = 0;
        for (const size_t n : parts) {
            EXPECT_TRUE((*session)->eval({ids.data() + at, n}).ok());
            at += n;
        }
        return {(*session)->logits().begin(), (*session)->logits().end()};
    }

    static Ids tokens(size_t n) {
        Ids ids(n);
        for (size_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>((37 * i + 11) % 200);
        return ids;
    }

    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
};

/// Angles of rope are relative: a window's tokens by themselves give what the whole text gives for its last token.
TEST_F(AttentionWindows, ALayerAttendsToTheTokensOfItsWindow) {
    const Ids ids = tokens(40);
    for (const int64_t window : {1, 7, 39}) {
        const Values alone = last_logits(*model({0}), {ids.end() - window, ids.end()});
        EXPECT_LE(nmse(last_logits(*model({window}), ids), alone), 1e-10) << window;
    }
    EXPECT_GT(nmse(last_logits(*model({7}), ids), last_logits(*model({0}), ids)), 1e-6);
}

TEST_F(AttentionWindows, AWindowOfAllTokensGivesTheBitsOfNone) {
    const Ids ids = tokens(40);
    EXPECT_EQ(logits(*model({40, 1000}), ids), logits(*model({0, 0}), ids));
}

/// What the last token sees through layers of 3, 4 and 3 tokens is 1 + 2 + 3 + 2 = 8 tokens long.
TEST_F(AttentionWindows, LayersMayDiffer) {
    const auto mixed = model({3, 4, 3}), alternating = model({3, 0, 3});
    const Ids ids = tokens(40);
    const auto changed = [&](size_t back) {
        Ids other = ids;
        ++other[other.size() - back];
        return other;
    };
    for (const auto & parts : {std::vector<size_t>{40}, std::vector<size_t>{20, 17, 1, 1, 1}}) {
        const Values base = cached_logits(*mixed, ids, parts);
        EXPECT_EQ(cached_logits(*mixed, changed(9), parts), base);
        EXPECT_NE(cached_logits(*mixed, changed(8), parts), base);
        EXPECT_NE(cached_logits(*alternating, changed(40), parts), cached_logits(*alternating, ids, parts));
    }
    EXPECT_EQ(last_logits(*mixed, changed(9)), last_logits(*mixed, ids));
    EXPECT_NE(last_logits(*mixed, changed(8)), last_logits(*mixed, ids));
}

TEST_F(AttentionWindows, ACacheGivesTheSameLogits) {
    const auto m = model({5, 0, 11});
    const Ids ids = tokens(40);
    EXPECT_LE(nmse(cached_logits(*m, ids, {12, 9, 1, 1, 17}), last_logits(*m, ids)), 1e-10);
}

/// Two sequences in one stream; a window would reach back from the second into the first.
MicroBatch two_sequences(const Ids & first, const Ids & second) {
    PackedSequence packed;
    for (const Ids * ids : {&first, &second})
        for (size_t i = 0; i < ids->size(); ++i) {
            packed.tokens.push_back((*ids)[i]);
            packed.positions.push_back(static_cast<int32_t>(i));
            packed.segments.push_back(ids == &first ? 0 : 1);
            packed.targets.push_back(i + 1 < ids->size() ? (*ids)[i + 1] : -1);
        }
    return MicroBatch::from_sequences({&packed, 1}, 1, static_cast<int64_t>(packed.tokens.size()), 1.0f);
}

double nll(const Values & logits, const Ids & ids, int64_t n_vocab) {
    double sum = 0;
    for (size_t t = 0; t + 1 < ids.size(); ++t) {
        const float * row = logits.data() + static_cast<int64_t>(t) * n_vocab;
        const double total =
            std::accumulate(row, row + n_vocab, 0.0, [](double s, float x) { return s + std::exp(double{x}); });
        sum += std::log(total) - static_cast<double>(row[ids[t + 1]]);
    }
    return sum;
}

TEST_F(AttentionWindows, PackedSequencesTrainAsByThemselves) {
    const auto m = model({4, 0});
    const Ids first = tokens(13), second = {9, 8, 7, 6, 5, 4, 3};
    const auto adapter = new_adapter(*m, {.r = 2});
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    StepOptions options;
    options.n_tokens = 20;
    const auto step = TrainStep::create(*m, device_.get(), *adapter, options);
    ASSERT_TRUE(step.ok()) << step.message();
    float loss = 0;
    ASSERT_TRUE((*step)->accumulate(two_sequences(first, second), 1, 0, 0, &loss).ok()) << ql_error_message();
    const int64_t n_vocab = m->hparams().n_vocab;
    EXPECT_NEAR(loss, nll(logits(*m, first), first, n_vocab) + nll(logits(*m, second), second, n_vocab), 1e-3);
}

TEST_F(AttentionWindows, AreNotNegative) {
    Hparams h = model({0, 0})->hparams();
    h.layers[1].window = -4;
    const Status status = h.check();
    EXPECT_EQ(status.code(), QL_BAD_FILE);
    EXPECT_EQ(status.message(), "model: attention window of layer 1 is -4, 0 (none) or more is possible");
}

}  // namespace
}  // namespace ql::test
