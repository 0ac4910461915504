// Where an adapter comes from: kept by its files, merged by composing, checked against the base it is opened for.
#include "models/adapter/origin.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "models/adapter/compose/compose.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapters.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

TrainingRun some_run() {
    TrainingRun run;
    run.data = "0123456789abcdef", run.options = "ctx=64;lr=0.005;", run.library = "1.2.3";
    run.steps = 12, run.tokens = 3456, run.loss_first = 2.5, run.loss_last = 0.1, run.eval_best = 1.0 / 3;
    return run;
}

Adapter with_origin() {
    Adapter adapter = filled();
    adapter.chat_date = "2024-07-26";
    adapter.origin.composed = "cat: a x 1";
    adapter.origin.merge = {"q4_0", "00000000000000aa", kDithered};
    adapter.origin.other_base = "the adapter was trained on another base: ...";
    adapter.origin.peft = R"({"new_field":{"x":[1,2.5]}})";
    adapter.origin.runs = {some_run(), some_run()};
    adapter.origin.runs[1].eval_best.reset();
    adapter.origin.runs[1].steps = 1;
    return adapter;
}

TEST(AdapterOrigin, OfANewAdapterNamesBaseAndOptions) {
    const Origin o = new_adapter(llama(), {3, 6.0f, true, "attn_q", 7}).value().origin;
    EXPECT_EQ(o.base, llama().identity());
    EXPECT_EQ(o.base_type, llama().base_type());
    EXPECT_EQ(o.options, "kind=lora;r=3;alpha=6;rslora=1;norms=0;targets=attn_q;layers=;ranks=;alphas=");
    EXPECT_EQ(o.seed, "7");
    EXPECT_EQ(o.init, kUniformStart);
    EXPECT_TRUE(o.runs.empty());
}

TEST(AdapterOrigin, ByteByByteFromGgufToPeftAndBack) {
    TemporaryFolder folder;
    for (Adapter adapter : {with_origin(), filled(5, "attn_q"), Adapter(filled(7, R"(ffn_(up|down))"))}) {
        if (adapter.matrices.size() > 10) adapter.base_name = "", adapter.name = "n";
        for (LoraMatrix & m : adapter.matrices) m.scale = 32.0f / static_cast<float>(m.r);
        ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
        const auto first = load_adapter(folder.path("a.gguf"), llama());
        ASSERT_TRUE(first.ok()) << first.message();
        EXPECT_EQ(first->origin, adapter.origin);
        const Status saved = save_peft(*first, llama(), folder.path("p"));
        ASSERT_TRUE(saved.ok()) << saved.message();
        const auto second = load_adapter(folder.path("p"), llama());
        ASSERT_TRUE(second.ok()) << second.message();
        EXPECT_EQ(second->origin, adapter.origin);
        ASSERT_TRUE(save_adapter(*second, llama(), folder.path("b.gguf")).ok());
        EXPECT_EQ(read_all(folder.path("a.gguf")), read_all(folder.path("b.gguf")));
    }
}

TEST(AdapterOrigin, AlphaIsWrittenWithFewDigits) {
    LoraMatrix m;
    for (int64_t r = 1; r < 600; ++r)
        for (const float alpha : {1.0f, 8.0f, 16.0f, 32.0f, 0.5f, 100.0f}) {
            m.r = r, m.scale = alpha / static_cast<float>(r);
            EXPECT_EQ(plain_gguf_alpha(m), alpha) << r;
            EXPECT_EQ(plain_alpha(m), static_cast<double>(alpha)) << r;
        }
    m.r = 8, m.scale = 0.7311586f;
    EXPECT_EQ(static_cast<float>(plain_alpha(m) / 8), m.scale);
    EXPECT_EQ(plain_gguf_alpha(m) / 8, m.scale);
}

TEST(AdapterOrigin, AnotherBaseIsRefusedByName) {
    TemporaryFolder folder;
    Adapter adapter = filled();
    adapter.base_name = "the other one";
    adapter.origin.base.model = "00000000000000ff";
    ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
    ASSERT_TRUE(save_peft(adapter, llama(), folder.path("p")).ok());
    for (const char * name : {"a.gguf", "p"}) {
        const auto refused = load_adapter(folder.path(name), llama());
        EXPECT_EQ(refused.code(), QL_BAD_FILE);
        for (const std::string & part : {std::string("'the other one' (identity 00000000000000ff)"),
                                         "'" + llama().name() + "' (" + llama().identity().model + ")"})
            EXPECT_NE(refused.message().find(part), std::string::npos) << refused.message();
        EXPECT_TRUE(load_adapter(folder.path(name), llama(), BaseRule::kAny).ok());
    }
    adapter.origin.base.model = llama().identity().model;
    adapter.origin.base.file = "00000000000000ff";
    ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
    EXPECT_TRUE(load_adapter(folder.path("a.gguf"), llama()).ok()) << "another quantisation is no other base";
    adapter.origin = Origin();
    ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
    const auto silent = load_adapter(folder.path("a.gguf"), llama());
    ASSERT_TRUE(silent.ok()) << silent.message();
    EXPECT_EQ(silent->origin, Origin());
}

/// The file again, with what `set` adds to its keys.
void rewrite(const std::string & from, const std::string & to, const std::function<void(ql_gguf_writer *)> & set) {
    GgufPtr file;
    ASSERT_EQ(ql_gguf_open(from.c_str(), out(file)), QL_OK);
    GgufWriterPtr writer;
    ASSERT_EQ(ql_gguf_writer_create(out(writer)), QL_OK);
    ASSERT_EQ(ql_gguf_copy_keys(writer.get(), file.get()), QL_OK);
    set(writer.get());
    ql_gguf_tensor t{};
    for (int64_t i = 0; ql_gguf_tensor_at(file.get(), i, &t) == QL_OK; ++i)
        ASSERT_EQ(ql_gguf_add_tensor(writer.get(), t.name, t.dtype, t.n_dims, t.ne, t.data), QL_OK);
    ASSERT_EQ(ql_gguf_write(writer.get(), to.c_str()), QL_OK) << ql_error_message();
}

TEST(AdapterOrigin, OlderFilesKeepTheMergeUnderKeysOfItsOwn) {
    TemporaryFolder folder;
    ASSERT_TRUE(save_adapter(filled(2, "attn_q"), llama(), folder.path("a.gguf")).ok());
    rewrite(folder.path("a.gguf"), folder.path("b.gguf"), [](ql_gguf_writer * w) {
        ql_gguf_set_string(w, "ql.adapter.merge_type", "nf4", 3);
        ql_gguf_set_string(w, "ql.adapter.merge_base", "00000000000000aa", 16);
    });
    const auto adapter = load_adapter(folder.path("b.gguf"), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    EXPECT_EQ(adapter->origin.merge, (ExactMerge{"nf4", "00000000000000aa"}));
    rewrite(folder.path("a.gguf"), folder.path("b.gguf"),
            [](ql_gguf_writer * w) { ql_gguf_set_string(w, "ql.adapter.merge_base", "none", 4); });
    EXPECT_EQ(load_adapter(folder.path("b.gguf"), llama()).code(), QL_BAD_FILE);
}

TEST(AdapterOrigin, FaultsInItAreRefusedByKey) {
    struct Row {
        const char * key;
        std::function<void(ql_gguf_writer *, const char *)> set;
    };
    const auto text = [](const char * value) {
        return [value](ql_gguf_writer * w, const char * key) { ql_gguf_set_string(w, key, value, std::strlen(value)); };
    };
    const auto whole = [](int64_t value) {
        return [value](ql_gguf_writer * w, const char * key) { ql_gguf_set_int(w, key, QL_GGUF_I64, value); };
    };
    const Row table[] = {
        {"qlora.base.identity", text("0123")},
        {"qlora.base.identity", text("0123456789ABCDEF")},
        {"qlora.base.identity", whole(3)},
        {"qlora.base.file_hash", text("0123456789abcdeg")},
        {"qlora.merge.base", text("0123")},
        {"qlora.seed", text("-1")},
        {"qlora.seed", text("99999999999999999999")},
        {"qlora.peft_fields", text("[1]")},
        {"qlora.peft_fields", text("{\"a\":")},
        {"qlora.runs", whole(-1)},
        {"qlora.runs", whole(1001)},
        {"qlora.runs", text("two")},
    };
    TemporaryFolder folder;
    for (const Row & row : table) {
        ASSERT_TRUE(save_adapter(filled(2, "attn_q"), llama(), folder.path("a.gguf")).ok());
        rewrite(folder.path("a.gguf"), folder.path("b.gguf"), [&](ql_gguf_writer * w) { row.set(w, row.key); });
        const auto adapter = load_adapter(folder.path("b.gguf"), llama());
        EXPECT_EQ(adapter.code(), QL_BAD_FILE) << row.key;
        EXPECT_NE(adapter.message().find(row.key), std::string::npos) << adapter.message();
    }
    for (const char * number : {"1x", "1e3", "x"}) {
        EXPECT_EQ(read_origin(OriginTexts{{"qlora.runs", number}}).code(), QL_BAD_FILE) << number;
        EXPECT_EQ(read_origin(OriginTexts{{"qlora.seed", number}}).code(), QL_BAD_FILE) << number;
    }
    EXPECT_EQ(read_origin(OriginTexts{{"qlora.runs", "1"}, {"qlora.run.0.steps", "-3"}}).code(), QL_BAD_FILE);
    EXPECT_EQ(read_origin(OriginTexts{{"qlora.runs", "1"}, {"qlora.run.0.loss_last", "nan"}}).code(), QL_BAD_FILE);
    EXPECT_TRUE(read_origin(OriginTexts{{"format", "pt"}}).ok());
}

TEST(AdapterOrigin, ComposingMergesIt) {
    Adapter one = with_origin(), two = with_origin();
    two.origin.base.file = "00000000000000ff", two.origin.composed = "", two.name = "two";
    const std::vector<WeightedAdapter> alone = {{&one, 1}}, both = {{&one, 0.7}, {&two, -0.25}};
    Origin kept = one.origin;
    kept.merge = {};
    EXPECT_EQ(compose_adapters(alone, {}).value().origin, kept) << "what is composed was trained for no merge";
    EXPECT_EQ(compose_adapters(alone, {"dare_linear", 0, 0.5}).value().origin.composed,
              "dare_linear, density 0.5, seed 42: (cat: a x 1) x 1")
        << "half of it is gone";
    const Origin made = compose_adapters(both, {}).value().origin;
    EXPECT_EQ(made.base.model, llama().identity().model);
    EXPECT_EQ(made.base.file, "");
    EXPECT_EQ(made.base_type, one.origin.base_type);
    EXPECT_EQ(made.runs.size(), 4u);
    EXPECT_EQ(made.composed, "cat: (cat: a x 1) x 0.7 + two x -0.25");
    two.origin.base.model = "00000000000000ff";
    const auto refused = compose_adapters(both, {});
    EXPECT_EQ(refused.code(), QL_BAD_FILE);
    EXPECT_NE(refused.message().find(", adapter 1 on "), std::string::npos) << refused.message();
    one.origin.base.model = two.origin.base.model, two.base_name = "of another name";
    EXPECT_TRUE(compose_adapters(both, {}).ok()) << "the identity decides, where both have one";
    two.origin.base.model = "00000000000000fe";
    EXPECT_FALSE(compose_adapters(both, {}).ok());
    ComposeOptions any;
    any.base = BaseRule::kAny;
    const Adapter forced = compose_adapters(both, any).value();
    EXPECT_EQ(forced.origin.base.model, "") << "no check passes it for one of them";
    EXPECT_EQ(forced.base_name, "");
    EXPECT_FALSE(forced.notes.empty());
    EXPECT_EQ(made.other_base, one.origin.other_base) << "of both parts, told once";
    EXPECT_NE(forced.origin.other_base.find("; compose: one adapter was trained on the model"), std::string::npos)
        << forced.origin.other_base;
}

TEST(AdapterOrigin, SaysWhatWasMadeOfIt) {
    const Adapter from = with_origin();
    EXPECT_EQ(resize_adapter(from, {2, 0.75, 1}, nullptr).value().origin.composed,
              "resize, rank 2, energy 0.75: (cat: a x 1)");
    const Origin pruned = prune_adapter(from, {"attn_q", 0, 1}, nullptr).value().origin;
    EXPECT_EQ(pruned.composed, "prune, drop attn_q: (cat: a x 1)");
    EXPECT_EQ(pruned.runs, from.origin.runs);
    EXPECT_EQ(pruned.other_base, from.origin.other_base);
    EXPECT_EQ(pruned.merge.type, "");
}

TEST(AdapterOrigin, KeepsTheNewestRuns) {
    Origin origin;
    for (int i = 0; i < 3; ++i) {
        std::vector<TrainingRun> runs(500, some_run());
        for (TrainingRun & run : runs) run.steps = i;
        add_runs(origin, runs);
    }
    ASSERT_EQ(origin.runs.size(), kMostRuns);
    EXPECT_EQ(origin.runs.front().steps, 1);
    EXPECT_EQ(origin.runs.back().steps, 2);
}

TEST(AdapterOrigin, TellsWhatIsUntrained) {
    Adapter adapter = new_adapter(llama(), {3, 6.0f, false, "attn_q", 7}).value();
    LoraMatrix & m = adapter.matrices[0];
    EXPECT_EQ(matrix_state(adapter.origin, m), MatrixState::kZeroB);
    m.b[5] = 1;
    EXPECT_EQ(matrix_state(adapter.origin, m), MatrixState::kStartA);
    EXPECT_EQ(matrix_state(Origin(), m), MatrixState::kTrained) << "nothing says how it began";
    Origin other_seed = adapter.origin;
    other_seed.seed = "8";
    EXPECT_EQ(matrix_state(other_seed, m), MatrixState::kTrained);
    m.a[0] += 1e-3f;
    EXPECT_EQ(matrix_state(adapter.origin, m), MatrixState::kTrained);
    m.scale = 0;
    EXPECT_EQ(matrix_state(adapter.origin, m), MatrixState::kZeroScale);
    m.a.assign(m.a.size(), 0);
    EXPECT_EQ(matrix_state(adapter.origin, m), MatrixState::kZeroA);
}

class OriginOfRuns : public TrainerFixture {
  protected:
    void run(Adapter & adapter, const ql_train_options & o, ql_status code = QL_OK) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO, 2));
        auto trainer = Trainer::create(*model_, device.get(), adapter, data_, &eval_, o);
        ASSERT_TRUE(trainer.ok()) << trainer.message();
        const Status s = (*trainer)->run();
        EXPECT_EQ(s.code(), code) << s.message();
    }
};

TEST_F(OriginOfRuns, IsWrittenDownAndTheSameAfterAnInterruption) {
    const std::string checkpoints = folder_.path("c"), best = folder_.path("best.gguf");
    ql_train_options o = options();
    o.eval_every = 4, o.best_path = best.c_str();
    Adapter whole = adapter();
    run(whole, o);
    ASSERT_EQ(whole.origin.runs.size(), 1u);
    const TrainingRun & r = whole.origin.runs[0];
    EXPECT_EQ(r.steps, 12);
    EXPECT_GT(r.tokens, 12 * 2);
    EXPECT_LT(*r.loss_last, *r.loss_first);
    EXPECT_TRUE(r.eval_best.has_value());
    EXPECT_EQ(r.data.size(), 16u);
    EXPECT_EQ(r.library, ql_version());
    EXPECT_NE(r.options.find(";lr=0.005;"), std::string::npos) << r.options;
    const Origin at_best = load_adapter(best, *model_).value().origin;
    ASSERT_EQ(at_best.runs.size(), 1u);
    EXPECT_LE(at_best.runs[0].steps, 12);

    o.checkpoint_dir = checkpoints.c_str();
    o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 6 ? 1 : 0; };
    Adapter resumed = adapter();
    run(resumed, o, QL_CANCELLED);
    EXPECT_EQ(resumed.origin.runs[0].steps, 6);
    o.on_progress = nullptr, o.resume = "auto";
    Adapter again = adapter();
    run(again, o);
    EXPECT_EQ(again.origin, whole.origin);
    expect_identical(again, whole);

    o.checkpoint_dir = o.resume = o.best_path = nullptr, o.steps = 2;
    run(whole, o);
    ASSERT_EQ(whole.origin.runs.size(), 2u) << "going on from an adapter is another run";
    EXPECT_EQ(whole.origin.runs[1].steps, 2);
    EXPECT_EQ(whole.origin.base, model_->identity());
}

}  // namespace
}  // namespace ql::test
