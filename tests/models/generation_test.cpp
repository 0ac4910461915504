// Reading through a session's cache, against the same tokens computed at once without a cache.
#include "models/golden.hpp"
#include "models/infer/generate.hpp"
#include "models/infer/session.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

std::unique_ptr<Model> tiny_model(const TinyModelOptions & options = {}) {
    const TemporaryFolder folder;
    const std::string path = write_tiny_model(folder.path("tiny.gguf"), options);
    auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    if (!model.ok()) ADD_FAILURE() << model.message();
    return model.ok() ? std::move(model).value() : nullptr;
}

std::unique_ptr<Session> session_of(const Model & model, ql_device * device, int64_t ctx,
                                    ql_dtype cache_type = QL_F16) {
    auto session = Session::create(model, device, {}, ctx, cache_type);
    if (!session.ok()) ADD_FAILURE() << session.message();
    return session.ok() ? std::move(session).value() : nullptr;
}

std::vector<int32_t> some_tokens(int32_t n) {
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < n; ++i) tokens.push_back((i * 37 + 5) % 256);
    return tokens;
}

/// The logits of the last token.
std::vector<float> without_cache(const Model & model, ql_device * device, const std::vector<int32_t> & tokens) {
    const std::vector<float> all = logits_of(model, device, tokens);
    return {all.end() - model.hparams().n_vocab, all.end()};
}

/// Keys and values in f16 have a relative error of 2^-12 at most, 2^-24 squared; scores of 30 stand in the exponent.
TEST(Session, LogitsAreThoseWithoutACacheButForItsRounding) {
    const auto model = tiny_model();
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const auto tokens = some_tokens(150);
    const auto want = without_cache(*model, device.get(), tokens);
    for (const ql_dtype cache_type : {QL_F16, QL_F32})
        for (const size_t piece : {1, 7, 40, 150}) {
            const auto session = session_of(*model, device.get(), 200, cache_type);
            for (size_t at = 0; at < tokens.size(); at += piece)
                ASSERT_TRUE(session->eval(std::span(tokens).subspan(at, std::min(piece, tokens.size() - at))).ok());
            const double error = nmse({session->logits().begin(), session->logits().end()}, want);
            EXPECT_LE(error, 1e-6) << piece;
            EXPECT_EQ(error > 1e-11, cache_type == QL_F16) << "f32 would be no closer: is the cache f16?";
        }
}

/// A view of them, such as NumPy's, never points to memory that has gone.
TEST(Session, LogitsStayAtOneAddress) {
    const auto model = tiny_model();
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const auto session = session_of(*model, device.get(), 200);
    ASSERT_TRUE(session->eval(some_tokens(1)).ok());
    const float * const first = session->logits().data();
    for (const int32_t n : {40, 1, 150}) {
        ASSERT_TRUE(session->eval(some_tokens(n)).ok());
        EXPECT_EQ(session->logits().data(), first) << n;
        EXPECT_FALSE(session->eval(some_tokens(200)).ok());
        session->truncate(0);
    }
    ASSERT_TRUE(session->eval(some_tokens(3)).ok());
    EXPECT_EQ(session->logits().data(), first);
}

TEST(Session, ATextReadAfterALongerOneIsReadAsIfItWereTheFirst) {
    const auto model = tiny_model();
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const auto tokens = some_tokens(60);
    const auto session = session_of(*model, device.get(), 200), fresh = session_of(*model, device.get(), 200);
    ASSERT_TRUE(session->eval(some_tokens(190)).ok());
    session->truncate(0);
    for (Session * s : {session.get(), fresh.get()}) ASSERT_TRUE(s->eval(tokens).ok());
    EXPECT_TRUE(std::equal(session->logits().begin(), session->logits().end(), fresh->logits().begin()));
}

TEST(Session, AValueBeyondTheCachesRangeIsAnErrorAndNotAWrongText) {
    TinyModelOptions options;
    options.value_scale = 1e6f;
    const auto model = tiny_model(options);
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    for (const int32_t n : {1, 20}) {
        for (const float x : without_cache(*model, device.get(), some_tokens(n))) ASSERT_TRUE(std::isfinite(x));
        const auto session = session_of(*model, device.get(), 64);
        ql_generate_options generation;
        ql_generate_options_init(&generation);
        generation.n_predict = 2;
        const auto result = generate(*session, some_tokens(n), generation);
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.code(), QL_NON_FINITE);
        EXPECT_NE(result.message().find("65504"), std::string::npos) << result.message();
        const auto exact = session_of(*model, device.get(), 64, QL_F32);
        EXPECT_TRUE(generate(*exact, some_tokens(n), generation).ok());
    }
}

TEST(Session, RefusesACacheOfOtherTypes) {
    const auto model = tiny_model();
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const auto session = Session::create(*model, device.get(), {}, 64, QL_BF16);
    ASSERT_FALSE(session.ok());
    EXPECT_EQ(session.code(), QL_BAD_DTYPE);
}

}  // namespace
}  // namespace ql::test
