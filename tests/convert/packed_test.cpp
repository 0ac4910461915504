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
        config_ = Json::parse(read_all(folder_.path("config.json")));
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
        Json json = config_;
        change(json["quantization_config"]);
        folder_.write("config.json", json.dump());
        expect_refused(part);
    }
    void config_key(const char * key, const std::vector<Json> & values, const std::string & part) {
        for (const Json & value : values) {
            SCOPED_TRACE(std::string(key) + ": " + value.dump());
            config([&](Json & c) { c[key] = value; }, part);
        }
    }
    /// The tensor, of another shape, with as many bytes less.
    static void reshape(Json & tensor, const std::vector<int64_t> & shape, size_t less) {
        tensor["shape"] = shape;
        tensor["data_offsets"][1] = tensor["data_offsets"][1].get<size_t>() - less;
    }
    TemporaryFolder folder_;
    Json config_;
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
    config([](Json & c) { c["quant_method"] = "awq"; }, ".scales' is [4, 64], [1, 512] is needed for groups of 32");
    config([](Json & c) { c["quant_method"] = "awq", c["zero_point"] = false; }, "AWQ without zero points");
    config([](Json & c) { c["quant_method"] = "awq", c["version"] = "GEMV"; }, "format 'gemv' is not supported");
    config([](Json & c) { c["quant_method"] = "hqq"; }, "quantised by 'hqq'");
}

TEST_F(BadPacked, EveryKeyOfAnotherTypeOrSizeIsRefusedByName) {
    const std::vector<Json> no_text = {7, -7, 1e300, true, {1}, {{"a", 1}}};
    const std::vector<Json> no_size = {"x", "", true, {4}, {{"a", 1}}, 4.5, -7, 1e300, INT64_MAX, UINT64_MAX};
    const std::vector<Json> no_flag = {"x", 7, -7, 1e300, {true}, {{"a", 1}}};
    for (const char * kind : {"gptq", "awq"}) {
        copy(kind);
        for (const char * key : {"quant_method", "format", "checkpoint_format", "version", "pack_dtype"})
            config_key(key, no_text, "quantization_config: '" + std::string(key) + "' must be a string, got ");
        config_key("bits", no_size, "quantization_config: 'bits' ");
        config_key("group_size", no_size, "quantization_config: 'group_size' must be ");
        config_key("bits", {0, 2, 5, 16, 64, INT32_MAX}, " bits of ");
        config_key("group_size", {16, 64, 1 << 20}, "is needed for groups of ");
        config_key("quant_method", {nullptr, ""}, "quantised by ''");
        config([](Json & c) { c.erase("group_size"); }, "is needed for groups of 128");
        for (const Json & value : {Json("x"), Json(7), Json(-7), Json(1e300), Json(false), Json::array({1})}) {
            config([&](Json & c) { c = value; }, "'quantization_config' must be an object, got ");
        }
        config([](Json & c) { c = nullptr; }, "config.json has no quantization_config");
        config([](Json & c) { c = Json::object(); }, "quantised by ''");
    }
    config_key("zero_point", no_flag, "quantization_config: 'zero_point' must be true or false, got ");
    config([](Json & c) { c["w_bit"] = 4, c["bits"] = 4; }, "'w_bit' is not known here");
    config([](Json & c) { c.erase("bits"), c["w_bit"] = "4"; }, "'w_bit' must be a whole number");
    config([](Json & c) { c.erase("group_size"), c["q_group_size"] = -7; }, "'q_group_size' must be -1 or from 1 on");
}

TEST_F(BadPacked, EveryTensorOfAnotherTypeOrShapeIsRefusedByName) {
    for (const char * kind : {"gptq", "awq"}) {
        copy(kind);
        for (const char * end : {".qweight", ".qzeros", ".scales"}) {
            const std::string name = k_ + end;
            const std::vector<int64_t> shape = header_[name]["shape"];
            const bool words = std::string_view(end) != ".scales";
            const auto with = [&](const Json & value, const char * part) {
                SCOPED_TRACE(name + ": " + value.dump());
                header([&](Json & h) { h[name]["shape"] = value; }, part);
            };
            with({shape[1], shape[0]}, std::string_view(end) == ".qweight" ? k_.c_str() : name.c_str());
            with({shape[0] * shape[1]}, name.c_str());
            with({shape[0], shape[1], 1}, name.c_str());
            with({-shape[0], -shape[1]}, name.c_str());
            with({shape[0], int64_t{1} << 40}, name.c_str());
            with({INT64_MAX, INT64_MAX}, name.c_str());
            with("[8, 32]", name.c_str());
            with(nullptr, name.c_str());
            for (const char * dtype : {"I64", "F64", "BOOL", "X", ""})
                header([&](Json & h) { h[name]["dtype"] = dtype; }, name);
            if (words) header([&](Json & h) { h[name]["dtype"] = "F32"; }, "' is F32, I32 is needed");
        }
    }
}

TEST_F(BadPacked, TheFileOfOlderPackersIsRead) {
    for (const auto & [kind, file] : {std::pair{"gptq", "quantize_config.json"}, {"awq", "quant_config.json"}}) {
        copy(kind);
        Json older = config_["quantization_config"], config = config_;
        config.erase("quantization_config");
        folder_.write("config.json", config.dump());
        expect_refused("config.json has no quantization_config, and there is no quantize_config.json");
        older.erase("quant_method");
        folder_.write(file, older.dump());
        EXPECT_EQ(message(), "accepted");
        older["bits"] = "4";
        folder_.write(file, older.dump());
        expect_refused(std::string(file) + ": 'bits' must be a whole number");
        older["quant_method"] = "marlin";
        folder_.write(file, older.dump());
        expect_refused(std::string(file) + ": weights that 'marlin' has made integers are not supported");
        folder_.write(file, "{");
        expect_refused(std::string(file) + ": line 1");
        folder_.write("config.json", config_.dump());
        EXPECT_EQ(message(), "accepted") << "config.json counts";
        std::filesystem::remove(folder_.path(file));
    }
}

}  // namespace
}  // namespace ql::test
