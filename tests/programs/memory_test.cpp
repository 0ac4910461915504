// What a plan says of memory holds for the process: with a real model ($QL_TEST_MODEL, which tools/test.sh sets), and
// with a tiny one, where the program itself takes the most.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "programs/process.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

/// Orders of a shop, as in the example, made long enough for two sequences.
std::string orders() {
    std::string text;
    for (int i = 0; i < 40; ++i)
        text += R"({"prompt": "Please send )" + std::to_string(i) +
                R"( blue mugs to Lyon by Friday, the large ones.", "completion": "{\"item\": \"mug\", \"quantity\": )" +
                std::to_string(i) + "}\"}\n";
    return text;
}

/// The peak of a run's process, and what was planned; `words` are the run's options.
void check_peak(const std::string & model, const std::string & words) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer keeps memory of its own";
#endif
    const TemporaryFolder folder;
    const std::string data = folder.write("orders.jsonl", orders());
    std::vector<std::string> line = {"-m",           model,    "-d",          data, "-o", folder.path("a.gguf"),
                                     "-q",           "--json", "--steps",     "2",  "-t", "2",
                                     "--grad-accum", "1",      "--no-shuffle"};
    for (std::istringstream in(words); !in.eof();) in >> line.emplace_back();
    const ProcessResult r = run_program("ql-finetune", line);
    ASSERT_EQ(0, r.code) << r.err;
    const Json json = Json::parse(r.out);
    const double planned = json["planned_peak_bytes"], peak = json["peak_rss_bytes"];
    // How much of the libraries' files is resident is the system's choice.
    constexpr double kOfThePlan = 0.03, kOfTheSystem = 2e6;
    EXPECT_NEAR(peak, planned, kOfThePlan * planned + (planned < 50e6 ? kOfTheSystem : 0)) << words;
    if (const size_t at = words.find("--memory "); at != words.npos) {
        EXPECT_LE(peak, std::stod(words.substr(at + 9)) * 1048576) << words;
    }
}

class Memory : public testing::TestWithParam<const char *> {};

TEST_P(Memory, OfTheProcessIsWithinThreePercentOfThePlan) {
    const char * model = std::getenv("QL_TEST_MODEL");
    if (!model || !*model) GTEST_SKIP() << "QL_TEST_MODEL names no model";
    check_peak(model, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Programs, Memory,
                         testing::Values("--ctx 512 --base-type keep --lora-r 8",
                                         "--ctx 512 --base-type nf4_dq --lora-r 16",
                                         "--ctx 512 --base-type nf4_dq --lora-r 8 --compute f32"));

TEST(MemoryOfATinyModel, IsWhatThePlanSays) {
    const TemporaryFolder folder;
    write_tiny_model(folder.path("model.gguf"));
    check_peak(folder.path("model.gguf"), "--ctx 64 --lora-r 4");
    check_peak(folder.path("model.gguf"), "--ctx 64 --lora-r 4 --base-type f32 --compute f32");
}

/// Of an embedding apart from the head a short text names few rows. Within the budget the plan reads them one by one.
TEST(MemoryOfAModelWithAHeadOfItsOwn, IsWhatThePlanSays) {
    const TemporaryFolder folder;
    const std::string model = folder.path("model.gguf");
    ASSERT_EQ(
        0,
        run_program("ql-bench", {"make-model", "--shape", "llama-160m", "--type", "nf4_dq", "-o", model, "-q"}).code);
    check_peak(model, "--ctx 64 --lora-r 16 --base-type keep");
    check_peak(model, "--ctx 64 --lora-r 16 --base-type keep --optim adamw8bit --recompute all");
    check_peak(model, "--ctx 64 --lora-r 16 --base-type keep --memory 140MiB");
}

}  // namespace
}  // namespace ql::test
