// Writes sound inputs for every fuzz target, a few kilobytes each, as the engine and the tests' builders make them.
//   ql_fuzz_make_corpus FOLDER
// Files of the same name are replaced: if a format changes, run it over tests/fuzz/corpus.
#include <filesystem>
#include <memory>

#include "fuzz/training.hpp"
#include "gguf/builder.hpp"
#include "models/text/chat_template.hpp"
#include "ql/models.hpp"
#include "support/hf_folder.hpp"
#include "support/raw_safetensors.hpp"

namespace {

using namespace ql::fuzz;
namespace fs = std::filesystem;

class Corpus {
  public:
    explicit Corpus(fs::path root) : root_(std::move(root)) {}

    void add(const char * target, const char * name, const std::string & bytes) const {
        fs::create_directories(root_ / target);
        std::ofstream(root_ / target / name, std::ios::binary) << bytes;
    }
    void add_file(const char * target, const char * name, const std::string & path) const {
        add(target, name, ql::test::read_all(path));
    }

  private:
    fs::path root_;
};

void gguf(const Corpus & corpus) {
    ql::test::Bytes small;
    small.header(3, 2, 4)
        .string_key("general.architecture", "llama")
        .key<uint32_t>("general.alignment", QL_GGUF_U32, 32);
    small.array_key("list", QL_GGUF_STRING, 2).string("a").string("bc").key<float>("x", QL_GGUF_F32, 0.5f);
    small.tensor("one", {4, 2}, QL_F32, 0).tensor("two", {32}, QL_Q8_0, 32).pad(32).raw(std::string(96, 'd'));
    corpus.add("gguf", "by-hand", small.data);
    ql::test::Bytes v2;
    v2.header(2, 1, 1)
        .string_key("general.type", "model")
        .tensor("nf4", {64}, QL_NF4, 0)
        .pad(32)
        .raw(std::string(128, 'e'));
    corpus.add("gguf", "version-2", v2.data);
}

void models(const Corpus & corpus) {
    ql::test::TinyModelOptions options = small_options();
    options.n_embd = 8, options.n_ff = 8;  // 16 KiB, most of it the vocabulary
    const std::string path = folder().path("corpus.gguf");
    corpus.add_file("model", "tiny", ql::test::write_tiny_model(path, options));
    options.tokenizer = false, options.tied = false, options.dtype = QL_F16;
    corpus.add_file("model", "no-tokenizer", ql::test::write_tiny_model(path, options));
}

void adapters(const Corpus & corpus) {
    static const ql_model * const model = open_small_model();
    const ql::AdapterPtr adapter(new_adapter(model));
    must(ql_adapter_save(adapter.get(), folder().path("adapter.gguf").c_str()), "ql_adapter_save");
    must(ql_adapter_save_peft(adapter.get(), folder().path("peft").c_str()), "ql_adapter_save_peft");
    corpus.add_file("adapter", "new", folder().path("adapter.gguf"));
    corpus.add_file("gguf", "adapter", folder().path("adapter.gguf"));
    corpus.add_file("peft_config", "new", folder().path("peft/adapter_config.json"));
    corpus.add_file("safetensors", "adapter", folder().path("peft/adapter_model.safetensors"));
    corpus.add(
        "peft_config", "unknown-fields",
        R"({"peft_type": "LORA", "r": 1, "lora_alpha": 16, "target_modules": "model.*q_proj|x", "new_field": {"x": [1, 2.5]},
 "use_other": false, "modules_to_save": [], "target_parameters": null, "rank_pattern": {}, "alpha_pattern": {"q_proj": 0.1}})");
    corpus.add(
        "peft_config", "patterns",
        R"({"peft_type": "LORA", "r": 1, "lora_alpha": 16.0, "bias": "none", "use_dora": false, "use_rslora": true,
 "fan_in_fan_out": false, "rank_pattern": {"layers.0.*q_proj": 1}, "alpha_pattern": {"^model.layers.\\d+.self_attn": 4},
 "modules_to_save": null, "init_lora_weights": true, "target_modules": ["q_proj"], "layers_to_transform": null,
 "base_model_name_or_path": "some/llama", "task_type": "CAUSAL_LM"})");
}

void checkpoints(const Corpus & corpus) {
    static const Training training;
    ql_adapter * adapter = new_adapter(training.model);
    const std::string to = folder().path("checkpoints");
    ql_trainer * trainer = nullptr;
    must(training.create(adapter, Training::options(to), &trainer), "ql_trainer_create");
    must(ql_trainer_run(trainer), "ql_trainer_run");
    corpus.add_file("checkpoint", "first-step", to + "/step-00000001.gguf");
    corpus.add_file("checkpoint", "last-step", to + "/step-00000002.gguf");
    ql_trainer_free(trainer);
    ql_adapter_free(adapter);
}

void hugging_face(const Corpus & corpus) {
    corpus.add_file("config", "llama", QL_SOURCE_DIR "/tests/golden/arch/llama/config.json");
    corpus.add_file("config", "llama3-rope", QL_SOURCE_DIR "/tests/golden/arch/llama3_rope/config.json");
    ql::test::SafeTensorsMaker maker;
    maker.add("model.norm.weight", {4}, {1, 2, 3, 4});
    maker.add("half", "F16", {2, 2}, std::string(8, '\x3c'));
    maker.add("bytes", "U8", {3}, "abc");
    corpus.add("safetensors", "three-types", maker.file());
    corpus.add("tokenizer_json", "byte-level",
               R"({"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
 "added_tokens": [{"id": 6, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": true, "normalized": false, "special": true},
  {"id": 7, "content": "@user", "single_word": true, "lstrip": true, "rstrip": false, "normalized": true, "special": false}],
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
 "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
  "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [6], "tokens": ["<s>"]}}},
 "decoder": {"type": "ByteLevel"},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
  "fuse_unk": false, "byte_fallback": false, "ignore_merges": true, "vocab": {"a": 0, "b": 1, "c": 2, "\u0120": 3, "ab": 4, "abc": 5},
  "merges": ["a b", ["ab", "c"]]}})");
    corpus.add(
        "tokenizer_json", "split-digits",
        R"({"added_tokens": [], "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
 {"type": "Digits", "individual_digits": true},
 {"type": "Split", "pattern": {"Regex": "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"}, "behavior": "Isolated", "invert": false},
 {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
 "model": {"type": "BPE", "vocab": {"a": 0, "1": 1, "2": 2, "12": 3}, "merges": ["1 2"]}})");
}

void unigram(const Corpus & corpus) {
    corpus.add(
        "tokenizer_json", "unigram",
        R"({"added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 5, "content": "<s>", "special": true}],
 "normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": false, "strip_right": true},
  {"type": "Precompiled", "precompiled_charsmap": "CAAAAAAEAAAAAAAAYgA="},
  {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
  {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": true}]},
 "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": true},
 "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
  "vocab": [["<unk>", 0], ["\u2581", -2.5], ["a", -3], ["b", -3.25], ["\u2581ab", -4]]}})");
}

/// A quantised weight of two rows, and what bitsandbytes writes beside it.
void quantised(const Corpus & corpus) {
    using ql::test::bytes_of;
    ql::test::SafeTensorsMaker four, eight;
    const std::string w = "w.weight";
    const std::string state =
        R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [2, 64], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.2})";
    four.add(w, "U8", {64, 1}, std::string(64, '\x5a'));
    four.add(w + ".absmax", "U8", {2}, "ab");
    four.add(w + ".quant_map", {16}, std::vector<float>(16, 0.5f));
    four.add(w + ".nested_absmax", {1}, {0.25f});
    four.add(w + ".nested_quant_map", {256}, std::vector<float>(256, 0.5f));
    four.add(w + ".quant_state.bitsandbytes__nf4", "U8", {static_cast<int64_t>(state.size())}, state);
    eight.add(w, "I8", {2, 3}, "abcdef");
    eight.add("w.SCB", {2}, {1, 2});
    eight.add("w.weight_format", "U8", {}, std::string(1, '\0'));
    corpus.add("bnb", "nf4_dq", four.file());
    corpus.add("bnb", "int8", eight.file());
    corpus.add("convert", "characters", ql::test::character_tokenizer(160).dump());
}

/// A linear of 64 inputs and 8 outputs in two groups, as GPTQ and AWQ pack it; seeds of the readers of its files, too.
void integers(const Corpus & corpus) {
    const auto add = [&](const char * name, const std::string & config, const std::vector<int64_t> & codes,
                         int64_t zeros, bool ordered) {
        ql::test::SafeTensorsMaker maker;
        const auto words = [&](const char * end, const std::vector<int64_t> & shape, char byte) {
            int64_t n = 4;
            for (const int64_t side : shape) n *= side;
            maker.add("w" + std::string(end), "I32", shape, std::string(static_cast<size_t>(n), byte));
        };
        words(".qweight", codes, '\x5a');
        words(".qzeros", {2, zeros}, '\x77');
        maker.add("w.scales", "F16", {2, 8}, std::string(32, '\x2c'));
        if (ordered) words(".g_idx", {64}, '\0');
        corpus.add("packed", name, config + "\n" + maker.file());
        if (ordered) corpus.add("safetensors", name, maker.file());
    };
    add("gptq", R"({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": false, "sym": true})", {8, 8}, 1,
        false);
    add("gptq_act", R"({"bits": 4, "group_size": 32, "checkpoint_format": "gptq_v2", "desc_act": true})", {8, 8}, 1,
        true);
    add("gptq_int8", R"({"bits": 8, "group_size": 32, "format": "gptq_v2"})", {16, 8}, 2, false);
    add("awq", R"({"quant_method": "awq", "w_bit": 4, "q_group_size": 32, "version": "GEMM", "zero_point": true})",
        {64, 1}, 1, false);
    for (const char * kind : {"gptq", "awq"}) {
        const std::string path = QL_SOURCE_DIR "/tests/golden/packed/" + std::string(kind) + "/config.json";
        corpus.add_file("config", kind, path);
    }
}

void sentence_piece(const Corpus & corpus) {
    using namespace std::string_literals;
    const auto piece = [](const std::string & text, char type) {
        const std::string fields = "\x0A"s + static_cast<char>(text.size()) + text + "\x15\0\0\x80\xBF\x18"s + type;
        return "\x0A"s + static_cast<char>(fields.size()) + fields;
    };
    const std::string byte_pairs = "\x12\x04\x18\x02\x28\x10"s, as_it_is = "\x1A\x04\x18\x01\x20\0"s;
    std::string pieces = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3);
    for (const char * text : {"\xE2\x96\x81", "a", "b", "c", "ab", "abc"}) pieces += piece(text, 1);
    corpus.add("tokenizer_model", "characters", pieces + byte_pairs + as_it_is);
    char name[] = "<0x00>";
    for (int byte = 0; byte < 256; ++byte) {
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        pieces += piece(name, 6);
    }
    corpus.add("tokenizer_model", "byte-fallback", pieces + byte_pairs + as_it_is);
    corpus.add("tokenizer_model", "unigram", pieces + "\x12\x02\x18\x01"s + as_it_is);
}

void templates(const Corpus & corpus) {
    corpus.add("template", "chatml", ql::test::tiny::kTemplate);
    for (const ql::NamedTemplate & named : ql::named_templates())
        if (std::string_view(named.source).size() <= 4096) corpus.add("template", named.name, named.source);
    corpus.add(
        "template", "all-constructs",
        "{%- macro m(x, y=1) %}{{ x | trim | upper }}{{ y }}{% endmacro -%}{% set ns = namespace(n=0) %}"
        "{% for k, v in {'a': [1, 2.5], \"b\": none}.items() if k is string %}{% set ns.n = ns.n + loop.index0 %}"
        "{{ m(k) ~ v | tojson(indent=1) }}{% else %}-{% endfor %}{# note #}{% set b %}{{ ns.n // 2 ** 3 % 5 }}"
        "{% endset %}{% for m in messages[::-1] %}{% if m.role == 'assistant' and not loop.first %}{% generation %}"
        "{{ m['content'].split(' ')[0][:3].replace('a', 'b') }}{% endgeneration %}{% elif m is defined %}"
        "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | length }}"
        "{% endif %}{% endfor %}{{ raise_exception('x') if false else strftime_now('%d %b %Y') }}");
}

void datasets(const Corpus & corpus) {
    corpus.add(
        "metrics", "run",
        R"(01{"step":1,"epoch":0.5,"loss":3.5,"lr":0.001,"grad_norm":2,"tokens":64,"tok_s":1000,"seconds":1,"rss_bytes":4096}
{"step":2,"epoch":1,"loss":null,"lr":0.0005,"grad_norm":null,"tokens":64,"tok_s":900,"seconds":2,"rss_bytes":8192,"skipped":"x"}
{"step":3,"epoch":1.5,"loss":0.05,"lr":0,"grad_norm":1e-3,"tokens":64,"tok_s":900,"seconds":0.5,"rss_bytes":1,"eval_loss":1.5}
{"step":4,"lo)");
    corpus.add("choices", "two",
               R"({"question": "1 + 1 =", "choices": ["1", "2"], "answer": 1}
{"question": "q", "choices": ["a", "b", "c"], "answer": "b", "subject": "x"})");
    corpus.add(
        "dataset", "tools",
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>b</think>c"}]}
{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "reasoning_content": "r",
 "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
 {"role": "tool", "tool_call_id": "1", "content": "y"}], "tools": "[{\"name\": \"f\"}]"}
{"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {}}"}]})");
    corpus.add("dataset", "messages", ql::test::tiny_chats(2));
    corpus.add("dataset", "table", "question,answer,id\n\"red, or\n\"\"blue\"\"?\",red,1\nhow many,two,2\n");
    corpus.add(
        "dataset", "forms",
        R"({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"
        "\n"
        R"({"instruction": "Add.", "input": "1 2", "output": "3", "system": ""})"
        "\n"
        R"({"prompt": "2 + 2 = ", "completion": "4"})"
        "\n"
        R"({"question": "Why?", "answer": "So.", "id": 7})"
        "\n"
        R"({"text": "caf\u00e9 \ud83d\ude00 and the rest"})"
        "\n");
    corpus.add(
        "dataset", "array",
        R"([{"messages": [{"role": "user", "content": [{"type": "text", "text": "in"}]}, {"role": "assistant", "content": "out"}]},
 {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "weight": 0}]}])");
}

/// Programs of capi_fuzz.cpp's machine: after the device's two bytes, each line is a call with its arguments.
void calls(const Corpus & corpus) {
    const auto add = [&](const char * name, std::initializer_list<std::initializer_list<int>> lines) {
        std::string program(2, '\1');  // baseline, two threads
        for (const auto & line : lines)
            for (const int byte : line) program.push_back(static_cast<char>(byte));
        corpus.add("capi", name, program);
    };
    const std::initializer_list<int> plan_last = {13, 0, 0, 0, 0}, run = {15, 0, 0, 1, 0},
                                     read_last = {18, 0, 0, 14, 16, 8};
    add("product", {{0, 0, 0, 0, 2, 6, 3, 1},  // an input x, f32 [32, 4]
                    {1, 0, 0, 9, 2, 6, 5, 1},  // a weight w, q8_0 [32, 16]
                    {5, 0, 0, 0, 1, 0},        // w x
                    plan_last,
                    run,
                    read_last});
    add("loss", {{2, 0, 0, 2, 6, 3},            // a parameter, f32 [32, 4]
                 {1, 0, 0, 0, 2, 6, 5, 1},      // a weight, f32 [32, 16]
                 {0, 0, 0, 3, 1, 3, 1},         // targets, i32 [4]
                 {0, 0, 0, 0, 1, 3, 1},         // their weights, f32 [4]
                 {7, 0, 0, 3, 2, 1, 0, 3, 0},   // head_loss
                 {12, 0, 0, 0, 4, 4, 4, 0, 0},  // its gradient by the parameter
                 plan_last,
                 run,
                 read_last});
    add("attention", {{0, 0, 0, 0, 3, 3, 1, 3, 1},  // q [4, 2, 4], k and v [4, 1, 4], spans
                      {0, 0, 0, 0, 3, 3, 0, 3, 1},
                      {0, 0, 0, 0, 3, 3, 0, 3, 1},
                      {0, 0, 0, 3, 2, 1, 3, 1},
                      {7, 0, 0, 3, 2, 1, 0, 1, 1},
                      plan_last,
                      run,
                      read_last});
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: ql_fuzz_make_corpus FOLDER\n"), 2;
    const Corpus corpus(argv[1]);
    gguf(corpus);
    models(corpus);
    adapters(corpus);
    checkpoints(corpus);
    hugging_face(corpus);
    unigram(corpus);
    quantised(corpus);
    integers(corpus);
    sentence_piece(corpus);
    templates(corpus);
    datasets(corpus);
    calls(corpus);
    return 0;
}
