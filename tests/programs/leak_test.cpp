// A long run takes no more memory at its end than after its first hundred steps. A few minutes: tests/long.sh runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "programs/workspace.hpp"
#include "support/stories_gguf.hpp"

namespace ql::test {
namespace {

constexpr size_t kSteps = 5000, kEarly = 100;
constexpr double kMegabyte = 1e6, kLongest = 3600;  // seconds, on a machine that others keep busy

TEST(Leak, DISABLED_FiveThousandStepsTakeNoMoreMemoryThanAHundred) {
    const Workspace workspace;
    // stories260K where the optional test data is at hand, else the tests' own model of that kind.
    const bool stories = write_stories(workspace.path("stories.gguf"));
    std::string lines;
    for (int i = 0; i < 64; ++i)
        lines += R"({"prompt": "Tom had )" + std::to_string(i) + R"( toys.", "completion": " He gave one to Lily. )" +
                 std::to_string(i - 1) + R"( toys were left, and they played all day."})" + "\n";
    workspace.write("toys.jsonl", lines);
    ProcessOptions patient;
    patient.kill_after = kLongest;
    for (const char * more : {"", " --memory 60MiB --spill {.} --optim paged_adamw8bit --lora-r 64"}) {
        const ProcessResult r =
            workspace.run("ql-finetune",
                          std::string("-q -m ") + (stories ? "{stories.gguf}" : "{model.gguf}") +
                              " -d {toys.jsonl} -o {a.gguf} --overwrite --metrics {m.jsonl} --ctx 64 "
                              "--grad-accum 2 --lr 1e-4 --eval-split 0.1 --eval-every 250 --save-every "
                              "500 --steps " +
                              std::to_string(kSteps) + more,
                          patient);
        ASSERT_EQ(0, r.code) << r.err;
        std::vector<double> rss;
        std::istringstream in(read_all(workspace.path("m.jsonl")));
        for (std::string line; std::getline(in, line);)
            rss.push_back(nlohmann::json::parse(line)["rss_bytes"].get<double>());
        ASSERT_EQ(rss.size(), kSteps);
        EXPECT_LT(rss.back(), rss[kEarly - 1] + kMegabyte) << more;
        RecordProperty("model", stories ? "stories260K" : "tiny");
        std::printf("%s%s: %.0f bytes after step %zu, %.0f after step %zu\n",
                    stories ? "stories260K" : "the tiny model", more, rss[kEarly - 1], kEarly, rss.back(), kSteps);
    }
}

}  // namespace
}  // namespace ql::test
