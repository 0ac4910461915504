// ql/engine.h, and the adapters of a session: each sequence has the results of a session with its adapters.
#include <gtest/gtest.h>

#include <algorithm>

#include "models/adapters.hpp"
#include "ql/models.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

using Tokens = std::vector<int32_t>;
using Logits = std::vector<float>;
using Scales = std::vector<float>;

class EngineCapi : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(ql_model_open(golden_path("arch/llama").c_str(), nullptr, out(model_)), QL_OK) << ql_error_message();
        auto device = defaults<ql_device_options>();
        device.compute = QL_COMPUTE_F32, device.threads = 2;
        ASSERT_EQ(ql_device_open(&device, out(device_)), QL_OK) << ql_error_message();
        for (const int r : {2, 5}) {
            Adapter a = filled(r);
            for (LoraMatrix & m : a.matrices)
                for (float & b : m.b) b = 0.003f * static_cast<float>(r) * (b - 40);
            const std::string path = folder_.path("a" + std::to_string(r) + ".gguf");
            ASSERT_TRUE(save_adapter(a, llama(), path).ok());
            ASSERT_EQ(ql_adapter_open(path.c_str(), model_.get(), out(owners_.emplace_back())), QL_OK);
            adapters_.push_back(owners_.back().get());
        }
    }
    SessionPtr session(const Scales & scales) const {
        auto options = defaults<ql_session_options>();
        options.ctx = 64, options.cache_type = QL_F32;
        options.adapters = adapters_.data(), options.adapter_scales = scales.data();
        options.n_adapters = static_cast<int>(scales.size());
        SessionPtr made;
        EXPECT_EQ(ql_session_create(model_.get(), device_.get(), &options, out(made)), QL_OK) << ql_error_message();
        return made;
    }
    Logits read(const SessionPtr & session, const Tokens & tokens) const {
        const Result<const float *> logits = eval(session, tokens);
        EXPECT_TRUE(logits.ok()) << logits.message();
        return {*logits, *logits + llama().hparams().n_vocab};
    }
    EnginePtr engine(int64_t n_sequences) const {
        auto options = defaults<ql_engine_options>();
        options.ctx = 64, options.n_sequences = n_sequences, options.cache_type = QL_F32;
        options.adapters = adapters_.data(), options.n_adapters = 2;
        EnginePtr made;
        EXPECT_EQ(ql_engine_create(model_.get(), device_.get(), &options, out(made)), QL_OK) << ql_error_message();
        return made;
    }
    static Logits logits(const EnginePtr & engine, int64_t sequence) {
        const float * of = ql_engine_logits(engine.get(), sequence);
        return of ? Logits(of, of + llama().hparams().n_vocab) : Logits();
    }

    const TemporaryFolder folder_;
    ModelPtr model_;
    DevicePtr device_;
    std::vector<AdapterPtr> owners_;
    std::vector<const ql_adapter *> adapters_;
};

TEST_F(EngineCapi, SequencesWithOtherAdaptersAreReadTogether) {
    const EnginePtr e = engine(3);
    const std::vector<Scales> scales = {{1, 0}, {0, 0}, {0.5f, -1}};
    const std::vector<Tokens> texts = {{5, 9, 2, 7}, {30, 11}, {4, 4, 17}};
    std::vector<ql_sequence_tokens> batch;
    for (int64_t s = 0; s < 3; ++s) {
        const Tokens & text = texts[static_cast<size_t>(s)];
        ASSERT_EQ(ql_engine_set_adapter_scales(e.get(), s, scales[static_cast<size_t>(s)].data(), 2), QL_OK);
        batch.push_back({s, text.data(), std::ssize(text), s != 1});
    }
    ASSERT_EQ(ql_engine_read(e.get(), batch.data(), 3), QL_OK) << ql_error_message();
    EXPECT_TRUE(logits(e, 1).empty()) << "not wanted";
    for (const size_t s : {0, 2}) {
        EXPECT_LE(nmse(logits(e, static_cast<int64_t>(s)), read(session(scales[s]), texts[s])), 1e-10) << s;
        EXPECT_GE(nmse(logits(e, static_cast<int64_t>(s)), read(session({0, 0}), texts[s])), 1e-4) << s;
        EXPECT_EQ(ql_engine_position(e.get(), static_cast<int64_t>(s)), std::ssize(texts[s]));
    }
}

TEST_F(EngineCapi, ForksAndEndsSequences) {
    const EnginePtr e = engine(2);
    const int64_t pages = ql_engine_free_pages(e.get());
    const float first[] = {1, 0};
    ASSERT_EQ(ql_engine_set_adapter_scales(e.get(), 0, first, 2), QL_OK);
    const Tokens begin = {5, 9, 2}, more = {8};
    const ql_sequence_tokens part = {0, begin.data(), 3, 1};
    ASSERT_EQ(ql_engine_read(e.get(), &part, 1), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_engine_fork(e.get(), 0, 1), QL_OK);
    ASSERT_EQ(ql_engine_fork(e.get(), 0, 0), QL_OK);
    EXPECT_EQ(ql_engine_free_pages(e.get()), pages - 1);
    const ql_sequence_tokens next = {1, more.data(), 1, 1};
    ASSERT_EQ(ql_engine_read(e.get(), &next, 1), QL_OK) << ql_error_message();
    EXPECT_LE(nmse(logits(e, 1), read(session({1, 0}), {5, 9, 2, 8})), 1e-10) << "with the adapter of its origin";
    for (const int64_t s : {0, 1}) ASSERT_EQ(ql_engine_truncate(e.get(), s, 0), QL_OK);
    EXPECT_EQ(ql_engine_free_pages(e.get()), pages);
    EXPECT_EQ(ql_engine_position(e.get(), 1), 0);
    EXPECT_NE(ql_engine_plan(e.get(), 3), nullptr);
}

TEST_F(EngineCapi, ASessionSwitchesItsAdapters) {
    const SessionPtr s = session({1, 0});
    const Tokens text = {5, 9, 2, 7, 30};
    const Logits with_first = read(s, text);
    const auto switch_to = [&](const Scales & scales) {
        ASSERT_EQ(ql_session_set_adapter_scales(s.get(), scales.data(), 2), QL_OK) << ql_error_message();
    };
    switch_to({1, 0});
    EXPECT_EQ(ql_session_position(s.get()), 5) << "the same: nothing is forgotten";
    for (const Scales & scales : std::vector<Scales>{{0, 1}, {0, 0}, {0.25f, 2}}) {
        switch_to(scales);
        EXPECT_EQ(ql_session_position(s.get()), 0);
        EXPECT_EQ(read(s, text), read(session(scales), text));
    }
    switch_to({1, 0});
    EXPECT_EQ(read(s, text), with_first);
    const float bad[] = {1, INFINITY};
    EXPECT_EQ(ql_session_set_adapter_scales(s.get(), bad, 2), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_session_position(s.get()), 5);
}

}  // namespace
}  // namespace ql::test
