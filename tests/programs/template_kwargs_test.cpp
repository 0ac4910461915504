// --chat-template-kwargs: values that a template reads by name, by each program, and those that an adapter was trained with.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"
#include "ql/gguf.h"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char * kThinker =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
// The same, and a word before the first message that depends on two values.
const std::string kTold = std::string("{% if enable_thinking is defined and enable_thinking is false %}quiet{% endif %}"
                                      "{{ level | default('') }}\n") +
                          kThinker;
const std::string kModelTold = "-m {model.gguf} --chat-template {told} ";
const std::string kShowTold = "-d {data.jsonl} --ctx 128 --show-data 1 " + kModelTold;
const std::string kTrainTold = "-q -d {data.jsonl} --ctx 128 --lr 0.01 --grad-accum 1 " + kModelTold;

class TemplateKwargs : public testing::Test {
  protected:
    void SetUp() override { workspace_.write("told", kTold), workspace_.write("plain", kThinker); }
    /// The words of a line, and the object behind --chat-template-kwargs, which has blanks and quotes.
    ProcessResult run(const std::string & program, const std::string & line, const char * kwargs = nullptr) const {
        auto arguments = workspace_.arguments(line);
        if (kwargs) arguments.push_back("--chat-template-kwargs"), arguments.push_back(kwargs);
        return run_program(program, arguments);
    }
    std::string must(const std::string & program, const std::string & line, const char * kwargs = nullptr) const {
        const ProcessResult r = run(program, line, kwargs);
        EXPECT_EQ(0, r.code) << line << "\n" << r.err;
        return r.out;
    }
    std::string recorded(const std::string & adapter) const {
        ql_gguf * file = nullptr;
        EXPECT_EQ(QL_OK, ql_gguf_open(workspace_.path(adapter).c_str(), &file)) << ql_error_message();
        ql_gguf_string text{};
        const bool has = ql_gguf_get_string(file, "adapter.chat_template.kwargs", &text) == QL_OK;
        std::string kwargs = has ? std::string(text.data, text.size) : "";
        ql_gguf_close(file);
        return kwargs;
    }
    Json chat(const std::string & line, const char * kwargs = nullptr) const {
        const std::string ask = "-p hello --chat -n 1 --json --logprobs 1 --temp 0 --compute f32 -m {model.gguf} ";
        return Json::parse(must("ql-chat", ask + line, kwargs))["logprobs"];
    }
    double nll(const std::string & line, const char * kwargs = nullptr) const {
        return Json::parse(must("ql-perplexity", "-d {data.jsonl} -c 128 --json -m {model.gguf} " + line, kwargs))["nll"]
            .get<double>();
    }
    Workspace workspace_{true};
};

TEST_F(TemplateKwargs, AreWhatTheTemplateReads) {
    EXPECT_EQ(std::string::npos, must("ql-finetune", kShowTold).find("quiet"));
    EXPECT_NE(std::string::npos, must("ql-finetune", kShowTold, R"({"enable_thinking": false})").find("quiet\n"));
    EXPECT_NE(std::string::npos,
              must("ql-finetune", kShowTold, R"({"enable_thinking": false, "level": 3})").find("quiet3\n"));
}

TEST_F(TemplateKwargs, TravelWithTheAdapter) {
    const char * quiet = R"({ "enable_thinking": false })";
    must("ql-finetune", kTrainTold + "-o {a.gguf} --steps 1 --keep-checkpoints", quiet);
    EXPECT_EQ(R"({"enable_thinking":false})", recorded("a.gguf"));
    const std::string init = "-m {model.gguf} -d {data.jsonl} --ctx 128 --init-adapter {a.gguf} ";
    EXPECT_NE(std::string::npos, must("ql-finetune", init + "--show-data 1").find("quiet\n"));
    EXPECT_NE(std::string::npos, must("ql-finetune", init + "--show-data 1", R"({"level":"7"})").find("\n7\n"));
    must("ql-finetune", "--export-from {a.gguf.ckpt} -o {b.gguf}");
    EXPECT_EQ(R"({"enable_thinking":false})", recorded("b.gguf"));
    must("ql-adapter", "to-peft -m {model.gguf} {a.gguf} -o {peft}");
    must("ql-adapter", "from-peft -m {model.gguf} {peft} -o {c.gguf}");
    EXPECT_EQ(R"({"enable_thinking":false})", recorded("c.gguf"));

    EXPECT_EQ(chat("--lora {a.gguf}"), chat("--lora {a.gguf} --chat-template {told}", quiet));
    EXPECT_NE(chat("--lora {a.gguf}"), chat("--lora {a.gguf} --chat-template {told}"));
    EXPECT_EQ(nll("--lora {a.gguf}"), nll("--lora {a.gguf} --chat-template {told}", quiet));
    EXPECT_NE(nll("--lora {a.gguf}"), nll("--lora {a.gguf} --chat-template {told}"));
    chat("--lora {a.gguf} --chat-template {plain}");  // another template, which has no use for them
}

TEST_F(TemplateKwargs, ThatNobodyReadsAreRefused) {
    const std::vector<std::pair<const char *, const char *>> cases = {
        {R"({"enable_thinkin": false})", "the chat template does not read 'enable_thinkin'"},
        {R"({"m": 1})", "the chat template does not read 'm'"},
        {R"({"namespace": 1})", "the chat template does not read 'namespace'"},
        {R"({"messages": []})", "'messages' is given to every template already"},
        {"[1]", "a JSON object is needed"},
        {"enable_thinking=false", "chat_template_kwargs: line 1, byte 1"},
        {R"({"level": 18446744073709551615})", "level: 18446744073709551615 is too large"}};
    for (const auto & [kwargs, message] : cases)
        for (const auto & [program, line] : {std::pair<const char *, std::string>{"ql-finetune", kShowTold},
                                             {"ql-chat", kModelTold + "-p x --chat -n 1"},
                                             {"ql-perplexity", kModelTold + "-d {data.jsonl} -c 128"}}) {
            const ProcessResult r = run(program, line, kwargs);
            EXPECT_EQ(2, r.code) << program << " " << kwargs;
            EXPECT_NE(std::string::npos, r.err.find(message)) << r.err;
            EXPECT_EQ("", r.out);
        }
}

TEST_F(TemplateKwargs, NeedAConversation) {
    EXPECT_EQ(2, run("ql-chat", "-m {model.gguf} --raw -p x -n 1", R"({"level": 1})").code);
    EXPECT_EQ(2, run("ql-perplexity", "-m {model.gguf} -f {text.txt}", R"({"level": 1})").code);
}

}  // namespace
}  // namespace ql::test
