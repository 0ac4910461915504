// ql-bench make-model: the models it writes are sound in every type, repeat with their seed, and can be measured on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "programs/workspace.hpp"
#include "ql/ql.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

class MakeModel : public testing::Test {
  protected:
    ProcessResult must(const std::string & line, const ProcessOptions & options = {}) const {
        ProcessResult r = workspace_.run("ql-bench", line, options);
        EXPECT_EQ(0, r.code) << show_command("ql-bench", workspace_.arguments(line)) << "\n" << r.err;
        return r;
    }
    Json must_json(const std::string & line) const {
        const ProcessResult r = must(line + " --json");
        const Json json = Json::parse(r.out, nullptr, false);
        EXPECT_FALSE(json.is_discarded()) << r.out << r.err;
        return json;
    }
    GgufPtr open(const std::string & name) const {
        GgufPtr file;
        EXPECT_EQ(QL_OK, ql_gguf_open(workspace_.path(name).c_str(), out(file))) << ql_error_message();
        return file;
    }
    std::string read(const std::string & name) const { return read_all(workspace_.path(name)); }
    /// One line that has all of `words`, exit code 1 or 2, nothing written.
    void expect_refused(const std::string & line, const std::vector<std::string> & words, int code) const {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run("ql-bench", line);
        SCOPED_TRACE(show_command("ql-bench", workspace_.arguments(line)) + "\n" + r.err);
        EXPECT_EQ(code, r.code);
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n'));
        EXPECT_TRUE(r.err.starts_with("ql-bench: error: "));
        for (const std::string & word : words) EXPECT_NE(r.err.npos, r.err.find(word)) << "should name " << word;
        EXPECT_EQ(before, workspace_.content());
    }
    Workspace workspace_;
};

std::vector<float> decode(const ql_gguf_tensor & t) {
    std::vector<float> values(static_cast<size_t>(t.ne[0] * t.ne[1]));
    const auto n = static_cast<int64_t>(values.size());
    EXPECT_EQ(QL_OK, ql_decode(t.dtype, t.data, n, 0, n, values.data())) << t.name << ": " << ql_error_message();
    return values;
}

/// Root mean square; NaN and Inf come through.
double size_of(const std::vector<float> & values) {
    double sum = 0;
    for (const float v : values) sum += static_cast<double>(v) * static_cast<double>(v);
    return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST_F(MakeModel, WritesSoundWeightsInEveryType) {
    for (int64_t i = 0; i < ql_dtype_count(); ++i) {
        ql_dtype dtype = QL_F32;
        ASSERT_EQ(QL_OK, ql_dtype_at(i, &dtype));
        if (!ql_dtype_is_weight(dtype)) continue;
        const std::string type = ql_dtype_name(dtype);
        SCOPED_TRACE(type);
        const std::string shape = ql_dtype_block_length(dtype) > 64 ? "tiny-wide" : "tiny";
        const Json json = must_json("make-model --shape " + shape + " --type " + type + " -o {made.gguf}");
        EXPECT_EQ(std::filesystem::file_size(workspace_.path("made.gguf")), json["bytes"].get<uint64_t>());
        EXPECT_EQ(type, json["type"].get<std::string>());
        const GgufPtr file = open("made.gguf");
        ASSERT_TRUE(file);
        int64_t n_parameters = 0;
        for (int64_t i = 0; i < ql_gguf_n_tensors(file.get()); ++i) {
            ql_gguf_tensor t{};
            ASSERT_EQ(QL_OK, ql_gguf_tensor_at(file.get(), i, &t));
            const std::vector<float> values = decode(t);
            n_parameters += static_cast<int64_t>(values.size());
            const bool norm = t.n_dims == 1, of_block = std::string(t.name).starts_with("blk.");
            EXPECT_EQ(norm ? "f32" : of_block ? type : "q8_0", std::string(ql_dtype_name(t.dtype))) << t.name;
            EXPECT_NEAR(size_of(values), norm ? 1 : 0.02, norm ? 0 : 0.002) << t.name;
        }
        EXPECT_EQ(n_parameters, json["parameters"].get<int64_t>());
    }
}

TEST_F(MakeModel, MatricesDiffer) {
    must("make-model --shape tiny --type nf4_dq -o {made.gguf}");
    const GgufPtr file = open("made.gguf");
    ASSERT_TRUE(file);
    std::set<std::string> seen;
    int matrices = 0;
    for (int64_t i = 0; i < ql_gguf_n_tensors(file.get()); ++i) {
        ql_gguf_tensor t{};
        ASSERT_EQ(QL_OK, ql_gguf_tensor_at(file.get(), i, &t));
        if (t.n_dims != 2) continue;
        ++matrices;
        seen.emplace(static_cast<const char *>(t.data), t.size);
    }
    EXPECT_EQ(15, matrices);
    EXPECT_EQ(15u, seen.size());
}

TEST_F(MakeModel, TheSeedDecides) {
    must("make-model --shape tiny -o {a.gguf} --seed 7");
    must("make-model --shape tiny -o {b.gguf} --seed 7");
    must("make-model --shape tiny -o {c.gguf} --seed 8");
    EXPECT_TRUE(read("a.gguf") == read("b.gguf"));
    EXPECT_FALSE(read("a.gguf") == read("c.gguf"));
}

TEST_F(MakeModel, CanBeMeasuredOn) {
    must("make-model --shape tiny -o {made.gguf}");
    const Json infer = must_json("infer -m {made.gguf} --prompt 16 --generate 4 --repeats 1 -t 1");
    ASSERT_EQ(2u, infer.size());
    EXPECT_EQ("prompt_16", infer[0]["name"]);
    EXPECT_GT(infer[0]["median"].get<double>(), 0);
}

TEST_F(MakeModel, TakesTheShapeOfAConfig) {
    const std::string common =
        R"("hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,)"
        R"("intermediate_size":128,"vocab_size":300,"max_position_embeddings":4096,)";
    workspace_.write("qwen3.json", "{" + common + R"("model_type":"qwen3","head_dim":32,"tie_word_embeddings":true})");
    workspace_.write("qwen2.json", "{" + common + R"("model_type":"qwen2","use_sliding_window":false})");
    for (const std::string name : {"qwen3", "qwen2"}) {
        const Json made = must_json("make-model --shape {" + name + ".json} -o {" + name + ".gguf}");
        EXPECT_EQ(name, made["shape"].get<std::string>());
        const Json infer = must_json("infer -m {" + name + ".gguf} --prompt 16 --generate 4 --repeats 1 -t 1");
        EXPECT_GT(infer[0]["median"].get<double>(), 0);
    }
    const auto refused = [&](const std::string & fields, const std::vector<std::string> & words) {
        workspace_.write("bad.json", "{" + common + fields + "}");
        expect_refused("make-model --shape {bad.json} -o {out.gguf}", words, 2);
    };
    refused(R"("model_type":"mamba")", {"mamba", "qwen3", "mixtral"});
    refused(R"("model_type":"mixtral")", {"num_local_experts"});
    refused(R"("model_type":"mixtral","num_local_experts":4,"num_experts_per_tok":5)", {"num_experts_per_tok", "4"});
    refused(R"("model_type":"qwen3","num_experts":8)", {"num_experts"});
    refused(R"("model_type":"llama","num_key_value_heads":3)", {"line 1"});
    refused(R"("model_type":"llama","head_dim":7)", {"head_dim"});
    refused(R"("model_type":"llama","rope_theta":-1)", {"rope_theta"});
    workspace_.write("bad.json", R"({"model_type":"llama"})");
    expect_refused("make-model --shape {bad.json} -o {out.gguf}", {"num_hidden_layers"}, 2);
    expect_refused("make-model --shape {none.json} -o {out.gguf}", {"none.json"}, 2);
}

/// Experts of a layer are one tensor of three dimensions; what a model of this engine lacks is said by name.
TEST_F(MakeModel, MakesMixturesOfExperts) {
    workspace_.write("mixtral.json", R"({"model_type":"mixtral","hidden_size":64,"num_hidden_layers":2,)"
                                     R"("num_attention_heads":4,"intermediate_size":128,"vocab_size":300,)"
                                     R"("num_local_experts":4,"num_experts_per_tok":2,"router_aux_loss_coef":0.02})");
    const struct {
        std::string shape, architecture;
        int64_t n_ff;
    } mixtures[] = {{"tiny-moe", "qwen3moe", 64}, {"{mixtral.json}", "llama", 128}};
    for (const auto & mixture : mixtures) {
        SCOPED_TRACE(mixture.shape);
        must("make-model --shape " + mixture.shape + " -o {made.gguf}");
        const GgufPtr file = open("made.gguf");
        ASSERT_TRUE(file);
        int64_t experts = 0;
        EXPECT_EQ(QL_OK, ql_gguf_get_int(file.get(), (mixture.architecture + ".expert_count").c_str(), &experts));
        EXPECT_EQ(4, experts);
        const std::vector<int64_t> up = {64, mixture.n_ff, 4}, down = {mixture.n_ff, 64, 4};
        for (const auto & [name, ne] : {std::pair("gate", up), {"up", up}, {"down", down}}) {
            ql_gguf_tensor t{};
            ASSERT_EQ(QL_OK,
                      ql_gguf_find_tensor(file.get(), ("blk.1.ffn_" + std::string(name) + "_exps.weight").c_str(), &t));
            EXPECT_EQ(3, t.n_dims);
            EXPECT_EQ(ne, std::vector<int64_t>(t.ne, t.ne + 3)) << t.name;
        }
        ql_gguf_tensor router{};
        ASSERT_EQ(QL_OK, ql_gguf_find_tensor(file.get(), "blk.0.ffn_gate_inp.weight", &router));
        EXPECT_EQ(QL_F32, router.dtype);
        const ProcessResult r = workspace_.run("ql-bench", "infer -m {made.gguf} --prompt 4 --generate 1");
        EXPECT_EQ(2, r.code);
        EXPECT_NE(r.err.npos, r.err.find("expert")) << r.err;
    }
}

TEST_F(MakeModel, TypesThatCanOnlyBeReadAreMeasured) {
    must("make-model --shape tiny-wide --type iq3_s -o {made.gguf}");
    const Json train = must_json("train -m {made.gguf} --base-type keep --ctx 32 --steps 1 -t 1");
    ASSERT_EQ(1u, train.size());
    EXPECT_TRUE(train[0]["shape"].get<std::string>().starts_with("iq3_s")) << train;
    const Json op = must_json("op mul_mat --type iq1_m --shape 256,64,16 -t 1");
    ASSERT_EQ(1u, op.size());
    EXPECT_TRUE(op[0]["shape"].get<std::string>().starts_with("iq1_m")) << op;
    EXPECT_GT(op[0]["median"].get<double>(), 0);
}

TEST_F(MakeModel, TrainsOnALongContextAndTellsItsMemory) {
    must("make-model --shape tiny -o {made.gguf}");
    const ProcessResult r = must("train -m {made.gguf} --base-type keep --ctx 4096 --steps 1 -t 1 -v --json");
    const Json json = Json::parse(r.out, nullptr, false);
    ASSERT_TRUE(json.is_array() && json.size() == 1) << r.out;
    EXPECT_EQ("train_4096", json[0]["name"]);
    EXPECT_TRUE(json[0]["shape"].get<std::string>().starts_with("nf4_dq"));
    const size_t at = r.err.find("peak_rss_bytes ");
    ASSERT_NE(r.err.npos, at) << r.err;
    const double bytes = std::stod(r.err.substr(at + 15));
    EXPECT_GT(bytes, 4096.0 * 64 * 4);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these sanitizers keep freed memory
    EXPECT_LT(bytes, 256.0 * 1024 * 1024) << "the buffers of the bandwidth measurement are no part of it";
#endif
    expect_refused("train -m {made.gguf} --ctx 8193 -v", {"--ctx", "8192"}, 2);
}

TEST_F(MakeModel, WhatCannotBeMadeIsRefused) {
    expect_refused("make-model --shape llama-2b -o {out.gguf}", {"--shape", "llama-2b", "llama-1.1b"}, 2);
    expect_refused("make-model --shape tiny --type q3 -o {out.gguf}", {"q3", "nf4_dq"}, 2);
    expect_refused("make-model --shape tiny --type q6_K -o {out.gguf}", {"tiny", "rows of 64", "q6_K", "256"}, 2);
    expect_refused("make-model --shape tiny --type i8 -o {out.gguf}", {"i8", "no type of weights"}, 2);
    expect_refused("make-model -o {out.gguf}", {"--shape"}, 2);
    expect_refused("make-model --shape tiny", {"-o"}, 2);
    expect_refused("make-model --shape tiny -o {missing/out.gguf}", {"missing"}, 2);
    expect_refused("make-model --shape tiny -o {folder}", {"folder"}, 2);
    expect_refused("make-model --shape tiny -o {out.gguf} --seed x", {"--seed"}, 2);
}

TEST_F(MakeModel, InterruptedLeavesAnOlderFile) {
    workspace_.write("out.gguf", "GGUF, an older file");
    const auto before = workspace_.content();
    ProcessOptions options;
    options.interrupt_at = "token_embd.weight";
    const ProcessResult r = workspace_.run("ql-bench", "make-model --shape llama-1.1b -o {out.gguf} -v", options);
    EXPECT_EQ(130, r.code) << r.err;
    EXPECT_EQ("", r.out);
    EXPECT_TRUE(r.err.ends_with("ql-bench: interrupted\n")) << r.err;
    EXPECT_EQ(before, workspace_.content());
}

}  // namespace
}  // namespace ql::test
