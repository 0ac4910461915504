// Merge-aware training: the merged file holds the weights that were trained, bit for bit, and says so; the run keeps the
// trainer's promises on threads and resuming.
#include "models/train/merge_aware.hpp"

#include <set>

#include "models/adapter/exact_merge.hpp"
#include "models/adapter/merge.hpp"
#include "models/infer/evaluate.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

std::vector<std::byte> bytes_of(const ql_tensor * t) {
    std::vector<std::byte> bytes(ql_tensor_bytes(t));
    EXPECT_EQ(ql_tensor_read(t, bytes.data(), 0, bytes.size()), QL_OK) << ql_error_message();
    return bytes;
}

class MergeAware : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        use(model_path_, QL_BASE_KEEP);
    }
    /// Trains on another base from here on.
    void use(const std::string & path, int64_t base_type) {
        auto model = open_model(path, {sizeof(ql_model_options), base_type, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        model_ = std::move(model).value();
        data_ = open(folder_.path("data.jsonl"));
        eval_ = open(folder_.path("eval.jsonl"));
    }
    /// Trains on a base whose rows are 256 and 512 long from here on.
    std::string use_wide() {
        TinyModelOptions wide;
        wide.n_embd = 256, wide.n_ff = 512;
        model_path_ = folder_.path("wide.gguf");
        tiny::Writer(wide).write(model_path_);
        use(model_path_, QL_BASE_KEEP);
        return model_path_;
    }
    std::string quantised(ql_dtype type) {
        const std::string path = folder_.path(std::string("base-") + ql_dtype_name(type) + ".gguf");
        ql_quantize_options o = merge_options(type);
        EXPECT_EQ(ql_quantize(model_path_.c_str(), path.c_str(), &o), QL_OK) << ql_error_message();
        return path;
    }
    ql_train_options aware(int64_t type) const {
        ql_train_options o = options();
        o.merge_type = type;
        o.merge_rounding = rounding_;
        o.steps = 5;
        return o;
    }
    static ql_quantize_options merge_options(int64_t type) {
        ql_quantize_options o;
        ql_quantize_options_init(&o);
        o.type = type;
        o.embedding_type = QL_BASE_KEEP;
        return o;
    }

    /// Trains for a merge, merges the saved adapter into `base`, and compares tensors and losses.
    void expect_exact(int64_t type, const std::string & base, Adapter start) {
        SCOPED_TRACE(merge_type_name(type));
        auto trainer = Trainer::create(*model_, device_.get(), start, data_, &eval_, aware(type));
        ASSERT_TRUE(trainer.ok()) << trainer.message();
        ASSERT_TRUE((*trainer)->run().ok());
        const std::string saved = folder_.path("a.gguf"), merged = folder_.path("merged.gguf");
        ASSERT_TRUE(save_adapter(start, *model_, saved).ok());
        const Adapter read = read_adapter(saved).value();
        EXPECT_EQ(read.origin.merge.type, merge_type_name(type));
        const auto kept = open_model(base, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        const Status exact = check_exact_merge(read, **kept, merge_options(type));
        EXPECT_TRUE(exact.ok()) << exact.message();
        ASSERT_TRUE(merge_adapter(read, base, merged, merge_options(type)).ok());

        const auto after = open_model(merged, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_TRUE(after.ok()) << after.message();
        const MergedLinears & trained = (*trainer)->step().merged();
        ASSERT_EQ(trained.size(), read.matrices.size());
        for (size_t i = 0; i < trained.size(); ++i) {
            const Weight & w = *(*after)->find(start.matrices[i].weight);
            EXPECT_EQ(w.dtype, ql_tensor_dtype(trained.packed(i))) << w.name;
            const auto want = bytes_of(trained.packed(i));
            ASSERT_EQ(w.bytes, want.size()) << w.name;
            EXPECT_EQ(0, std::memcmp(w.data, want.data(), want.size())) << w.name;
        }
        double loss = 0;
        int64_t tokens = 0;
        ASSERT_TRUE((*trainer)->evaluate(loss, tokens).ok());
        const Dataset data = [&] {
            ql_dataset_options o;
            ql_dataset_options_init(&o);
            o.ctx = 64;
            return open_dataset({folder_.path("eval.jsonl")}, **after, o).value();
        }();
        const auto file = evaluate_dataset(**after, device_.get(), {}, data, 64);
        ASSERT_TRUE(file.ok()) << file.message();
        EXPECT_EQ(file->tokens, tokens);
        EXPECT_EQ(file->nll, loss) << "the merged file is the model that was evaluated";
    }
    Adapter adapter_of(const LoraOptions & o) const { return new_adapter(*model_, o).value(); }

    void expect_refused(const ql_train_options & o, const char * words) {
        const Status status = start(o);
        EXPECT_EQ(status.code(), o.merge_type == QL_Q5_1 ? QL_UNSUPPORTED : QL_INVALID_ARGUMENT) << status.message();
        EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
    }

    const DevicePtr device_{open_cpu(QL_COMPUTE_AUTO)};
    ql_merge_rounding rounding_ = QL_MERGE_AUTO;
};

TEST_F(MergeAware, MergesIntoTheWeightsThatWereTrainedForEveryType) {
    for (const ql_dtype type : {QL_NF4, QL_NF4_DQ, QL_Q4_0, QL_Q4_1, QL_Q8_0, QL_IQ4_NL, QL_BF16, QL_F32})
        expect_exact(type, model_path_, adapter());
}

/// The K types have blocks of 256, which the tiny model's rows are not.
TEST_F(MergeAware, MergesIntoKTypesWhereRowsAreWholeBlocks) {
    const std::string path = use_wide();
    for (const ql_dtype type : {QL_Q3_K, QL_Q4_K, QL_Q5_K, QL_Q6_K}) expect_exact(type, path, adapter());
    const std::string base = quantised(QL_Q4_K);
    use(base, QL_BASE_KEEP);
    expect_exact(QL_Q4_K, base, adapter());
}

TEST_F(MergeAware, MergesEachLinearOfAMixIntoItsOwnType) {
    const std::string whole = use_wide(), mix = folder_.path("mix.gguf");
    ql_quantize_options o = merge_options(QL_Q4_K);
    o.recipe = "q4_K_M";
    ASSERT_EQ(ql_quantize(whole.c_str(), mix.c_str(), &o), QL_OK) << ql_error_message();
    use(mix, QL_BASE_KEEP);
    std::set<ql_dtype> types;
    for (const LoraMatrix & m : adapter().matrices) types.insert(model_->find(m.weight)->dtype);
    ASSERT_GT(types.size(), 1u) << "a mix";
    expect_exact(QL_BASE_KEEP, mix, adapter());

    ql_quantize_options into_one = merge_options(QL_Q4_K);
    const Adapter saved = read_adapter(folder_.path("a.gguf")).value();
    EXPECT_NE(check_exact_merge(saved, *model_, into_one).message().find("for the merge keep, not q4_K"),
              std::string::npos);
}

TEST_F(MergeAware, MergesIntoABaseOfItsOwnType) {
    const std::string from = model_path_;
    for (const ql_dtype type : {QL_NF4, QL_NF4_DQ, QL_Q4_0, QL_Q4_1, QL_IQ4_NL, QL_Q8_0}) {
        model_path_ = from;
        const std::string base = quantised(type);
        use(base, QL_BASE_KEEP);
        Adapter a = adapter();
        expect_exact(type, base, a);
        EXPECT_EQ(read_adapter(folder_.path("a.gguf")).value().origin.merge.rounding, type == QL_Q8_0 ? "" : kDithered)
            << "it sits on the values, and " << ql_dtype_name(type) << " may have thresholds";
    }
}

TEST_F(MergeAware, RoundsAsItIsTold) {
    const std::string base = quantised(QL_Q4_0);
    use(base, QL_BASE_KEEP);
    std::vector<std::vector<float>> learned;
    for (const ql_merge_rounding rounding : {QL_MERGE_AUTO, QL_MERGE_NEAREST, QL_MERGE_DITHERED}) {
        Adapter a = adapter();
        ql_train_options o = aware(QL_Q4_0);
        o.merge_rounding = rounding;
        ASSERT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, o).value()->run().ok());
        EXPECT_EQ(a.origin.merge.rounding, rounding == QL_MERGE_NEAREST ? ""
                                           : rounding == QL_MERGE_AUTO  ? kDithered
                                                                        : kAllDithered);
        learned.push_back(a.matrices[0].b);
    }
    EXPECT_NE(learned[0], learned[1]);
    EXPECT_EQ(learned[0], learned[2]) << "all linears of the base have the type";
    use(model_path_, QL_BASE_KEEP);
    Adapter a = adapter();
    ql_train_options o = aware(QL_Q4_0);
    ASSERT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, o).ok());
    EXPECT_EQ(a.origin.merge.rounding, "") << "an f32 base lies between the values";
    o.merge_rounding = QL_MERGE_DITHERED;
    ASSERT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, o).ok());
    EXPECT_EQ(a.origin.merge.rounding, kAllDithered);
    rounding_ = QL_MERGE_DITHERED;
    for (const ql_dtype type : {QL_Q4_0, QL_NF4_DQ, QL_Q8_0}) expect_exact(type, model_path_, adapter());
}

/// Steps so small that no weight of the base crosses half a step between two values.
TEST_F(MergeAware, LearnsOverABaseOfItsTypeAtASmallRate) {
    use(quantised(QL_NF4), QL_BASE_KEEP);
    const auto gain = [&](int64_t type, ql_merge_rounding rounding) {
        Adapter a = adapter();
        ql_train_options o = aware(type);
        o.merge_rounding = rounding, o.steps = 40, o.lr = 1e-4;
        auto trainer = Trainer::create(*model_, device_.get(), a, data_, &eval_, o);
        double before = 0, after = 0;
        int64_t tokens = 0;
        EXPECT_TRUE((*trainer)->evaluate(before, tokens).ok());
        EXPECT_TRUE((*trainer)->run().ok());
        EXPECT_TRUE((*trainer)->evaluate(after, tokens).ok());
        return before - after;
    };
    const double beside = gain(QL_MERGE_NONE, QL_MERGE_AUTO), aware_gain = gain(QL_NF4, QL_MERGE_AUTO),
                 nearest = gain(QL_NF4, QL_MERGE_NEAREST);
    EXPECT_GT(aware_gain, 0.9 * beside);
    EXPECT_LT(nearest, 0.3 * aware_gain);
}

/// The base that training makes of a file on loading is the one that ql-quantize makes of it.
TEST_F(MergeAware, MergesIntoTheFileThatLoadingWouldHaveMade) {
    use(model_path_, QL_NF4_DQ);
    expect_exact(QL_Q4_0, quantised(QL_NF4_DQ), adapter());
}

/// alpha / sqrt(r) times r and divided by r again is another number for many r.
TEST_F(MergeAware, TakesTheScaleThatTheFileWillSay) {
    for (const int r : {3, 5, 7, 11, 13}) {
        LoraOptions o;
        o.r = r, o.alpha = 16.1f, o.rslora = true;
        expect_exact(QL_Q4_1, model_path_, adapter_of(o));
    }
}

/// A row of 96 is no multiple of nf4's block: that weight becomes f16 in the file, and so in training.
TEST_F(MergeAware, TakesTheTypeThatAMergeFallsBackTo) {
    TinyModelOptions tiny;
    tiny.n_ff = 96;
    const std::string path = folder_.path("odd.gguf");
    tiny::Writer(tiny).write(path);
    use(path, QL_BASE_KEEP);
    expect_exact(QL_NF4, path, adapter());
}

TEST_F(MergeAware, LearnsWhatTheMergedFileThenKnows) {
    Adapter a = adapter();
    ql_train_options o = aware(QL_NF4);
    o.steps = 60;
    auto trainer = Trainer::create(*model_, device_.get(), a, data_, &eval_, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    double before = 0, after = 0;
    int64_t tokens = 0;
    ASSERT_TRUE((*trainer)->evaluate(before, tokens).ok());
    ASSERT_TRUE((*trainer)->run().ok());
    ASSERT_TRUE((*trainer)->evaluate(after, tokens).ok());
    EXPECT_LT(after, before - 0.5);
}

TEST_F(MergeAware, GivesTheSameBitsForAnyThreadsAndAcrossAResume) {
    for (const int64_t type : {int64_t{QL_NF4_DQ}, int64_t{QL_Q4_0}, int64_t{QL_Q4_K}}) {
        if (type == QL_Q4_K) use_wide();
        ql_train_options o = aware(type);
        o.steps = 12;
        const auto whole = train(o, 2);
        EXPECT_EQ(train(o, 1), whole);
        EXPECT_EQ(train(o, 3), whole);
        ql_train_options plain = o;
        plain.merge_type = QL_MERGE_NONE;
        EXPECT_NE(train(plain, 2), whole) << "the merged weights are what was trained";
        const std::string dir = folder_.path(std::string("ck-") + std::to_string(type));
        o.checkpoint_dir = dir.c_str();
        train_six_steps(o);
        o.resume = "auto";
        std::string resumed;
        EXPECT_EQ(train(o, 2, nullptr, &resumed), whole);
        EXPECT_NE(resumed, "");
    }
}

TEST_F(MergeAware, ARunGoesOnAsItWasBegun) {
    ql_train_options o = aware(QL_Q4_0);
    o.steps = 12;
    const std::string dir = folder_.path("ck");
    o.checkpoint_dir = dir.c_str();
    train_six_steps(o);
    o.resume = "auto";
    o.merge_type = QL_Q8_0;
    expect_refused(o, "this run has merge-aware q8_0, the checkpoint was made with q4_0");
    o.merge_type = QL_MERGE_NONE;
    expect_refused(o, "this run has no merge-aware, the checkpoint was made with q4_0");
    o.merge_type = QL_Q4_0;
    o.merge_rounding = QL_MERGE_DITHERED;
    expect_refused(o, "this run has merge-rounding all dithered, the checkpoint was made with none");
}

TEST_F(MergeAware, RefusesWhatNoMergeGives) {
    expect_refused(aware(QL_Q5_1), "merge-aware: weights cannot be written as q5_1");
    expect_refused(aware(77), "merge-aware: type 77 is unknown");
    ql_train_options o = aware(QL_Q4_0);
    o.lora_dropout = 0.1;
    expect_refused(o, "merge-aware: lora-dropout 0.1");
    LoraOptions attention;
    attention.targets = "attn";
    Adapter a = adapter_of(attention);
    const auto partly = Trainer::create(*model_, device_.get(), a, data_, nullptr, aware(QL_Q4_0));
    EXPECT_EQ(partly.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(partly.message().find("'blk.0.ffn_gate.weight' has no branch: a merge would make q4_0 of its f32"),
              std::string::npos)
        << partly.message();
    use(quantised(QL_Q4_0), QL_BASE_KEEP);
    EXPECT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, aware(QL_Q4_0)).ok())
        << "the others have the type from the start";
    a.matrices[3].scale *= 2;
    const auto scales = Trainer::create(*model_, device_.get(), a, data_, nullptr, aware(QL_Q4_0));
    EXPECT_NE(scales.message().find("one alpha for all"), std::string::npos) << scales.message();
}

TEST_F(MergeAware, AMergeIntoATypeThatIsUnknownSaysSo) {
    const Status status = merge_adapter(adapter(), model_path_, folder_.path("merged.gguf"), merge_options(77));
    EXPECT_EQ(status.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(status.message().find("type 77 is unknown"), std::string::npos) << status.message();
}

TEST_F(MergeAware, AMergeOfAnotherTypeOrBaseIsNotTheTrainedModel) {
    Adapter a = adapter();
    const auto says = [&](const Model & base, const ql_quantize_options & o, const char * words) {
        const Status status = check_exact_merge(a, base, o);
        EXPECT_FALSE(status.ok());
        EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
    };
    says(*model_, merge_options(QL_Q4_0), "not trained for a merge");
    ASSERT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, aware(QL_Q4_0)).ok());
    EXPECT_TRUE(check_exact_merge(a, *model_, merge_options(QL_Q4_0)).ok());
    says(*model_, merge_options(QL_Q8_0), "for the merge q4_0, not q8_0");
    ql_quantize_options other = merge_options(QL_Q4_0);
    other.embedding_type = QL_BASE_AUTO;
    says(*model_, other, "'token_embd.weight' has no branch: a merge would make q8_0 of its f32");
    const auto base = open_model(quantised(QL_Q4_0), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    says(**base, merge_options(QL_Q4_0), "into other weights than those of");
    a.origin.merge.base = format("%016llx", static_cast<unsigned long long>(model_->fingerprint()));
    EXPECT_TRUE(check_exact_merge(a, *model_, merge_options(QL_Q4_0)).ok()) << "as older adapters name their base";
    a.origin.merge.rounding = "upwards";
    says(*model_, merge_options(QL_Q4_0), "a merge that rounds 'upwards', which is not known here");
}

TEST_F(MergeAware, PlainTrainingAfterwardsIsForNoMerge) {
    Adapter a = adapter();
    ASSERT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, aware(QL_Q4_0)).ok());
    EXPECT_EQ(a.origin.merge.type, "q4_0");
    ASSERT_TRUE(Trainer::create(*model_, device_.get(), a, data_, nullptr, options()).ok());
    EXPECT_EQ(a.origin.merge.type, "");
    EXPECT_EQ(a.origin.merge.base, "");
    EXPECT_EQ(a.origin.merge.rounding, "");
}

}  // namespace
}  // namespace ql::test
