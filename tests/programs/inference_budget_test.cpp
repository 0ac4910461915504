// --memory of programs that read and generate: what they print is what they print without it, their peak is within it,
// and --dry-run says what they take. With a real model, $QL_TEST_MODEL.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "programs/process.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kMiB = 1024 * 1024;

class InferencePrograms : public testing::Test {
  protected:
    void SetUp() override {
        const char * model = std::getenv("QL_TEST_MODEL");
        if (!model || !*model) GTEST_SKIP() << "QL_TEST_MODEL names no model";
        model_ = model;
        std::string text;
        for (int i = 0; i < 400; ++i)
            text += "A plan that says what it takes is kept by number " + std::to_string(i) + ".\n";
        text_ = folder_.write("text.txt", text);
    }
    ProcessResult run(const std::string & program, const std::string & words) const {
        std::vector<std::string> line = {"-m", model_, "-t", "2"};
        for (std::istringstream in(words); !in.eof();) in >> line.emplace_back();
        return run_program(program, line);
    }
    Json json(const std::string & program, const std::string & words) const {
        const ProcessResult r = run(program, words + " --json -v");
        EXPECT_EQ(0, r.code) << r.err;
        if (r.code != 0) return {};
        const size_t at = r.err.find("peak_rss_bytes ");
        Json json = Json::parse(r.out);
        if (at != r.err.npos) json["peak_rss_bytes"] = std::stoull(r.err.substr(at + 15));
        return json;
    }
    /// What the refusal of a megabyte says.
    uint64_t least(const std::string & program, const std::string & words) const {
        const ProcessResult r = run(program, words + " --memory 1MiB");
        EXPECT_EQ(2, r.code);
        EXPECT_EQ("", r.out);
        const size_t at = r.err.find("at least ");
        return at == r.err.npos ? (ADD_FAILURE() << r.err, 0) : std::stoull(r.err.substr(at + 9)) * kMiB;
    }
    void check(const std::string & program, const std::string & words,
               const std::vector<const char *> & results) const {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer keeps memory of its own";
#endif
        const Json expected = json(program, words);
        const uint64_t smallest = least(program, words) + 2 * kMiB, whole = expected["peak_rss_bytes"];
        ASSERT_LT(smallest, whole);
        for (const uint64_t memory : {smallest, (smallest + whole) / 2}) {
            const std::string limited = words + " --memory cpu=" + std::to_string(memory);
            const Json plan = json(program, limited + " --dry-run"), got = json(program, limited);
            EXPECT_LE(plan["planned_peak_bytes"], memory);
            EXPECT_GT(plan["read_bytes_per_pass"], 0);
            const double planned = plan["planned_peak_bytes"], peak = got["peak_rss_bytes"];
            EXPECT_LE(peak, planned * 1.01) << "of " << memory;
            for (const char * result : results) EXPECT_EQ(got[result], expected[result]) << result;
        }
    }

    TemporaryFolder folder_;
    std::string model_, text_;
};

TEST_F(InferencePrograms, GenerateWithinABudget) {
    check("ql-chat", "-p The-sea-and-the-sand -n 12 --temp 0 -c 512 --logprobs 3", {"text", "logprobs"});
}

/// Where eight have no room fewer answers grow side by side, and say the same.
TEST_F(InferencePrograms, AnswerPromptsWithinABudget) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer keeps memory of its own";
#endif
    std::string prompts;
    for (int i = 0; i < 9; ++i) prompts += "Say " + std::to_string(i) + " in words.\n";
    const std::string words = "--temp 0 -n 10 -c 1024 --prompts " + folder_.write("p.txt", prompts);
    const ProcessResult expected = run("ql-chat", words);
    ASSERT_EQ(0, expected.code) << expected.err;
    const uint64_t smallest = least("ql-chat", words) + 2 * kMiB;
    for (const uint64_t memory : {smallest, smallest + 30 * kMiB}) {
        const std::string limited = words + " --memory " + std::to_string(memory);
        const Json plan = Json::parse(run("ql-chat", limited + " --json --dry-run").out);
        EXPECT_LE(plan["planned_peak_bytes"], memory);
        EXPECT_GT(plan["read_bytes_per_pass"], 0);
        const ProcessResult got = run("ql-chat", limited + " -v");
        EXPECT_EQ(got.out, expected.out);
        const size_t at = got.err.find("peak_rss_bytes ");
        ASSERT_NE(at, got.err.npos) << got.err;
        EXPECT_LE(std::stod(got.err.substr(at + 15)), plan["planned_peak_bytes"].get<double>() * 1.01);
    }
}

TEST_F(InferencePrograms, EvaluateWithinABudget) {
    check("ql-perplexity", "-c 256 -f " + text_, {"nll", "tokens"});
}

TEST_F(InferencePrograms, TheBudgetThatARefusalNamesIsEnough) {
    for (const auto & [program, words] : {std::pair<std::string, std::string>{"ql-chat", "-p x --dry-run -c 512"},
                                          {"ql-chat", "-p x --dry-run -c 2048"},
                                          {"ql-perplexity", "--dry-run -c 256 -f " + text_},
                                          {"ql-finetune", "--dry-run --base-type keep --ctx 256 --lora-r 16 -o " +
                                                              folder_.path("a.gguf") + " -d " + text_}}) {
        const uint64_t named = least(program, words);
        // How much of the libraries' files is resident is the system's choice.
        const ProcessResult r = run(program, words + " --memory " + std::to_string(named + kMiB));
        EXPECT_EQ(0, r.code) << r.err;
        EXPECT_EQ(2, run(program, words + " --memory " + std::to_string(named - 3 * kMiB)).code);
    }
}

/// While it reads a prompt, or a text, other weights are written over the last half of the file.
TEST_F(InferencePrograms, AModelThatIsOverwrittenIsNamed) {
    const std::string copy = folder_.path("model.gguf");
    ProcessOptions overwrite;
    overwrite.input_at = "model    ";
    overwrite.before_input = [&] {
        const auto half = std::filesystem::file_size(copy) / 2;
        std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(half));
        file << std::string(half, '\x11');
    };
    const std::vector<std::string> model = {"-m", copy, "-t", "1", "-v"};
    for (auto [program, line] :
         {std::pair<std::string, std::vector<std::string>>{
              "ql-chat", {"--raw", "-p", "Tell a long story.", "-n", "300", "-c", "512", "--temp", "0"}},
          {"ql-perplexity", {"-c", "256", "-f", text_}}}) {
        std::filesystem::copy_file(model_, copy, std::filesystem::copy_options::overwrite_existing);
        line.insert(line.begin(), model.begin(), model.end());
        const ProcessResult r = run_program(program, line, overwrite);
        EXPECT_EQ(1, r.code) << r.out;
        EXPECT_NE(r.err.find(program + ": error: " + copy), std::string::npos) << r.err;
    }
}

TEST_F(InferencePrograms, ADryRunIsATableThatAddsUp) {
    const ProcessResult r = run("ql-chat", "--dry-run --memory 200MiB");
    EXPECT_EQ(0, r.code) << r.err;
    for (const char * row : {"weights", "keys and values", "planned peak", "weights read, a pass"})
        EXPECT_NE(r.out.find(row), std::string::npos) << r.out;
    const Json plan = json("ql-chat", "--dry-run");
    uint64_t sum = 0;
    for (const char * part : {"weight_bytes", "page_bytes", "adapter_bytes", "cache_bytes", "activation_bytes",
                              "input_bytes", "program_bytes"})
        sum += plan[part].get<uint64_t>();
    EXPECT_EQ(sum, plan["planned_peak_bytes"]);
    EXPECT_EQ(plan["read_bytes_per_pass"], 0);
}

TEST_F(InferencePrograms, AModelThatIsCutEndsThemWithALineThatNamesIt) {
    const std::string copy = folder_.path("model.gguf"), words = "-n 400 --raw -p x --temp 0 -c 512 --memory 120MiB";
    std::filesystem::copy_file(model_, copy);
    model_ = copy;
    std::thread cut([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(1500));
        std::filesystem::resize_file(copy, std::filesystem::file_size(copy) / 4);
    });
    const ProcessResult r = run("ql-chat", words);
    cut.join();
    EXPECT_EQ(1, r.code) << r.out;
    EXPECT_NE(r.err.find(copy), std::string::npos) << r.err;
    EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
}

TEST_F(InferencePrograms, ASpillThatCannotBeIsRefused) {
    for (const char * program : {"ql-chat", "ql-perplexity"}) {
        const std::string words = program == std::string("ql-chat") ? "-p x -n 1" : "-f " + text_;
        for (const auto & [more, what] : {std::pair{" --memory 300MiB --spill /nowhere/at-all", "/nowhere/at-all"},
                                          {" --spill /tmp", "--memory"}}) {
            const ProcessResult r = run(program, words + more);
            EXPECT_EQ(2, r.code);
            EXPECT_NE(r.err.find(what), std::string::npos) << r.err;
            EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        }
    }
}

}  // namespace
}  // namespace ql::test
