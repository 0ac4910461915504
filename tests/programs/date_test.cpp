// --date: what templates that ask for the day are told, by each program, with and without it.
#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"
#include "ql/gguf.h"

namespace ql::test {
namespace {

using Json = nlohmann::json;

constexpr const char * kDated =
    "{{ strftime_now('%d %B %Y') }}\n{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
constexpr const char * kModel = "-m {model.gguf} --chat-template {dated} ";
const std::string kShow = std::string("-d {data.jsonl} --ctx 128 --show-data 1 ") + kModel;
const std::string kTrain = std::string("-q -d {data.jsonl} --ctx 128 --lr 0.01 --grad-accum 1 ") + kModel;

class DateOption : public testing::Test {
  protected:
    void SetUp() override { workspace_.write("dated", kDated); }
    std::string must(const std::string & program, const std::string & line) const {
        const ProcessResult r = workspace_.run(program, line);
        EXPECT_EQ(0, r.code) << line << "\n" << r.err;
        return r.out;
    }
    bool shows(const std::string & line, const char * date) const {
        return must("ql-finetune", kShow + line).find(date) != std::string::npos;
    }
    /// "" if the adapter records none.
    std::string recorded(const std::string & adapter) const {
        ql_gguf * file = nullptr;
        EXPECT_EQ(QL_OK, ql_gguf_open(workspace_.path(adapter).c_str(), &file)) << ql_error_message();
        ql_gguf_string text{};
        const bool has = ql_gguf_get_string(file, "adapter.chat_template.date", &text) == QL_OK;
        std::string date = has ? std::string(text.data, text.size) : "";
        ql_gguf_close(file);
        return date;
    }
    Json chat(const std::string & line) const {
        const std::string ask = "-p hello --chat -n 1 --json --logprobs 1 --temp 0 --compute f32 ";
        return Json::parse(must("ql-chat", ask + kModel + line))["logprobs"];
    }
    double nll(const std::string & line) const {
        return Json::parse(must("ql-perplexity", "-d {data.jsonl} -c 128 --json " + std::string(kModel) + line))["nll"]
            .get<double>();
    }
    Workspace workspace_{true};
};

TEST_F(DateOption, TrainingIsToldAFixedDay) {
    EXPECT_TRUE(shows("", "26 July 2024"));
    EXPECT_TRUE(shows("--date 2031-02-03", "03 February 2031"));
}

TEST_F(DateOption, TheAdapterRecordsTheDayAndGoesOnWithIt) {
    must("ql-finetune", kTrain + "-o {a.gguf} --steps 1 --date 2031-02-03");
    EXPECT_EQ("2031-02-03", recorded("a.gguf"));
    EXPECT_TRUE(shows("--init-adapter {a.gguf}", "03 February 2031"));
    EXPECT_TRUE(shows("--init-adapter {a.gguf} --date 2032-02-29", "29 February 2032"));
    must("ql-finetune", kTrain + "-o {b.gguf} --steps 1 --init-adapter {a.gguf}");
    EXPECT_EQ("2031-02-03", recorded("b.gguf"));
    must("ql-finetune", kTrain + "-o {c.gguf} --steps 1");
    EXPECT_EQ("2024-07-26", recorded("c.gguf"));
}

TEST_F(DateOption, IsNotRecordedWhereTheTemplateAsksForNone) {
    must("ql-finetune", "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --steps 1 --date 2031-02-03");
    EXPECT_EQ("", recorded("a.gguf"));
}

TEST_F(DateOption, ARunIsResumedWithTheDayItBeganWith) {
    const std::string line = kTrain + "-o {a.gguf} --steps 2 --date 2031-02-03 --keep-checkpoints";
    must("ql-finetune", line);
    must("ql-finetune", line + " --resume auto");
    const ProcessResult r = workspace_.run("ql-finetune", kTrain + "-o {a.gguf} --steps 2 --resume auto");
    EXPECT_EQ(2, r.code);
    EXPECT_NE(r.err.npos, r.err.find("chat-date 2024-07-26, the checkpoint was made with 2031-02-03")) << r.err;
}

TEST_F(DateOption, AChatIsToldTheDayItIsHeldOn) {
    const auto today = [] {
        const std::time_t now = std::time(nullptr);
        char text[20];
        std::strftime(text, sizeof text, "%Y-%m-%d", std::localtime(&now));
        return std::string(text);
    };
    const std::string before = today();
    const Json here = chat(""), there = chat("--date 2024-07-26");
    EXPECT_NE(here, there);
    EXPECT_TRUE(here == chat("--date " + before) || here == chat("--date " + today()));
    must("ql-finetune", kTrain + "-o {a.gguf} --steps 1 --date 2024-07-26");
    const Json serving = chat("--lora {a.gguf}");
    EXPECT_NE(serving, chat("--lora {a.gguf} --date 2024-07-26")) << "serving is not training";
}

TEST_F(DateOption, PerplexityIsMeasuredOnTheDayOfTraining) {
    EXPECT_EQ(nll(""), nll("--date 2024-07-26"));
    EXPECT_NE(nll(""), nll("--date 2031-02-03"));
    must("ql-finetune", kTrain + "-o {a.gguf} --steps 1 --date 2031-02-03");
    EXPECT_EQ(nll("--lora {a.gguf}"), nll("--lora {a.gguf} --date 2031-02-03"));
    EXPECT_NE(nll("--lora {a.gguf}"), nll("--lora {a.gguf} --date 2024-07-26"));
}

TEST_F(DateOption, RefusesWhatIsNoDateBeforeAnythingElse) {
    for (const char * date : {"2025-02-30", "25-1-1", "tomorrow", "''", "2025-01-01T00:00"})
        for (const auto & [program, line] : {std::pair{"ql-finetune", "-m {missing} -d {missing} -o {o}"},
                                             {"ql-finetune", "-m {missing} -d x --show-data 1"},
                                             {"ql-chat", "-m {missing}"},
                                             {"ql-chat", "-m {missing} -p x --chat"},
                                             {"ql-perplexity", "-m {missing} -d x"}}) {
            auto arguments = workspace_.arguments(std::string(line) + " --date");
            arguments.push_back(date == std::string("''") ? "" : date);
            const ProcessResult r = run_program(program, arguments);
            EXPECT_EQ(2, r.code) << program << " " << date;
            EXPECT_NE(r.err.npos, r.err.find(arguments.back().empty() ? "--date: the text is empty"
                                                                     : "is no date; write YYYY-MM-DD"))
                << r.err;
            EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
            EXPECT_EQ("", r.out);
        }
}

TEST_F(DateOption, NeedsAConversation) {
    EXPECT_EQ(2, workspace_.run("ql-chat", "-m {model.gguf} --raw -p x -n 1 --date 2025-01-01").code);
    EXPECT_EQ(2, workspace_.run("ql-perplexity", "-m {model.gguf} -f {text.txt} --date 2025-01-01").code);
}

}  // namespace
}  // namespace ql::test
