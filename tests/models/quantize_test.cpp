// Rewriting a model through the C API: what the callback sees, and that it can stop without a trace.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "ql/gguf.h"
#include "ql/model.h"
#include "ql/quantize.h"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Names = std::vector<std::string>;

/// Counts the tensors, and stops at one of them.
struct Watcher {
    int64_t stop_at = -1, n_seen = 0, n = 0;
    static int on_tensor(void * user, const ql_quantized_tensor * t) {
        auto & self = *static_cast<Watcher *>(user);
        EXPECT_EQ(t->index, self.n_seen);
        self.n = t->n;
        return self.n_seen++ == self.stop_at ? 1 : 0;
    }
    ql_status run(const std::string & in, const std::string & out) {
        ql_quantize_options options;
        ql_quantize_options_init(&options);
        options.on_tensor = on_tensor;
        options.user = this;
        return ql_quantize(in.c_str(), out.c_str(), &options);
    }
};

TEST(Quantize, ReportsEveryTensorInOrder) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf"));
    Watcher watcher;
    ASSERT_EQ(watcher.run(in, folder.path("out.gguf")), QL_OK) << ql_error_message();
    ql_gguf * file = nullptr;
    ASSERT_EQ(ql_gguf_open(folder.path("out.gguf").c_str(), &file), QL_OK) << ql_error_message();
    EXPECT_EQ(watcher.n_seen, ql_gguf_n_tensors(file));
    EXPECT_EQ(watcher.n, watcher.n_seen);
    ql_gguf_close(file);
}

/// A file with a layer's experts in tensors of three dimensions, and the matrix that routes tokens to them.
class ExpertFile {
  public:
    static constexpr int64_t kRow = 64, kRows = 3, kExperts = 5;

    ExpertFile() {
        for (size_t i = 0; i < values_.size(); ++i)
            values_[i] = static_cast<float>(static_cast<int64_t>(i * 7919 % 2003) - 1001) / (i % 5 ? 1001.0f : 77.0f);
        TinyModelOptions options;
        options.more = [this](ql_gguf_writer * w) {
            const int64_t experts[] = {kRow, kRows, kExperts}, odd[] = {33, 2, 2}, router[] = {kRow, kExperts};
            EXPECT_EQ(ql_gguf_add_tensor(w, "blk.0.ffn_up_exps.weight", QL_F32, 3, experts, values_.data()), QL_OK);
            EXPECT_EQ(ql_gguf_add_tensor(w, "blk.0.ffn_down_exps.weight", QL_F32, 3, odd, values_.data()), QL_OK);
            EXPECT_EQ(ql_gguf_add_tensor(w, "blk.0.ffn_gate_inp.weight", QL_F32, 2, router, values_.data()), QL_OK);
        };
        in_ = write_tiny_model(folder_.path("in.gguf"), options);
    }

    ql_gguf * quantized(ql_dtype dtype) {
        ql_quantize_options options;
        ql_quantize_options_init(&options);
        options.type = dtype;
        options.user = this;
        options.on_tensor = [](void * self, const ql_quantized_tensor * t) {
            static_cast<ExpertFile *>(self)->reported_[t->name] = *t;
            static_cast<ExpertFile *>(self)->notes_[t->name] = t->note;
            return 0;
        };
        const std::string out = folder_.path("out.gguf");
        EXPECT_EQ(ql_quantize(in_.c_str(), out.c_str(), &options), QL_OK) << ql_error_message();
        ql_gguf * file = nullptr;
        EXPECT_EQ(ql_gguf_open(out.c_str(), &file), QL_OK) << ql_error_message();
        return file;
    }
    /// The stack's values encoded as if its rows were those of one matrix.
    std::vector<std::byte> encoded(ql_dtype dtype) const {
        std::vector<std::byte> bytes(ql_dtype_bytes(dtype, static_cast<int64_t>(values_.size())));
        EXPECT_EQ(ql_encode(dtype, values_.data(), static_cast<int64_t>(values_.size()), bytes.data()), QL_OK);
        return bytes;
    }
    const ql_quantized_tensor & reported(const std::string & name) { return reported_[name]; }
    const std::string & note(const std::string & name) { return notes_[name]; }

  private:
    const TemporaryFolder folder_;
    std::vector<float> values_ = std::vector<float>(kRow * kRows * kExperts);
    std::string in_;
    std::map<std::string, ql_quantized_tensor> reported_;
    std::map<std::string, std::string> notes_;
};

ql_gguf_tensor tensor(const ql_gguf * file, const char * name) {
    ql_gguf_tensor t{};
    EXPECT_EQ(ql_gguf_find_tensor(file, name, &t), QL_OK) << ql_error_message();
    return t;
}

TEST(Quantize, ExpertsAreQuantisedRowByRow) {
    ExpertFile experts;
    for (const ql_dtype dtype : {QL_Q4_0, QL_Q8_0, QL_NF4, QL_F16}) {
        SCOPED_TRACE(ql_dtype_name(dtype));
        ql_gguf * file = experts.quantized(dtype);
        const ql_gguf_tensor up = tensor(file, "blk.0.ffn_up_exps.weight");
        EXPECT_EQ(up.dtype, dtype);
        EXPECT_EQ(up.n_dims, 3);
        EXPECT_EQ(std::vector<int64_t>(up.ne, up.ne + 3),
                  (std::vector<int64_t>{ExpertFile::kRow, ExpertFile::kRows, ExpertFile::kExperts}));
        const auto expected = experts.encoded(dtype);
        ASSERT_EQ(up.size, expected.size());
        EXPECT_EQ(std::memcmp(up.data, expected.data(), expected.size()), 0);
        const ql_quantized_tensor & report = experts.reported("blk.0.ffn_up_exps.weight");
        EXPECT_EQ(report.bytes_to, expected.size());
        EXPECT_GT(report.rel_rmse, 0);
        ql_gguf_close(file);
    }
}

TEST(Quantize, ExpertsWhoseRowsDoNotFitAndTheRouterKeepMoreBits) {
    ExpertFile experts;
    ql_gguf * file = experts.quantized(QL_Q4_0);
    EXPECT_EQ(tensor(file, "blk.0.ffn_down_exps.weight").dtype, QL_F16);
    EXPECT_EQ(experts.note("blk.0.ffn_down_exps.weight"),
              "blk.0.ffn_down_exps.weight is f16: rows of 33 are no multiple of q4_0's block of 32");
    EXPECT_EQ(tensor(file, "blk.0.ffn_gate_inp.weight").dtype, QL_F32);
    ql_gguf_close(file);
}

TEST(Quantize, CancelledLeavesNoFile) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf")), out = folder.path("out.gguf");
    for (const int64_t stop_at : {0, 3, 19}) {
        Watcher watcher;
        watcher.stop_at = stop_at;
        EXPECT_EQ(watcher.run(in, out), QL_CANCELLED);
        EXPECT_EQ(watcher.n_seen, stop_at + 1);
        EXPECT_EQ(ql_error_message(),
                  in + ": stopped after " + std::to_string(stop_at + 1) + " of 20 tensors; nothing was written");
        EXPECT_EQ(folder.names(), Names{"in.gguf"});
    }
}

TEST(Quantize, CancelledKeepsAnOlderFile) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf")), out = folder.write("out.gguf", "old");
    Watcher watcher;
    watcher.stop_at = 7;
    EXPECT_EQ(watcher.run(in, out), QL_CANCELLED);
    EXPECT_EQ(read_all(out), "old");
    EXPECT_EQ(folder.names().size(), 2u);
}

/// The tiny model in another type.
struct Quantized {
    explicit Quantized(ql_dtype type, const TinyModelOptions & options = {}, int64_t embeddings = QL_BASE_AUTO) {
        ql_quantize_options o;
        ql_quantize_options_init(&o);
        o.type = type;
        o.embedding_type = embeddings;
        write_tiny_model(folder.path("in.gguf"), options);
        status = ql_quantize(folder.path("in.gguf").c_str(), folder.path("out.gguf").c_str(), &o);
        message = ql_error_message();
        if (status != QL_OK) return;
        EXPECT_EQ(ql_gguf_open(folder.path("out.gguf").c_str(), &file), QL_OK) << ql_error_message();
    }
    ~Quantized() { ql_gguf_close(file); }
    Quantized(const Quantized &) = delete;
    Quantized & operator=(const Quantized &) = delete;
    int64_t number(const char * key) const {
        int64_t value = -1;
        (void)ql_gguf_get_int(file, key, &value);
        return value;
    }
    std::string type_of(const char * name) const {
        ql_gguf_tensor t{};
        EXPECT_EQ(ql_gguf_find_tensor(file, name, &t), QL_OK);
        return ql_dtype_name(t.dtype);
    }
    TemporaryFolder folder;
    ql_gguf * file = nullptr;
    ql_status status;
    std::string message;
};

TinyModelOptions with_key(const char * key, int64_t value) {
    TinyModelOptions options;
    options.more = [=](ql_gguf_writer * w) { EXPECT_EQ(ql_gguf_set_int(w, key, QL_GGUF_U32, value), QL_OK); };
    return options;
}

TEST(Quantize, FileTypeIsTheNewOne) {
    const std::pair<ql_dtype, int64_t> expected[] = {{QL_F32, 0},   {QL_F16, 1},     {QL_Q4_0, 2},  {QL_Q4_1, 3},
                                                     {QL_Q8_0, 7},  {QL_BF16, 32},   {QL_NF4, -1},  {QL_NF4_DQ, -1},
                                                     {QL_FP4, -1},  {QL_Q3_K, 11},   {QL_Q4_K, 14}, {QL_Q5_K, 16},
                                                     {QL_Q6_K, 18}, {QL_IQ4_NL, 25}, {QL_MXFP4, 38}};
    for (const auto & [type, number] : expected) {
        const Quantized q(type, with_key("general.file_type", 17));
        ASSERT_EQ(q.status, QL_OK) << q.message;
        EXPECT_EQ(q.number("general.file_type"), number) << ql_dtype_name(type);
        EXPECT_EQ(q.number("general.quantization_version"), 2);
    }
}

TEST(Quantize, WhatSpokeOfTheOldTypesGoes) {
    const Quantized q(QL_Q8_0, with_key("quantize.imatrix.entries_count", 3));
    ASSERT_EQ(q.status, QL_OK) << q.message;
    EXPECT_EQ(ql_gguf_has_key(q.file, "quantize.imatrix.entries_count"), 0);
    EXPECT_EQ(ql_gguf_has_key(q.file, "tokenizer.ggml.merges"), 1);
}

TEST(Quantize, AnEmbeddingKeepsSixteenBitsWhereTheBlocksDo) {
    for (const auto & [type, expected] :
         {std::pair{QL_F32, "f32"}, std::pair{QL_F16, "f16"}, std::pair{QL_BF16, "bf16"}, std::pair{QL_Q4_0, "q8_0"},
          std::pair{QL_NF4_DQ, "q8_0"}}) {
        const Quantized q(type);
        ASSERT_EQ(q.status, QL_OK) << q.message;
        EXPECT_EQ(q.type_of("token_embd.weight"), expected);
    }
    EXPECT_EQ(Quantized(QL_BF16, {}, QL_Q8_0).type_of("token_embd.weight"), "q8_0");
}

ql_quantize_options searching(ql_dtype type) {
    ql_quantize_options o;
    ql_quantize_options_init(&o);
    o.type = type;
    o.search = 1;
    return o;
}

TEST(Quantize, SearchedScalesAreThoseOfTheEncoderAndLeaveLessError) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf")), out = folder.path("out.gguf");
    for (const ql_dtype type : {QL_NF4, QL_NF4_DQ, QL_Q4_0}) {
        SCOPED_TRACE(ql_dtype_name(type));
        double error[2] = {};  // without and with
        for (const int search : {0, 1}) {
            auto options = searching(type);
            options.search = search;
            options.user = &error[search];
            options.on_tensor = [](void * sum, const ql_quantized_tensor * t) {
                if (std::strcmp(t->to, "q8_0") != 0) *static_cast<double *>(sum) += t->rel_rmse * t->rel_rmse;
                return 0;
            };
            ASSERT_EQ(ql_quantize(in.c_str(), out.c_str(), &options), QL_OK) << ql_error_message();
        }
        EXPECT_LT(error[1], 0.95 * error[0]);
        EXPECT_GT(error[1], 0.5 * error[0]);

        ql_gguf *before = nullptr, *after = nullptr;
        ASSERT_EQ(ql_gguf_open(in.c_str(), &before), QL_OK);
        ASSERT_EQ(ql_gguf_open(out.c_str(), &after), QL_OK);
        const ql_gguf_tensor from = tensor(before, "blk.0.attn_q.weight"), to = tensor(after, "blk.0.attn_q.weight");
        const int64_t n = from.ne[0] * from.ne[1];
        std::vector<float> values(static_cast<size_t>(n));
        ASSERT_EQ(ql_decode(from.dtype, from.data, n, 0, n, values.data()), QL_OK);
        std::vector<std::byte> expected(to.size);
        ASSERT_EQ(ql_encode_search(type, values.data(), n, expected.data()), QL_OK) << ql_error_message();
        EXPECT_EQ(std::memcmp(to.data, expected.data(), to.size), 0);
        ql_gguf_close(before), ql_gguf_close(after);
    }
}

TEST(Quantize, ATypeWithoutSearchIsRefusedByName) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf")), out = folder.path("out.gguf");
    for (const ql_dtype type : {QL_F16, QL_Q8_0, QL_Q4_1}) {
        const auto options = searching(type);
        EXPECT_EQ(ql_quantize(in.c_str(), out.c_str(), &options), QL_UNSUPPORTED);
        EXPECT_EQ(std::string(ql_error_message()), std::string("search: ") + ql_dtype_name(type) +
                                                       " has no search for its scales; q4_0, nf4 and nf4_dq have");
    }
    for (const int64_t search : {int64_t{2}, int64_t{-1}, INT64_MAX}) {
        auto options = searching(QL_NF4);
        options.search = search;
        EXPECT_EQ(ql_quantize(in.c_str(), out.c_str(), &options), QL_INVALID_ARGUMENT);
    }
    EXPECT_EQ(folder.names(), Names{"in.gguf"});
}

/// Rows of 128 and more elements than a thread converts at a time: nf4's planes span all of them.
TEST(Quantize, PlanesSpanTheTensorWhateverItsRows) {
    TemporaryFolder folder;
    TinyModelOptions large;
    large.n_embd = 128, large.n_ff = 768;
    const std::string in = write_tiny_model(folder.path("in.gguf"), large), out = folder.path("out.gguf");
    for (const ql_dtype type : {QL_NF4, QL_NF4_DQ, QL_Q4_0}) {
        ql_quantize_options options;
        ql_quantize_options_init(&options);
        options.type = type;
        ASSERT_EQ(ql_quantize(in.c_str(), out.c_str(), &options), QL_OK) << ql_error_message();
        ql_gguf *before = nullptr, *after = nullptr;
        ASSERT_EQ(ql_gguf_open(in.c_str(), &before), QL_OK);
        ASSERT_EQ(ql_gguf_open(out.c_str(), &after), QL_OK);
        for (const char * name : {"blk.0.ffn_up.weight", "blk.1.ffn_down.weight"}) {
            const ql_gguf_tensor from = tensor(before, name), to = tensor(after, name);
            ASSERT_EQ(from.dtype, QL_F32);
            std::vector<std::byte> expected(to.size);
            ASSERT_EQ(ql_encode(type, static_cast<const float *>(from.data), from.ne[0] * from.ne[1], expected.data()),
                      QL_OK);
            EXPECT_EQ(std::memcmp(to.data, expected.data(), to.size), 0) << name << " " << ql_dtype_name(type);
        }
        ql_gguf_close(before), ql_gguf_close(after);
    }
}

TEST(Quantize, NoTypeTakesWhatIsNoNumber) {
    TinyModelOptions nan;
    nan.nan_at = 5;
    for (const ql_dtype type : {QL_F32, QL_F16, QL_BF16, QL_Q8_0, QL_Q4_0, QL_NF4, QL_NF4_DQ}) {
        const Quantized q(type, nan);
        EXPECT_EQ(q.status, QL_NON_FINITE) << ql_dtype_name(type);
        EXPECT_NE(q.message.find("tensor 'blk.0.attn_q.weight': element 5 is nan"), std::string::npos) << q.message;
        EXPECT_EQ(q.folder.names(), Names{"in.gguf"});
    }
}

TEST(Quantize, NoTypeTakesWhatIsTooLarge) {
    TinyModelOptions large;
    large.value_scale = 1e9f;  // beyond f16, and beyond the 16-bit scale of a block
    for (const ql_dtype type : {QL_F16, QL_Q8_0, QL_Q4_0}) {
        const Quantized q(type, large);
        EXPECT_EQ(q.status, QL_NON_FINITE) << ql_dtype_name(type);
        EXPECT_NE(q.message.find("tensor 'blk.0.attn_v.weight': element"), std::string::npos) << q.message;
        EXPECT_NE(q.message.find("too large for"), std::string::npos) << q.message;
    }
    EXPECT_EQ(Quantized(QL_BF16, large).status, QL_OK);
}

}  // namespace
}  // namespace ql::test
