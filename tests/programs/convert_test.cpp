// ql-convert: a Hugging Face directory as a GGUF file, and everything that can be wrong with a directory: one line, exit code
// 2, nothing written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "programs/workspace.hpp"
#include "support/hf_folder.hpp"
#include "support/raw_safetensors.hpp"

namespace ql::test {
namespace {

class ConvertProgram : public ::testing::Test {
  protected:
    Json must(const std::string & program, const std::string & line) {
        const ProcessResult r = w_.run(program, line + " --json");
        EXPECT_EQ(r.code, 0) << r.err;
        return Json::parse(r.out, nullptr, false);
    }
    /// A broken directory: exit code 2, one line that holds `part`, and no file more or other than before.
    void expect_refused(const std::string & part, const std::string & line = "{hf} {out.gguf}") {
        const auto before = w_.content();
        const ProcessResult r = w_.run("ql-convert", line);
        SCOPED_TRACE(line + ": " + part + "\n" + r.err);
        EXPECT_EQ(r.code, 2);
        EXPECT_EQ(r.out, "");
        EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1);
        EXPECT_TRUE(r.err.starts_with("ql-convert: error: ") || r.err.starts_with("ql-convert: ")) << r.err;
        EXPECT_NE(r.err.find(part), r.err.npos);
        EXPECT_EQ(before, w_.content());
    }
    std::string file(const char * name) const { return w_.path("hf/" + std::string(name)); }
    Json json(const char * name) const { return Json::parse(read_all(file(name))); }
    /// The directory with a file that `change` was made to; then as it was.
    void with(const char * name, const std::function<void(Json &)> & change, const std::string & part) {
        const std::string before = read_all(file(name));
        Json changed = Json::parse(before);
        change(changed);
        write_json(file(name), changed);
        expect_refused(part);
        w_.write("hf/" + std::string(name), before);
    }
    Workspace w_;
};

TEST_F(ConvertProgram, KeepsTheModelAndSaysWhatItWrote) {
    w_.write("text.txt", std::string(400, 'a') + " the(quick)brown fox, jumps over");
    const Json json = must("ql-convert", "{hf} {out.gguf} --evaluate {text.txt}");
    EXPECT_EQ(json["file"], w_.path("out.gguf"));
    EXPECT_EQ(json["bytes_from"], json["bytes_to"]);
    EXPECT_EQ(json["evaluate"]["nll_before"], json["evaluate"]["nll_after"]);
    const Json one = must("ql-perplexity", "-m {hf} -f {text.txt}"),
               other = must("ql-perplexity", "-m {out.gguf} -f {text.txt}");
    EXPECT_EQ(one["nll"], other["nll"]);
}

TEST_F(ConvertProgram, TakesTypesAndReplacesAtTheEnd) {
    w_.write("out.gguf", "GGUF, an older file");
    EXPECT_LT(must("ql-convert", "{hf} {out.gguf} --type q8_0 --embeddings f16")["bytes_to"], 200000);
    EXPECT_EQ(w_.run("ql-chat", "-m {out.gguf} -p abc -n 2").code, 0);
    expect_refused("q5_1", "{hf} {out.gguf} --type q5_1");
    expect_refused("'colour'", "{hf} {out.gguf} --type colour");
    expect_refused("no search", "{hf} {out.gguf} --type f16 --search");
}

TEST_F(ConvertProgram, RefusesWhatIsNoDirectoryOfAModel) {
    expect_refused("no directory; ql-quantize rewrites", "{model.gguf} {out.gguf}");
    expect_refused("is no directory", "{nowhere} {out.gguf}");
    expect_refused("config.json", "{folder} {out.gguf}");
    expect_refused("directory", "{hf} {folder}");
    expect_refused("nowhere", "{hf} {nowhere/out.gguf}");
}

TEST_F(ConvertProgram, RefusesConfigurationsThatAreWrong) {
    for (const char * key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                             "vocab_size", "max_position_embeddings"}) {
        with(
            "config.json", [&](Json & c) { c.erase(key); }, key);
        for (const Json & wrong :
             {Json("many"), Json(-1), Json(1.5), Json(1e300), Json(uint64_t{1} << 40), Json::array({1})})
            with(
                "config.json", [&](Json & c) { c[key] = wrong; }, key);
    }
    with(
        "config.json", [](Json & c) { c.erase("model_type"); }, "model_type");
    with(
        "config.json", [](Json & c) { c["model_type"] = "qwen3_moe"; }, "experts");
    with(
        "config.json", [](Json & c) { c["model_type"] = "mamba"; }, "Mamba");
    with(
        "config.json", [](Json & c) { c["rms_norm_eps"] = "small"; }, "rms_norm_eps");
    with(
        "config.json", [](Json & c) { c["rms_norm_eps"] = -1; }, "epsilon");
    with(
        "config.json", [](Json & c) { c["hidden_act"] = "relu"; }, "hidden_act");
    with(
        "config.json", [](Json & c) { c["colour"] = "red"; }, "colour");
    with(
        "config.json", [](Json & c) { c["rope_parameters"]["rope_theta"] = -1; }, "rope_theta");
    with(
        "config.json", [](Json & c) { c["rope_parameters"]["rope_type"] = "round"; }, "'round'");
    with(
        "config.json",
        [](Json & c) {
            c["quantization_config"] = {{"quant_method", "gptq"}};
        },
        "quantiz");
}

TEST_F(ConvertProgram, RefusesConfigurationsThatContradictTheTensors) {
    with(
        "config.json", [](Json & c) { c["hidden_size"] = 32; }, "is needed");
    with(
        "config.json", [](Json & c) { c["num_hidden_layers"] = 2; }, "blk.2");
    with(
        "config.json", [](Json & c) { c["num_hidden_layers"] = 4; }, "blk.3");
    with(
        "config.json", [](Json & c) { c["vocab_size"] = 159; }, "token_embd");
    with(
        "config.json", [](Json & c) { c["intermediate_size"] = 64; }, "ffn_");
    with(
        "config.json", [](Json & c) { c["num_key_value_heads"] = 4; }, "attn_k");
    with(
        "config.json", [](Json & c) { c["head_dim"] = 8; }, "attn_");
    with(
        "config.json", [](Json & c) { c["attention_bias"] = true; }, "bias");
    with(
        "config.json", [](Json & c) { c["tie_word_embeddings"] = false; }, "lm_head.weight");
}

TEST_F(ConvertProgram, RefusesIndexFilesThatAreWrong) {
    std::filesystem::rename(file("model.safetensors"), file("a.safetensors"));
    expect_refused("model.safetensors");
    Json map = Json::object();
    const std::string data = read_all(file("a.safetensors"));
    uint64_t length = 0;
    std::memcpy(&length, data.data(), sizeof length);
    const Json header = Json::parse(data.substr(8, length));
    for (const auto & [name, entry] : header.items())
        if (name != "__metadata__") map[name] = "a.safetensors";
    const auto refused = [&](const Json & index, const std::string & part) {
        write_json(file("model.safetensors.index.json"), index);
        expect_refused(part);
    };
    const auto with_file = [&](const Json & name) {
        Json changed = map;
        changed.begin().value() = name;
        return Json{{"weight_map", changed}};
    };
    for (const Json & name : {Json("../hf/a.safetensors"), Json("/etc/passwd"), Json("x/a.safetensors"), Json(".."),
                              Json(""), Json(7), Json(nullptr), Json(std::string("a\0b", 3))})
        refused(with_file(name), "is not the name of a file in the same directory");
    refused(with_file("b.safetensors"), "b.safetensors");
    refused(Json::object(), "weight_map");
    refused({{"weight_map", Json::array()}}, "weight_map");
    refused({{"weight_map", Json::object()}}, "lists no tensors");
    map["model.layers.9.more.weight"] = "a.safetensors";
    refused({{"weight_map", map}}, "model.layers.9.more.weight");
    w_.write("hf/model.safetensors.index.json", "{");
    expect_refused("line 1");
}

/// The header of a safetensors file, changed.
std::string with_header(const std::string & data, const std::function<void(Json &)> & change) {
    uint64_t length = 0;
    std::memcpy(&length, data.data(), sizeof length);
    Json header = Json::parse(data.substr(8, length));
    change(header);
    const std::string rest = close_holes(header, data.substr(8 + length));
    return raw_safetensors(header.dump(), rest);
}

TEST_F(ConvertProgram, RefusesSafetensorsFilesThatAreWrong) {
    const std::string sound = read_all(file("model.safetensors"));
    const auto refused = [&](const std::string & data, const std::string & part) {
        w_.write("hf/model.safetensors", data);
        expect_refused(part);
    };
    const auto header = [&](const std::function<void(Json &)> & change, const std::string & part) {
        refused(with_header(sound, change), part);
    };
    const std::string q = "model.layers.0.self_attn.q_proj.weight";
    refused("", "too short");
    refused(sound.substr(0, 100), "header");
    refused(sound.substr(0, sound.size() - 4), "out of range");
    refused(std::string(8, '\xff') + sound.substr(8), "header");
    header([&](Json & h) { h.erase(q); }, "blk.0.attn_q.weight");
    header([&](Json & h) { h["model.layers.0.more.weight"] = h[q], h.erase(q); }, "more.weight");
    header([&](Json & h) { h[q]["dtype"] = "Q17"; }, "'Q17' is unknown");
    header([&](Json & h) { h[q]["dtype"] = "I32"; }, "must be F32, F16 or BF16");
    header([&](Json & h) { h[q]["dtype"] = 7; }, q);
    header([&](Json & h) { h[q].erase("shape"); }, q);
    header([&](Json & h) { h[q]["shape"] = {-64, 64}; }, q);
    header([&](Json & h) { h[q]["shape"] = {uint64_t{1} << 40, uint64_t{1} << 40}; }, "larger than any file");
    header([&](Json & h) { h[q]["shape"] = {32, 128}; }, "is needed");
    header([&](Json & h) { h[q]["shape"] = {4, 16, 64}; }, "one or two dimensions");
    header([&](Json & h) { h[q]["data_offsets"] = {16, 0}; }, "out of range");
    header([&](Json & h) { h[q]["data_offsets"] = h["model.embed_tokens.weight"]["data_offsets"]; }, "data_offsets");
    refused(raw_safetensors("[]", ""), "no JSON object");
    std::string nan = sound;
    std::fill(nan.end() - 4, nan.end(), '\xff');
    refused(nan, "element");
}

TEST_F(ConvertProgram, RefusesTokenizersThatAreWrong) {
    const auto model = [&](const std::function<void(Json &)> & change, const std::string & part) {
        with(
            "tokenizer.json", [&](Json & t) { change(t["model"]); }, part);
    };
    with(
        "tokenizer.json", [](Json & t) { t.erase("model"); }, "model");
    with(
        "tokenizer.json", [](Json & t) { t["colour"] = "red"; }, "colour");
    with(
        "tokenizer.json", [](Json & t) { t["added_tokens"] = 7; }, "added_tokens");
    with(
        "tokenizer.json", [](Json & t) { t["added_tokens"][0].erase("id"); }, "added token");
    with(
        "tokenizer.json", [](Json & t) { t["added_tokens"][0]["id"] = -1; }, "id");
    model([](Json & m) { m.erase("vocab"); }, "vocab");
    model([](Json & m) { m["vocab"]["a"] = -1; }, "no usable id");
    model([](Json & m) { m["vocab"]["a"] = uint64_t{1} << 60; }, "no usable id");
    model([](Json & m) { m["vocab"]["a"] = "7"; }, "no usable id");
    model([](Json & m) { m["vocab"]["a"] = 5; }, "the same id");
    model([](Json & m) { m["vocab"]["far"] = 160; }, "embedding has 160 rows");
    model([](Json & m) { m["merges"] = {7}; }, "merge 0");
    model([](Json & m) { m["type"] = "WordPiece"; }, "'WordPiece'");
    w_.write("hf/tokenizer.json", "{");
    expect_refused("tokenizer.json: line 1");
    std::filesystem::remove(file("tokenizer.json"));
    w_.write("hf/tokenizer.model", "no model");
    expect_refused("tokenizer.model");
}

TEST_F(ConvertProgram, RefusesGenerationSettingsThatAreWrong) {
    for (const Json & wrong : {Json("hot"), Json(-1), Json(1e200)}) {
        write_json(file("generation_config.json"), {{"do_sample", true}, {"temperature", wrong}});
        expect_refused("temperature");
    }
    w_.write("hf/generation_config.json", "[]");
    expect_refused("generation_config.json");
}

}  // namespace
}  // namespace ql::test
