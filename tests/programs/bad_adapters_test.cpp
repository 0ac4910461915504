// Adapters with every fault that a file, a PEFT directory or an option can have, given to every program that takes one:
// one line that says it, exit code 2, nothing written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"
#include "ql/ql.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

/// Arguments with `@` where the adapter goes.
struct AdapterUse {
    const char * program;
    const char * line;
};
constexpr AdapterUse kUses[] = {{"ql-finetune", "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --init-adapter @"},
                                {"ql-chat", "-m {model.gguf} -p hello -n 1 --lora @"},
                                {"ql-perplexity", "-m {model.gguf} -f {text.txt} --lora @"},
                                {"ql-adapter", "check -m {model.gguf} @"},
                                {"ql-adapter", "compose -m {model.gguf} {adapter.gguf} @ -o {out.gguf}"},
                                {"ql-adapter", "merge -m {model.gguf} --lora @ -o {out.gguf}"}};

/// A writer of a sound adapter for the tiny model (64 wide, k and v of 32 rows), to be spoilt.
struct AdapterDraft {
    AdapterDraft() {
        EXPECT_EQ(ql_gguf_writer_create(out(writer)), QL_OK);
        text("general.type", "adapter");
        text("general.architecture", "llama");
        text("adapter.type", "lora");
        ql_gguf_set_f32(writer.get(), "adapter.lora.alpha", 4);
    }
    void text(const char * key, const char * value) const {
        EXPECT_EQ(ql_gguf_set_string(writer.get(), key, value, std::strlen(value)), QL_OK) << ql_error_message();
    }
    void add(const std::string & name, int64_t ne0, int64_t ne1) const {
        const int64_t ne[2] = {ne0, ne1};
        EXPECT_EQ(ql_gguf_add_tensor(writer.get(), name.c_str(), QL_F32, 2, ne, values.data()), QL_OK)
            << ql_error_message();
    }
    void pair(int64_t k, int64_t r, int64_t m, const std::string & weight = "blk.0.attn_q.weight") const {
        add(weight + ".lora_a", k, r), add(weight + ".lora_b", r, m);
    }
    GgufWriterPtr writer;
    std::vector<float> values = std::vector<float>(1 << 15, 0.5f);
};

struct FileFault {
    const char * says;
    std::function<void(AdapterDraft &)> spoil;
    std::function<void(std::string &)> patch = {};  // of the file's bytes: what no writer makes
};

void replace(std::string & bytes, std::string_view from, std::string_view to) {
    const size_t at = bytes.find(from);
    ASSERT_NE(at, bytes.npos) << from;
    bytes.replace(at, from.size(), to);
}

/// A u64 that stands `offset` bytes behind the end of a tensor's name, or before its beginning.
void set_u64_at(std::string & bytes, std::string_view name, std::ptrdiff_t offset, uint64_t value) {
    const size_t at = bytes.find(name);
    ASSERT_NE(at, bytes.npos) << name;
    std::memcpy(bytes.data() + at + (offset < 0 ? offset : static_cast<std::ptrdiff_t>(name.size()) + offset), &value,
                sizeof value);
}

constexpr const char * kA = "blk.0.attn_q.weight.lora_a";

const FileFault kFileFaults[] = {
    {"'blk.0.attn_q.weight' has only one of .lora_a and .lora_b", [](AdapterDraft & d) { d.add(kA, 64, 4); }},
    {"'blk.0.attn_q.weight.lora_a' has rank 4, 'blk.0.attn_q.weight.lora_b' has 3",
     [](AdapterDraft & d) { d.add(kA, 64, 4), d.add("blk.0.attn_q.weight.lora_b", 3, 64); }},
    {"the adapter is for architecture 'gemma'",
     [](AdapterDraft & d) { d.pair(64, 4, 64), d.text("general.architecture", "gemma"); }},
    {"'blk.0.attn_q.weight.lora_a' is for a weight [96, 64], but 'blk.0.attn_q.weight'",
     [](AdapterDraft & d) { d.pair(96, 4, 64); }},
    {"'blk.7.attn_q.weight', which is no linear of the model",
     [](AdapterDraft & d) { d.pair(64, 4, 64, "blk.7.attn_q.weight"); }},
    {"'blk.0.attn_q.weight.lora_a' holds nan at element 5",
     [](AdapterDraft & d) { d.values[5] = NAN, d.pair(64, 4, 64); }},
    {"adapter.lora.alpha has type 12; it must be a 32-bit float",
     [](AdapterDraft & d) { d.pair(64, 4, 64), ql_gguf_set_f64(d.writer.get(), "adapter.lora.alpha", 4); }},
    {"adapter.lora.alpha has type 5; it must be a 32-bit float",
     [](AdapterDraft & d) {
         d.pair(64, 4, 64), ql_gguf_set_int(d.writer.get(), "adapter.lora.alpha", QL_GGUF_I32, 4);
     }},
    {"adapter.lora.alpha is not finite",
     [](AdapterDraft & d) { d.pair(64, 4, 64), ql_gguf_set_f32(d.writer.get(), "adapter.lora.alpha", INFINITY); }},
    {"blk.0.attn_q.weight.lora_a",  // the container says where
     [](AdapterDraft & d) { d.pair(64, 4, 64), d.add("blk.0.attn_q.weight.lora_x", 64, 4); },
     [](std::string & bytes) { replace(bytes, "lora_x", "lora_a"); }},
    {"64 bytes", [](AdapterDraft & d) { d.pair(64, 4, 64), d.add(std::string(56, 'x') + ".lora_a", 64, 4); },
     [](std::string & bytes) { set_u64_at(bytes, std::string(56, 'x') + ".lora_a", -8, 64); }},
    {"dimension 1 is 0", [](AdapterDraft & d) { d.pair(64, 4, 64); },
     [](std::string & bytes) { set_u64_at(bytes, kA, 4 + 8, 0); }},
    {"'blk.0.attn_q.weight' has rank 65, more than both sides of its weight [64, 64]",
     [](AdapterDraft & d) { d.pair(64, 65, 64); }},
    {"the adapter holds no matrices", [](AdapterDraft &) {}},
    {"'blk.0.attn_q.weight' has 0 magnitudes, a dora of its shape has 64",
     [](AdapterDraft & d) { d.pair(64, 4, 64), d.text("adapter.lora.kind", "dora"); }},
    {"'blk.0.attn_q.weight' has 64 magnitudes, a lora of its shape has 0",
     [](AdapterDraft & d) { d.pair(64, 4, 64), d.add("blk.0.attn_q.weight.lora_magnitude", 64, 1); }},
    {"a LoRA of kind 'loha' is not known; lora, miss, dora are",
     [](AdapterDraft & d) { d.pair(64, 4, 64), d.text("adapter.lora.kind", "loha"); }},
    {"'blk.0.attn_norm.weight' of 63 values is no norm of the model",
     [](AdapterDraft & d) { d.pair(64, 4, 64), d.add("blk.0.attn_norm.weight", 63, 1); }},
};

class BadAdapters : public testing::Test {
  protected:
    void refused(const std::string & program, const std::string & line, const std::string & words) const {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run(program, line);
        SCOPED_TRACE(program + " " + line + "\n" + r.err);
        EXPECT_EQ(2, r.code);
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n'));
        EXPECT_NE(r.err.find(words), r.err.npos) << words;
        EXPECT_EQ(before, workspace_.content());
    }
    void refused_everywhere(const std::string & adapter, const std::string & words) const {
        workspace_.write("out.gguf", "GGUF, as it was");
        for (const AdapterUse & use : kUses) {
            std::string line = use.line;
            line.replace(line.find('@'), 1, adapter);
            refused(use.program, line, words);
        }
    }
    Workspace workspace_{true};
};

TEST_F(BadAdapters, FilesAreRefusedByEveryProgram) {
    for (const FileFault & fault : kFileFaults) {
        AdapterDraft draft;
        fault.spoil(draft);
        ASSERT_EQ(ql_gguf_write(draft.writer.get(), workspace_.path("bad.gguf").c_str()), QL_OK) << ql_error_message();
        if (fault.patch) {
            std::string bytes = read_all(workspace_.path("bad.gguf"));
            fault.patch(bytes);
            workspace_.write("bad.gguf", bytes);
        }
        refused_everywhere("{bad.gguf}", fault.says);
    }
}

TEST_F(BadAdapters, PeftDirectoriesAreRefusedByEveryProgram) {
    ASSERT_EQ(0, workspace_.run("ql-adapter", "to-peft -m {model.gguf} {adapter.gguf} -o {peft}").code);
    const std::string sound = read_all(workspace_.path("peft/adapter_config.json"));
    struct ConfigFault {
        const char * says;
        std::function<void(Json &)> spoil;
    };
    const ConfigFault table[] = {
        {"lora_A has rank 4, lora_B 4, adapter_config.json says 8", [](Json & c) { c["r"] = 8; }},
        {"peft/adapter_config.json: 'r' must be a whole number from 1 to 1048576, got 0", [](Json & c) { c["r"] = 0; }},
        {"'r' must be a finite number", [](Json & c) { c["r"] = "4"; }},
        {"has no lora_magnitude_vector, but use_dora is true", [](Json & c) { c["use_dora"] = true; }},
        {"has LoRA matrices, but peft_type is MISS", [](Json & c) { c["peft_type"] = "MISS"; }},
        {"names 'lm_head', of which there are no tensors", [](Json & c) { c["modules_to_save"] = {"lm_head"}; }},
        {"other fields leave it out", [](Json & c) { c["exclude_modules"] = {"v_proj"}; }},
        {"but target_modules of adapter_config.json does not name it",
         [](Json & c) { c["target_modules"] = {"q_proj"}; }},
        {"'use_tomorrow' is switched on", [](Json & c) { c["use_tomorrow"] = true; }},
        {"'use_tomorrow' is switched on", [](Json & c) { c["use_tomorrow"] = "yes"; }},
        {"but target_modules of adapter_config.json does not name it", [](Json & c) { c["target_modules"] = nullptr; }},
        {"but target_modules of adapter_config.json does not name it",
         [](Json & c) { c["target_modules"] = Json::array(); }},
        {"trained biases (bias: \"all\")", [](Json & c) { c["bias"] = "all"; }},
    };
    for (const ConfigFault & fault : table) {
        Json config = Json::parse(sound);
        fault.spoil(config);
        workspace_.write("peft/adapter_config.json", config.dump());
        refused_everywhere("{peft}", fault.says);
        refused("ql-adapter", "from-peft -m {model.gguf} {peft} -o {out.gguf}", fault.says);
    }
    Json config = Json::parse(sound);
    config["unheard_of"] = 3;
    workspace_.write("peft/adapter_config.json", config.dump());
    const ProcessResult kept = workspace_.run("ql-adapter", "from-peft -m {model.gguf} {peft} -o {kept.gguf}");
    EXPECT_EQ(0, kept.code) << kept.err;
    EXPECT_NE(kept.err.find("'unheard_of' (3) is not known here: kept, not followed"), kept.err.npos) << kept.err;
}

TEST_F(BadAdapters, ThoseOfDifferentBasesAreNotComposed) {
    ASSERT_EQ(0, workspace_
                     .run("ql-finetune",
                          "-q -m {wide.gguf} -d {data.jsonl} -o {wide-adapter.gguf} --steps 1 --ctx 64 --grad-accum 1")
                     .code);
    workspace_.write("out.gguf", "GGUF, as it was");
    refused("ql-adapter", "compose {adapter.gguf} {wide-adapter.gguf} -o {out.gguf}",
            "compose: " + workspace_.path("adapter.gguf") + " was trained on the model 'tiny' (identity ");
    refused("ql-adapter", "compose {adapter.gguf} {wide-adapter.gguf} -o {out.gguf}",
            "; --force composes them all the same");
}

TEST_F(BadAdapters, RanksThatNoFileCouldHoldAreRefusedBeforeTheRun) {
    workspace_.write("out.gguf", "GGUF, as it was");
    const std::string line = "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --overwrite --steps 1 --ctx 64 ";
    refused("ql-finetune", line + "--lora-r 0", "--lora-r");
    refused("ql-finetune", line + "--lora-r 65", "LoRA r is 65, 1 to 64 are possible");
    refused("ql-finetune", line + "--lora-rank-pattern attn_k=33", "gives blk.0.attn_k.weight r 33, 1 to 32");
    refused(
        "ql-finetune", line + "--lora-r 33 --lora-init pissa",
        "pissa: the adapter of r 33 for 'blk.0.attn_q.weight' is one of rank 66, more than both sides of that weight "
        "[64, 64]; r 1 to 32 are possible");
    const ProcessResult most = workspace_.run("ql-finetune", line + "--lora-r 32 --lora-init pissa");
    EXPECT_EQ(0, most.code) << most.err;
}

}  // namespace
}  // namespace ql::test
