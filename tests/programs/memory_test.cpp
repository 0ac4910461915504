// What a plan says of memory holds for the process, on a real model: $QL_TEST_MODEL, which tools/test.sh sets.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "programs/process.hpp"
#include "support/temporary_folder.hpp"

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

class Memory : public testing::TestWithParam<const char *> {};

TEST_P(Memory, OfTheProcessIsWithinThreePercentOfThePlan) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer keeps memory of its own";
#endif
    const char * model = std::getenv("QL_TEST_MODEL");
    if (!model || !*model) GTEST_SKIP() << "QL_TEST_MODEL names no model";
    const TemporaryFolder folder;
    const std::string data = folder.write("orders.jsonl", orders());
    std::vector<std::string> line = {"-m",    model,    "-d",           data, "-o",          folder.path("a.gguf"),
                                     "-q",    "--json", "--steps",      "2",  "-t",          "2",
                                     "--ctx", "512",    "--grad-accum", "1",  "--no-shuffle"};
    for (std::istringstream words(GetParam()); !words.eof();) words >> line.emplace_back();
    const ProcessResult r = run_program("ql-finetune", line);
    ASSERT_EQ(0, r.code) << r.err;
    const Json json = Json::parse(r.out);
    const double planned = json["planned_peak_bytes"], peak = json["peak_rss_bytes"];
    EXPECT_NEAR(peak / planned, 1, 0.03) << planned / 1e6 << " MB planned, " << peak / 1e6 << " MB at the peak";
}

INSTANTIATE_TEST_SUITE_P(Programs, Memory,
                         testing::Values("--base-type keep --lora-r 8", "--base-type nf4_dq --lora-r 16",
                                         "--base-type nf4_dq --lora-r 8 --compute f32"));

}  // namespace
}  // namespace ql::test
