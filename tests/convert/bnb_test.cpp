// Checkpoints that bitsandbytes quantised (tests/golden/bnb): what their weights become, and PyTorch's logits of them.
#include <functional>

#include "convert/open_kept.hpp"
#include "models/convert/convert_directory.hpp"
#include "models/golden.hpp"
#include "ql/quantize.h"
#include "support/hf_folder.hpp"
#include "support/raw_safetensors.hpp"

namespace ql::test {
namespace {

struct Kind {
    const char * name;
    ql_dtype q, output,
        down;  // attn_q, whose rows a llama file orders anew; attn_output; ffn_down, whose rows may be short

    friend void PrintTo(const Kind & kind, std::ostream * out) { *out << kind.name; }
};

class Bnb : public ::testing::TestWithParam<Kind> {
  protected:
    std::string path() const { return golden_path(std::string("bnb/") + GetParam().name); }
    void expect_golden_logits(const Model & model) const {
        const SafeTensors expected = SafeTensors::open(path() + "/expected.safetensors");
        const DevicePtr device(open_cpu(QL_COMPUTE_F32));
        EXPECT_LE(nmse(logits_of(model, device.get(), expected.i32("input_ids")), expected.f32("logits")), 1e-9);
    }
};

TEST_P(Bnb, LogitsEqualThoseOfDequantisedWeights) {
    const auto model = open_kept(path());
    ASSERT_TRUE(model);
    EXPECT_EQ(model->find("blk.0.attn_q.weight")->dtype, GetParam().q);
    EXPECT_EQ(model->find("blk.1.attn_output.weight")->dtype, GetParam().output);
    EXPECT_EQ(model->find("blk.1.ffn_down.weight")->dtype, GetParam().down);
    expect_golden_logits(*model);
}

TEST_P(Bnb, AreConverted) {
    const TemporaryFolder out;
    for (const int64_t type : {int64_t{QL_BASE_KEEP}, int64_t{QL_F32}}) {
        const ql_quantize_options options = {sizeof options, type, QL_BASE_AUTO, nullptr, nullptr, 0, 0,
                                             nullptr,        0,    nullptr};
        const Status status = convert_directory(path(), out.path("m.gguf"), options);
        ASSERT_TRUE(status.ok()) << status.message();
        const auto model = open_kept(out.path("m.gguf"));
        ASSERT_TRUE(model);
        EXPECT_EQ(model->find("blk.0.attn_q.weight")->dtype, type == QL_F32 ? QL_F32 : GetParam().q);
        expect_golden_logits(*model);
    }
}

INSTANTIATE_TEST_SUITE_P(, Bnb,
                         ::testing::Values(Kind{"nf4", QL_NF4, QL_NF4, QL_F32},
                                           Kind{"nf4_dq", QL_NF4, QL_NF4_DQ, QL_NF4_DQ},
                                           Kind{"fp4_dq", QL_FP4, QL_FP4, QL_FP4},
                                           Kind{"int8", QL_F32, QL_F32, QL_F32}),
                         [](const auto & info) { return std::string(info.param.name); });

/// A checkpoint in a folder of the test's own, whose header is changed.
class BadBnb : public ::testing::Test {
  protected:
    void copy(const std::string & kind) {
        for (const char * name : {"config.json", "model.safetensors"})
            std::filesystem::copy(golden_path("bnb/" + kind + "/" + name), folder_.path(name),
                                  std::filesystem::copy_options::overwrite_existing);
        data_ = read_all(folder_.path("model.safetensors"));
    }
    void expect_refused(const std::string & data, const std::string & part) {
        folder_.write("model.safetensors", data);
        const auto model = open_model(folder_.path(""), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        ASSERT_FALSE(model.ok()) << part;
        EXPECT_NE(model.message().find(part), std::string::npos) << model.message();
    }
    void header(const std::function<void(Json &)> & change, const std::string & part) {
        uint64_t length = 0;
        std::memcpy(&length, data_.data(), sizeof length);
        Json json = Json::parse(data_.substr(8, length));
        change(json);
        const std::string data = close_holes(json, data_.substr(8 + length));
        expect_refused(raw_safetensors(json.dump(), data), part);
    }
    /// The tensor, shorter by so many bytes: of shape [n].
    static void cut(Json & tensor, int64_t n, size_t bytes) {
        tensor["shape"] = {n};
        tensor["data_offsets"][1] = tensor["data_offsets"][1].get<size_t>() - bytes;
    }
    /// A text of the data by another of the same length.
    void text(const std::string & from, const std::string & to, const std::string & part) {
        ASSERT_EQ(from.size(), to.size());
        std::string changed = data_;
        const size_t at = changed.find(from);
        ASSERT_NE(at, changed.npos) << from;
        changed.replace(at, from.size(), to);
        expect_refused(changed, part);
    }
    TemporaryFolder folder_;
    std::string data_;
    const std::string k_ = "model.layers.0.self_attn.k_proj.weight";
};

TEST_F(BadBnb, OfFourBitsAreRefused) {
    copy("nf4_dq");
    const std::string state = k_ + ".quant_state.bitsandbytes__nf4";
    for (const char * end : {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"})
        header([&](Json & h) { h.erase(k_ + end); }, k_ + end + "' is missing");
    header([&](Json & h) { h.erase(state); }, "must be F32, F16 or BF16");
    header([&](Json & h) { h.erase(k_); }, "but not the quantised weight");
    header([&](Json & h) { cut(h[k_ + ".quant_map"], 15, 4); }, "15 values, 16 are needed");
    header([&](Json & h) { cut(h[k_ + ".absmax"], 31, 1); }, "a byte for each block");
    header([&](Json & h) { cut(h[k_], 1023, 1); }, "1023 bytes, its shape of [32, 64] needs 1024");
    text("\"blocksize\": 64", "\"blocksize\": -4", "'blocksize' must be");
    text("\"shape\": [32, 64]", "\"shape\": [32, -1]", "'shape' must be two sizes");
    text("\"shape\": [32, 64]", "\"shape\": 3264    ", "'shape' must be two sizes");
    text("\"nested_offset\"", "\"nested_offsat\"", "'nested_offset' must be a number");
    text("{\"quant_type\"", "[\"quant_type\"", "bitsandbytes__nf4': line 1");
}

TEST_F(BadBnb, OfEightBitsAreRefused) {
    copy("int8");
    const std::string scales = "model.layers.0.self_attn.k_proj.SCB",
                      format = "model.layers.0.self_attn.k_proj.weight_format";
    header([&](Json & h) { cut(h[scales], 31, 4); }, "31 values, 32 are needed");
    header([&](Json & h) { h.erase(scales); }, "must be F32, F16 or BF16");
    header([&](Json & h) { h[k_]["dtype"] = "U8"; }, "must be a matrix of I8");
    uint64_t length = 0;
    std::memcpy(&length, data_.data(), sizeof length);
    const Json json = Json::parse(data_.substr(8, length));
    std::string changed = data_;
    changed[8 + length + json[format]["data_offsets"][0].get<size_t>()] = 1;
    expect_refused(changed, "only format 0");
}

}  // namespace
}  // namespace ql::test
