// Checkpoints whose linears are GPTQ's and AWQ's integers (tests/golden/packed): what their weights become holds the values
// that the format means, bit for bit.
#include <functional>

#include "convert/open_kept.hpp"
#include "models/convert/convert_directory.hpp"
#include "models/golden.hpp"
#include "ql/quantize.h"
#include "support/hf_folder.hpp"
#include "support/raw_safetensors.hpp"

namespace ql::test {
namespace {

std::vector<float> values_of(const Weight & w) {
    std::vector<float> values(static_cast<size_t>(w.elements()));
    EXPECT_EQ(ql_decode(w.dtype, w.data, w.elements(), 0, w.elements(), values.data()), QL_OK) << ql_error_message();
    return values;
}

struct PackedKind {
    const char * name;
    ql_dtype type;

    friend void PrintTo(const PackedKind & kind, std::ostream * out) { *out << kind.name; }
};

class Packed : public ::testing::TestWithParam<PackedKind> {
  protected:
    std::string path() const { return golden_path(std::string("packed/") + GetParam().name); }
    void expect_values(const Model & model) const {
        const SafeTensors expected = SafeTensors::open(path() + "/expected.safetensors");
        const std::string layer = "model.layers.0.";
        const Weight & q = *model.find("blk.0.attn_q.weight");
        EXPECT_EQ(values_of(q), to_gguf_rows(expected.f32(layer + "self_attn.q_proj.weight"), 4, 16, 64));
        EXPECT_EQ(values_of(*model.find("blk.0.attn_output.weight")), expected.f32(layer + "self_attn.o_proj.weight"));
        EXPECT_EQ(values_of(*model.find("blk.0.ffn_down.weight")), expected.f32(layer + "mlp.down_proj.weight"));
    }
};

TEST_P(Packed, HoldTheValuesThatTheIntegersMean) {
    const auto model = open_kept(path());
    ASSERT_TRUE(model);
    for (const std::string & name : model->linears()) EXPECT_EQ(model->find(name)->dtype, GetParam().type) << name;
    expect_values(*model);
    const bool in_f32 = GetParam().type == QL_F32;
    const std::vector<std::string> notes = {
        "7 matrices of integers are read as f32: inputs of one group are not next to each other (desc_act, or groups "
        "shorter than 32)"};
    EXPECT_EQ(model->notes(), in_f32 ? notes : std::vector<std::string>());
}

TEST_P(Packed, AreConverted) {
    const TemporaryFolder out;
    std::vector<std::string> notes;
    const auto on_note = [](void * user, const char * note) {
        static_cast<std::vector<std::string> *>(user)->emplace_back(note);
    };
    const ql_quantize_options options = {sizeof options, QL_BASE_KEEP, QL_BASE_AUTO, nullptr, &notes, 0, 0, nullptr, 0,
                                         on_note};
    const Status status = convert_directory(path(), out.path("m.gguf"), options);
    ASSERT_TRUE(status.ok()) << status.message();
    const auto model = open_kept(out.path("m.gguf"));
    ASSERT_TRUE(model);
    EXPECT_EQ(model->find("blk.0.attn_q.weight")->dtype, GetParam().type);
    expect_values(*model);
    EXPECT_EQ(notes[0].starts_with("7 matrices of integers"), GetParam().type == QL_F32) << notes[0];
}

INSTANTIATE_TEST_SUITE_P(, Packed,
                         ::testing::Values(PackedKind{"gptq", QL_Q4_0}, PackedKind{"gptq_v2", QL_Q5_0},
                                           PackedKind{"gptq_act", QL_F32}, PackedKind{"gptq_int8", QL_Q8_0},
                                           PackedKind{"awq", QL_Q5_0}),
                         [](const auto & info) { return std::string(info.param.name); });

/// A checkpoint in a folder of the test's own, in which something is changed.
class BadPacked : public ::testing::Test {
  protected:
    void copy(const std::string & kind) {
        for (const char * name : {"config.json", "model.safetensors"})
            std::filesystem::copy(golden_path("packed/" + kind + "/" + name), folder_.path(name),
                                  std::filesystem::copy_options::overwrite_existing);
        data_ = read_all(folder_.path("model.safetensors"));
        std::memcpy(&length_, data_.data(), sizeof length_);
        header_ = Json::parse(data_.substr(8, length_));
    }
    std::string message() const {
        const auto model = open_model(folder_.path(""), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        return model.ok() ? "accepted" : model.message();
    }
    void expect_refused(const std::string & part) const {
        EXPECT_NE(message().find(part), std::string::npos) << message();
    }
    void header(const std::function<void(Json &)> & change, const std::string & part) {
        Json json = header_;
        change(json);
        const std::string data = close_holes(json, data_.substr(8 + length_));
        folder_.write("model.safetensors", raw_safetensors(json.dump(), data));
        expect_refused(part);
    }
    /// A tensor's bytes, which `change` may change.
    void bytes(const std::string & tensor, const std::function<void(char *, size_t)> & change) {
        std::string data = data_;
        const Json & range = header_[tensor]["data_offsets"];
        change(data.data() + 8 + length_ + range[0].get<size_t>(), range[1].get<size_t>() - range[0].get<size_t>());
        folder_.write("model.safetensors", data);
    }
    void config(const std::function<void(Json &)> & change, const std::string & part) {
        Json json = Json::parse(read_all(golden_path("packed/gptq/config.json")));
        change(json["quantization_config"]);
        folder_.write("config.json", json.dump());
        expect_refused(part);
    }
    /// The tensor, of another shape, with as many bytes less.
    static void reshape(Json & tensor, const std::vector<int64_t> & shape, size_t less) {
        tensor["shape"] = shape;
        tensor["data_offsets"][1] = tensor["data_offsets"][1].get<size_t>() - less;
    }
    TemporaryFolder folder_;
    std::string data_;
    uint64_t length_ = 0;
    Json header_;
    const std::string k_ = "model.layers.0.self_attn.k_proj";  // 64 inputs, 32 outputs
};

TEST_F(BadPacked, TensorsAreRefusedByName) {
    copy("gptq");
    for (const char * end : {".qzeros", ".scales"})
        header([&](Json & h) { h.erase(k_ + end); }, k_ + end + "' is missing beside the codes");
    header([&](Json & h) { h.erase(k_ + ".qweight"); }, "but not the codes that it belongs to");
    header([&](Json & h) { h[k_ + ".qweight"]["dtype"] = "F32"; }, ".qweight' is F32, I32 is needed");
    header([&](Json & h) { h[k_ + ".qzeros"]["dtype"] = "U32"; }, ".qzeros' is U32, I32 is needed");
    header([&](Json & h) { reshape(h[k_ + ".qweight"], {256}, 0); }, ".qweight' is no matrix");
    header([&](Json & h) { reshape(h[k_ + ".qzeros"], {2, 3}, 8); }, ".qzeros' is [2, 3], [2, 4] is needed");
    header([&](Json & h) { reshape(h[k_ + ".scales"], {1, 32}, 64); }, ".scales' is [1, 32], [2, 32] is needed");
    header([&](Json & h) { reshape(h[k_ + ".g_idx"], {63}, 4); }, ".g_idx' must be I32 of 64 elements");
    header([&](Json & h) { reshape(h[k_ + ".qweight"], {7, 32}, 128); }, k_ + ".g_idx' must be I32 of 56 elements");
    const auto with_word = [&](const char * end, uint32_t word) {
        bytes(k_ + end, [&](char * at, size_t) { std::memcpy(at, &word, sizeof word); });
    };
    with_word(".g_idx", 2);
    expect_refused(".g_idx' has a group that is none of 2");
    with_word(".g_idx", static_cast<uint32_t>(-1));
    expect_refused(".g_idx' has a group that is none of 2");
    with_word(".qzeros", 0x7777777f);
    expect_refused(".qzeros' holds a zero point of 16 less 1, which this format cannot say");
    with_word(".scales", 0x7e00);
    expect_refused(".scales': holds a value that is no number");
}

TEST_F(BadPacked, AwqHasNoOrderOfInputs) {
    copy("awq");
    header(
        [&](Json & h) {
            h[k_ + ".g_idx"] = h[k_ + ".qzeros"];
            h.erase(k_ + ".qzeros");
        },
        ".qzeros' is missing");
    header(
        [&](Json & h) { h["model.layers.0.self_attn.x_proj.qweight"] = h[k_ + ".qweight"], h.erase(k_ + ".qweight"); },
        "but not the codes");
}

TEST_F(BadPacked, ABiasThatIsNotZeroIsNotPassedOver) {
    copy("gptq");
    EXPECT_EQ(message(), "accepted");
    bytes(k_ + ".bias", [](char * at, size_t) { at[1] = 0x3c; });
    expect_refused("k_proj.bias");
}

TEST_F(BadPacked, ConfigurationsAreRefused) {
    copy("gptq");
    config([](Json & c) { c["colour"] = "red"; }, "'colour'");
    config([](Json & c) { c["dynamic"] = {{"layers.0", {{"bits", 8}}}}; }, "'dynamic'");
    config([](Json & c) { c["bits"] = 3; }, "3 bits of GPTQ are not supported");
    config([](Json & c) { c["bits"] = "4"; }, "'bits' must be a whole number");
    config([](Json & c) { c.erase("bits"); }, "'bits'");
    config([](Json & c) { c["group_size"] = 0; }, "'group_size' must be -1 or from 1 on");
    config([](Json & c) { c["group_size"] = 31.5; }, "'group_size' must be -1 or from 1 on");
    config([](Json & c) { c["group_size"] = -1; }, ".scales' is [");
    config([](Json & c) { c["checkpoint_format"] = "marlin"; }, "format 'marlin' is not supported");
    config([](Json & c) { c["checkpoint_format"] = "gptq", c["format"] = "gptq_v2"; }, "contradicts");
    config([](Json & c) { c["pack_dtype"] = "int16"; }, "pack_dtype 'int16'");
    config([](Json & c) { c["quant_method"] = "awq"; }, ".scales' is [4, 64], [1, 512] is needed");
    config([](Json & c) { c["quant_method"] = "awq", c["zero_point"] = false; }, "AWQ without zero points");
    config([](Json & c) { c["quant_method"] = "awq", c["version"] = "GEMV"; }, "format 'gemv' is not supported");
    config([](Json & c) { c["quant_method"] = "hqq"; }, "quantised by 'hqq'");
}

}  // namespace
}  // namespace ql::test
