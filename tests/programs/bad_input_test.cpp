// Every program, each file that it takes or writes, and everything that can be wrong with it.
#include "programs/bad_input.hpp"

namespace ql::test {
namespace {

constexpr Slot kModelSlots[] = {{kFinetune, "-m @ -d {data.jsonl} -o {out.gguf}"},
                                {kChat, "-m @ -p hello -n 1"},
                                {kQuantize, "@ {out.gguf} q8_0"},
                                {kPerplexity, "-m @ -f {text.txt}"},
                                {kBench, "infer -m @"},
                                {kBench, "train -m @"},
                                {kAdapter, "check -m @ {adapter.gguf}"}};
constexpr Slot kAdapterSlots[] = {{kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --init-adapter @"},
                                  {kChat, "-m {model.gguf} -p hello -n 1 --lora @"},
                                  {kPerplexity, "-m {model.gguf} -f {text.txt} --lora @"},
                                  {kBench, "infer -m {model.gguf} --prompt 8 --generate 2 --lora @"},
                                  {kAdapter, "check -m {model.gguf} @"},
                                  {kAdapter, "compose -m {model.gguf} {adapter.gguf} @ -o {out.gguf}"},
                                  {kAdapter, "to-peft -m {model.gguf} @ -o {out}"}};
constexpr Slot kDataSlots[] = {{kFinetune, "-m {model.gguf} -d @ -o {out.gguf}"},
                               {kFinetune, "-m {model.gguf} -d {data.jsonl} --eval-data @ -o {out.gguf}"},
                               {kPerplexity, "-m {model.gguf} -d @"}};
constexpr Slot kTextSlots[] = {{kPerplexity, "-m {model.gguf} -f @"}};
constexpr Slot kTemplateSlots[] = {{kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --chat-template @"},
                                   {kPerplexity, "-m {model.gguf} -d {data.jsonl} --chat-template @"},
                                   {kChat, "-m {model.gguf} -p hello --chat -n 1 --chat-template @"}};
constexpr Slot kConfigSlots[] = {{kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --config @"},
                                 {kChat, "-m {model.gguf} -p hello --config @"},
                                 {kQuantize, "{model.gguf} {out.gguf} q8_0 --config @"},
                                 {kConvert, "{hf} {out.gguf} --config @"},
                                 {kPerplexity, "-m {model.gguf} -f {text.txt} --config @"},
                                 {kBench, "peak --config @"},
                                 {kDoctor, "--quick --config @"},
                                 {kPlot, "{text.txt} -o {out.png} --config @"}};
constexpr Slot kOutputSlots[] = {{kFinetune, "-m {model.gguf} -d {data.jsonl} -o @"},
                                 {kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --metrics @"},
                                 {kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --plot @"},
                                 {kQuantize, "{model.gguf} @ q8_0"},
                                 {kConvert, "{hf} @"}};

TEST_F(BadInput, MissingFilesAreNamed) {
    for (const auto slots : {std::span<const Slot>(kModelSlots), std::span<const Slot>(kAdapterSlots),
                             std::span<const Slot>(kDataSlots), std::span<const Slot>(kTextSlots),
                             std::span<const Slot>(kTemplateSlots), std::span<const Slot>(kConfigSlots)})
        expect_each_refused(slots, "{missing.gguf}", {"missing.gguf"}, {2});
}

TEST_F(BadInput, FoldersAreNoFiles) {
    for (const auto slots : {std::span<const Slot>(kModelSlots), std::span<const Slot>(kAdapterSlots),
                             std::span<const Slot>(kDataSlots), std::span<const Slot>(kTextSlots),
                             std::span<const Slot>(kTemplateSlots), std::span<const Slot>(kConfigSlots)})
        expect_each_refused(slots, "{folder}", {"folder"}, {2});
}

TEST_F(BadInput, EmptyFilesAreRefused) {
    for (const auto slots : {std::span<const Slot>(kModelSlots), std::span<const Slot>(kAdapterSlots),
                             std::span<const Slot>(kDataSlots), std::span<const Slot>(kTextSlots)})
        expect_each_refused(slots, "{empty}", {"empty"}, {2});
}

TEST_F(BadInput, FilesOfAnotherKindAreRefused) {
    expect_each_refused(kModelSlots, "{magic}", {"magic"}, {2});
    expect_each_refused(kAdapterSlots, "{magic}", {"magic"}, {2});
    expect_each_refused(kModelSlots, "{adapter.gguf}", {"adapter"}, {2});
    expect_each_refused(kAdapterSlots, "{model.gguf}", {"model.gguf"}, {2});
    expect_each_refused(kDataSlots, "{model.gguf}", {"model.gguf"}, {2});
    expect_each_refused(kConfigSlots, "{data.jsonl}", {}, {2});
}

TEST_F(BadInput, ModelsThatCannotBeRunAreRefused) {
    for (const Slot & slot : kModelSlots) {
        if (slot.program == kQuantize) continue;  // it needs neither
        std::string line = slot.line;
        expect_refused(slot.program, std::string(line).replace(line.find('@'), 1, "{arch.gguf}"), {"mamba"}, {2});
    }
    expect_refused(kFinetune, "-m {mute.gguf} -d {data.jsonl} -o {out.gguf}", {"tokenizer"}, {2});
    expect_refused(kChat, "-m {mute.gguf} -p hello -n 1", {"tokenizer"}, {2});
}

TEST_F(BadInput, NonFiniteWeightsAreNamed) {
    expect_refused(kQuantize, "{nan.gguf} {out.gguf} q8_0", {"blk.0.attn_q.weight"}, {2});
    expect_refused(kFinetune, "-m {nan.gguf} -d {data.jsonl} -o {out.gguf} --base-type nf4_dq", {"blk.0.attn_q.weight"},
                   {2});
}

TEST_F(BadInput, ASearchWhereThereIsNoneIsRefused) {
    for (const char * type : {"f16", "q8_0", "q4_1"})
        expect_refused(kQuantize, "{model.gguf} {out.gguf} " + std::string(type) + " --search",
                       {"search: " + std::string(type) + " has no search", "nf4_dq"}, {2});
    const std::string line = "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --search --base-type ";
    expect_refused(kFinetune, line + "q8_0", {"search: q8_0 has no search"}, {2});
    expect_refused(kFinetune, line + "keep", {"search: no matrix is converted"}, {2});
}

TEST_F(BadInput, AdaptersOfAnotherModelAreRefused) {
    for (Slot slot : kAdapterSlots) {
        std::string line = slot.line;
        line.replace(line.find("{model.gguf}"), 12, "{wide.gguf}");
        line.replace(line.find('@'), 1, "{adapter.gguf}");
        expect_refused(slot.program, line, {"adapter.gguf", "trained on another base"}, {2});
        expect_refused(slot.program, line + " --force", {"adapter.gguf", "blk."}, {2});
    }
}

TEST_F(BadInput, BadLinesOfDataAreNamed) {
    expect_each_refused(kDataSlots, "{broken.jsonl}", {"broken.jsonl:3"}, {2});
    expect_each_refused(kDataSlots, "{keys.jsonl}", {"keys.jsonl:1"}, {2});
}

TEST_F(BadInput, CutModelsAreRefusedAtEveryPage) {
    const std::string whole = read_all(workspace_.path("model.gguf"));
    for (size_t size = 4096; size < whole.size(); size += 4096) {
        workspace_.write("cut.gguf", std::string_view(whole).substr(0, size));
        expect_refused(kQuantize, "{cut.gguf} {out.gguf} q8_0", {"cut.gguf"}, {2});
        if (size % 65536 == 0) expect_refused(kChat, "-m {cut.gguf} -p hello -n 1", {"cut.gguf"}, {2});
        if (HasFailure()) return;
    }
}

TEST_F(BadInput, OutputsThatCannotBeWrittenAreFoundFirst) {
    expect_each_refused(kOutputSlots, "{missing/out.gguf}", {"missing"});
    expect_each_refused(kOutputSlots, "{folder}", {"folder"});
    expect_each_refused(kOutputSlots, "{data.jsonl/out.gguf}", {"data.jsonl"});
    expect_each_refused(kOutputSlots, "/proc/out.gguf", {"/proc"});
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --checkpoint-dir {data.jsonl}",
                   {"data.jsonl"});
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --checkpoint-dir /proc/c",
                   {"--checkpoint-dir: /proc: no file can be made in this folder: "}, {2});
}

TEST_F(BadInput, InputsAreNotOverwritten) {
    for (const char * file : {"{hf/config.json}", "{hf/model.safetensors}"})
        expect_refused(kConvert, std::string("{hf} ") + file, {"of the input"}, {2});
    for (const Slot & slot : kOutputSlots) {
        if (slot.program == kConvert) continue;
        std::string onto = slot.line;
        expect_refused(slot.program, onto.replace(onto.find('@'), 1, "{model.gguf}"), {"model.gguf"}, {2});
        if (slot.program != kFinetune) continue;
        std::string line = slot.line;
        expect_refused(kFinetune, std::string(line).replace(line.find('@'), 1, "{folder/../data.jsonl}"),
                       {"data.jsonl"}, {2});
    }
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --metrics {out.gguf}", {"--metrics"}, {2});
    std::filesystem::create_directory(workspace_.path("many"));
    workspace_.write("many/a.jsonl", read_all(workspace_.path("data.jsonl")));
    std::filesystem::create_symlink(workspace_.path("many/a.jsonl"), workspace_.path("link"));
    std::filesystem::create_directory_symlink(workspace_.path("many"), workspace_.path("there"));
    const std::string begin = "-m {model.gguf} --steps 1 --ctx 64 --grad-accum 1 --lora-r 4 -d ";
    for (const char * more :
         {"{many} -o {many/a.jsonl}", "{many} -o {link}", "{there} -o {many/a.jsonl}", "{many} -o {there/a.jsonl}",
          "{many/*.jsonl} -o {folder/../many/a.jsonl}", "{many} -o {out.gguf} --overwrite --metrics {many/a.jsonl}",
          "{data.jsonl} --eval-data {many} -o {many/a.jsonl}"})
        expect_refused(kFinetune, begin + more, {"is a file of the input of -"}, {2});
    EXPECT_EQ(0, workspace_.run(kFinetune, "-q " + begin + "{many} -o {many/new.gguf}").code);
    EXPECT_EQ(0, workspace_.run(kFinetune, "-q " + begin + "{many} -o {many/new.gguf}").code) << "no data";
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} --init-adapter {adapter.gguf} -o {adapter.gguf}",
                   {"--init-adapter"}, {2});
}

TEST_F(BadInput, AnEarlierRunIsNotOverwritten) {
    ASSERT_EQ(
        0,
        workspace_
            .run(
                kFinetune,
                "-q -m {model.gguf} -d {data.jsonl} -o {out.gguf} --steps 1 --ctx 64 --grad-accum 1 --keep-checkpoints")
            .code);
    std::filesystem::remove(workspace_.path("out.gguf"));  // what was learned is in the checkpoint alone
    expect_refused(kFinetune, "-q -m {model.gguf} -d {data.jsonl} -o {out.gguf} --steps 2 --ctx 64 --grad-accum 1",
                   {"out.gguf.ckpt", "--resume auto"});
    expect_refused(kFinetune,
                   "-q -m {model.gguf} -d {data.jsonl} -o {out.gguf} --steps 1 --ctx 32 --grad-accum 1 --resume auto",
                   {"ctx"});
}

TEST_F(BadInput, ConfigFilesHaveLimits) {
    std::string section = "[a", list = "data = [\"a\"";
    for (int i = 0; i < 30000; ++i) section += ".a";
    for (int i = 0; i < 40000; ++i) list += ", 1";
    for (const auto & [text, word] :
         {std::pair{section + "]\nlr = 1\n", "bad.toml:1: 'a' is a section within a section"},
          {"\n" + section.substr(1) + " = 1\n", "bad.toml:2: 'a' is a section within a section"},
          {list + "]\n", "bad.toml: more than 65536 bytes"}}) {
        workspace_.write("bad.toml", text);
        expect_each_refused(kConfigSlots, "{bad.toml}", {word}, {2});
    }
}

TEST_F(BadInput, DataOfOtherKindsAreNamed) {
    workspace_.write("a.parquet", std::string("PAR1\x15\0\0PAR1", 11));
    expect_each_refused(kDataSlots, "{a.parquet}", {"a.parquet: a Parquet file", "save the samples as CSV or JSONL"},
                        {2});
    workspace_.write("none.csv", "question,answer\n");
    expect_each_refused(kDataSlots, "{none.csv}", {"none.csv: no sample is in this file"}, {2});
}

TEST_F(BadInput, AnEmptyTemplateSaysSo) {
    workspace_.write("blank.jinja", " \n");
    expect_each_refused(kTemplateSlots, "{blank.jinja}", {"blank.jinja: the file is empty", "chatml"}, {2});
    expect_each_refused(kTemplateSlots, "{empty}", {"empty: the file is empty", "chatml"}, {2});
}

TEST_F(BadInput, TextsThatAreNotUtf8) {
    workspace_.write("latin.txt", "un caf\xe9 noir, s'il vous pla\xeet\n");
    expect_refused(kPerplexity, "-m {model.gguf} -f {latin.txt}", {"latin.txt", "UTF-8"}, {2});
    expect_refused(kPerplexity, "-m {model.gguf} -f {model.gguf}", {"model.gguf", "UTF-8"}, {2});
    expect_refused(kFinetune, "-m {model.gguf} -o {out.gguf} -d {latin.txt}", {"latin.txt", "UTF-8"}, {2});
}

}  // namespace
}  // namespace ql::test
